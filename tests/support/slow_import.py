"""A plug-in that takes a while to import: a run is interrupted before it has begun."""

import time
from pathlib import Path

from tests.support.runners import QUICK as ENTRIES

Path("imported").touch()
time.sleep(10)
__all__ = ["ENTRIES"]
