"""Moving pictures: clips are read, painted frame by frame, and written."""
