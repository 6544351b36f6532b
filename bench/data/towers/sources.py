"""Where the files of the tower data sets come from; their hashes stand in tables beside this module."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

from bench.data.fetch import Source

_FLUXVAL_COMMIT = "d29f0547fbcb5c764a0ea1edb70a87e0d22ce1a3"
_METAFLUX_COMMIT = "eba0a8ae9dac36159de0bd8bbdb0c7456629d26f"
FLUXVAL_ADDRESS = f"https://github.com/CARDAMOM-framework/CARDAMOM_v2.2 at commit {_FLUXVAL_COMMIT}"
METAFLUX_ADDRESS = f"https://github.com/leap-stc/metaflux at commit {_METAFLUX_COMMIT}"


@cache
def fluxval() -> Source:
    """CARDAMOM-FLUXVAL 1.0: one driver file and one validation file a tower, and a list of towers."""
    return Source(
        "fluxval",
        "https://raw.githubusercontent.com/CARDAMOM-framework/CARDAMOM_v2.2/"
        f"{_FLUXVAL_COMMIT}/DATA/CARDAMOM-FLUXVAL_v1.0/",
        _hashes("fluxval"),
        dataset="towers",
    )


@cache
def metaflux() -> Source:
    """MetaFlux's sample of FLUXNET2015: one file a tower, in the folders ``base`` and ``target``."""
    return Source(
        "metaflux",
        f"https://raw.githubusercontent.com/leap-stc/metaflux/{_METAFLUX_COMMIT}/metaflux/data/sample/",
        _hashes("metaflux"),
    )


def _hashes(name: str) -> dict[str, str]:
    with Path(__file__).with_name(f"{name}_sha256.csv").open(newline="") as stream:
        return {row["file"]: row["sha256"] for row in csv.DictReader(stream)}
