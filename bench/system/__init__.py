"""The machine: files and disks, locks and owners, the clock, the terminal, where things lie."""
