"""The page of a comparison: its figures, its words and its pictures."""
