"""What was stored: which jobs belong in one table, and what they say."""
