"""``python -m bench``."""

import os
import sys
from pathlib import Path

# Python looks first where the user stands; a folder `models` there must not be taken for this project's. Plug-ins that
# lie there are still found.
if not sys.flags.safe_path and Path(sys.path[0] or os.curdir).resolve() != Path(__file__).resolve().parents[1]:
    sys.path.append(sys.path.pop(0))

from bench.cli import main  # noqa: E402 - the path must be right before anything is imported

main()
