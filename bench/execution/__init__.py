"""Running jobs: one process each, with a time limit and a memory cap."""
