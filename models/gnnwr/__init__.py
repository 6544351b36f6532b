"""Geographically neural network weighted regression, in space (GNNWR) and in space and time (GTNNWR).

Estimators are shaped like scikit-learn's: ``GNNWR().fit(X, y, coords).predict(X_new, coords_new)``. Written from the
papers (Du et al. 2020, Wu et al. 2021) and trained by ``models.training``.

ŷᵢ = Σₖ wₖ(dᵢ) · β_OLS,k · xᵢₖ: a global least-squares fit whose coefficients a network multiplies by local weights.
What differs from the papers, and why:

* dᵢ holds the distances to a few hundred landmarks, not to all n samples: nothing is n × n. Landmarks are training
  places spread evenly by farthest-point sampling. Distances are standardised by training statistics.
* The last layer starts at zero and is added to 1: training starts at the global fit, and AdamW's weight decay pulls
  towards it.
* The optimiser is the training loop's AdamW with a one-cycle schedule of fixed length instead of Adagrad or
  Adadelta with early stopping. A validation part that chose the epoch would cost a sixth of few samples, and the
  learning rate's way down to zero leaves little to choose.
* The global fit has a ridge on standardised columns (``ridge``), which divides the slope of an uncorrelated column by
  1 + ridge; ``models.gnnwr.least_squares`` has the arithmetic. With collinear columns plain least squares has
  large coefficients of opposite signs, and weights that differ by a little make predictions that differ by a lot.
* Features are held within 5 standard deviations in training and later, as for every network here (``models.inputs``),
  and in predictions within the range of the training rows (``reach``): a product of a local weight and a value never
  seen has no bound.
"""

from models.gnnwr.regression import GNNWR, GTNNWR

__all__ = ["GNNWR", "GTNNWR"]
