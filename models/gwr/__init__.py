"""Geographically weighted regression."""
