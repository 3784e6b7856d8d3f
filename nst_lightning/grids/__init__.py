"""Grids: any settings times any values on one sheet and in one table."""
