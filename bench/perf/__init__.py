"""Speed and memory of the project's own engines, against the machine's rate and against plain code."""
