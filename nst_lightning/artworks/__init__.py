"""The command ``artworks`` and the sources ``artworks:…``: folders of paintings by artist."""
