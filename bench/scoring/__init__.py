"""Metrics as functions of sums, their intervals, and scores of explanations."""
