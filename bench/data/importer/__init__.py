"""Data of one's own: a long table, a grid or stations in a file become a cube."""
