"""Runners, one file per family; the only place where the harness meets models."""
