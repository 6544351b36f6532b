"""Monthly carbon fluxes that were measured at towers: FLUXNET2015 by way of two public collections."""
