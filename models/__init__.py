"""The methods themselves, usable without ``bench``: torch modules and scikit-learn-shaped estimators."""
