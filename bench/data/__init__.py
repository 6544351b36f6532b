"""Datasets, the cube that they all become, splits, feature views and the PML_V2 equations.

`from_frame`, `from_table` and `from_xarray` make a cube of data of one's own; they are imported when asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.data.importer.columns import Columns, Feature
    from bench.data.importer.entry import from_frame, from_table, from_xarray

__all__ = ["Columns", "Feature", "from_frame", "from_table", "from_xarray"]


def __getattr__(name: str) -> Any:
    """An importer or what it takes; without them, opening a stored cube imports neither pyarrow nor pandas."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from bench.data.importer import columns, entry

    return getattr(columns if name in ("Columns", "Feature") else entry, name)
