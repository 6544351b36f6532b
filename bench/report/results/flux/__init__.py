"""What the suite of carbon fluxes stored: rows, sums per tower, comparisons."""
