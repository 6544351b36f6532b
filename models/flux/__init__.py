"""Carbon fluxes at towers: sequence models that learn from a process model as well as from measurements."""
