"""Speed and memory of the models of this project: measurements, each in a process of its own."""
