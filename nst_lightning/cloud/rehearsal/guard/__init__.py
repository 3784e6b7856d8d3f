"""Folder that is put on the path of a rehearsed job's processes."""
