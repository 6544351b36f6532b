"""Codes of a cube's own split."""

NEITHER, TRAINS, TESTS = 0, 1, 2
