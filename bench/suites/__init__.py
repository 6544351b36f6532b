"""Suites: functions from options to a list of cells of work."""
