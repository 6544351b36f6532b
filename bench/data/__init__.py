"""Datasets, the cube that they all become, splits, feature views and the PML_V2 equations."""
