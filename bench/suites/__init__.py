"""Suites: functions from options to a list of jobs."""
