"""Against the paper: published numbers, rankings, expectations and verdicts."""
