"""The command ``compare``: contents x styles, optimised and fast, measured side by side."""
