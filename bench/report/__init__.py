"""Reports from the result store: tables, figures, one page. The package is also the function `report`.

`bench.report` is the name of this package and of the function of the Python entry: calling the package makes a report.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    def __call__(self, *arguments: Any, **options: Any) -> Any:
        from bench.report.reporting import report

        return report(*arguments, **options)


sys.modules[__name__].__class__ = _Callable
