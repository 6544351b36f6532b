"""Files that this project reads, damaged in thousands of ways: each is refused in a sentence, or is what it was."""
