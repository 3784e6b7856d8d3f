"""nst_lightning."""
