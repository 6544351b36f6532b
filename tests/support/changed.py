"""The quick runners with other parameters, as after an edit."""

from __future__ import annotations

import dataclasses

from tests.support.runners import QUICK

ENTRIES = [dataclasses.replace(entry, parameters={"seconds": 0.0}) for entry in QUICK]
