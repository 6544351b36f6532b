"""Stored results as tables: typed values, and their LaTeX, CSV, Markdown and terminal forms."""
