"""The app in the browser: two pictures dropped, a picture kept."""
