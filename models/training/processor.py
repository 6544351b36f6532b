"""What the processor of this machine can do."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

_DESCRIPTION = Path("/proc/cpuinfo")
_FAST_FLAGS = frozenset(("amx_bf16", "avx512_bf16"))


@lru_cache(maxsize=1)
def fast_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 matrices in hardware (AMX or AVX512-BF16).

    Without that torch converts every number, at about a hundredth of the rate. A system that does not describe its
    processor as Linux does is taken for one without.
    """
    try:
        text = _DESCRIPTION.read_text()
    except OSError:
        return False
    flags = (line.partition(":")[2].split() for line in text.splitlines() if line.startswith("flags"))
    return any(not _FAST_FLAGS.isdisjoint(found) for found in flags)
