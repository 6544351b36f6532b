"""Geographically weighted regression: GWR, GTWR and GTWR on full panels; exact, batched, float64.

Estimators are shaped like scikit-learn's: ``GWR().fit(X, y, coords).predict(X_new, coords_new)``.

How it works. A local fit needs only Σ w·(products of columns). For a block of locations these are one
matrix product W @ Z, with Z = [products of pairs of columns | X·y], followed by a batched Cholesky
solve. Blocks are compact regions, so that a compact kernel touches few samples; a block's size follows
from ``memory``, whatever the number of samples, and the results do not depend on it.

Choices, and why:

* Double precision only. With collinear columns single precision moves coefficients by per cents.
* Definitions are those of GWR4 and mgwr, so that numbers agree: hat matrix, AICc, CV divided by n,
  σ² = RSS / (n - tr S), adaptive bandwidth = distance to the q-th nearest sample, itself counted.
* Bandwidths by the same golden-section search as mgwr's, but not rounded to two decimals, and with
  an infinite score where tr S ≥ n - 2, where mgwr's AICc falls to -∞.
* Singular local designs (constant or one-hot columns, duplicates, too few neighbours) are flagged in
  ``singular_`` and pulled towards the global least-squares coefficients with a strength of 1e-6, in the
  directions the neighbours leave open; regular locations are untouched. Hat values and standard errors
  are those of the regularised estimator (its bias is not in them). A bandwidth at which a singular
  location has fewer effective neighbours than parameters never wins a search. Designs singular by
  their columns alone do not rule a bandwidth out: else one rare class would make every model global.
* A location that no sample is in reach of (a fixed bandwidth, a compact or vanishing kernel) gets the global fit, but
  not in silence: ``predict`` warns, ``predict_flagged`` and ``local_models`` say where, and its standard errors are
  infinite. An adaptive bandwidth reaches its neighbours wherever they are.
* Two samples at one place are two samples. They have weight 1 in each other's fit.
* ``GTWR`` has one distance for space and time, d² = ds² + τ·dt², and one kernel on it: the model of
  Huang, Wu and Barry (2010), and of mgtwr. ``PanelGTWR`` has a kernel for space times a kernel for
  time, as Fotheringham, Crespo and Yao (2015), with one spatial bandwidth for all times; it is exact for
  6,000 cells × 46 steps. With two fixed Gaussian kernels both are the same model, τ = b_s² / b_t².
  mgtwr's AICc is AIC + 2t(t + 1)/(n - t - 1) with t = tr S; ours is GWR4's, for all models.
* Great-circle distance comes from unit vectors, so the date line and the poles are ordinary places.
* ``device="cuda"`` runs the same code in double precision on a GPU.
"""

from models.gwr.gtwr import GTWR
from models.gwr.local import FlaggedPrediction, LocalModels
from models.gwr.panel import PanelGTWR
from models.gwr.regression import GWR

__all__ = ["GTWR", "GWR", "FlaggedPrediction", "LocalModels", "PanelGTWR"]
