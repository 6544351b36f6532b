"""climate2gpp-bench: a benchmark of models that predict gross primary productivity from climate."""

__version__ = "0.1.0"
