"""The tables of the flux suite: F1 of all methods, F2 of few labelled towers, F3 of ablations, F4 of imputation."""
