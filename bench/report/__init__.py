"""Tables and files as pure functions of the stored results."""
