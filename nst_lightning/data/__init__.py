"""Pictures in and out: sources, decoding, sizes, colour, files."""
