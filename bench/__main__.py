"""``python -m bench``, and the command ``bench``: imports next to nothing, so that Ctrl-C is heard at once."""

import os
import signal
import sys


def main() -> None:
    """Entry point of `bench`."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:  # as `nohup` and scripts have it
            signal.signal(number, lambda *_: os._exit(128 + signal.SIGINT))  # nothing was begun: nothing is said
    from bench.cli import main as command_line

    command_line()


if __name__ == "__main__":
    # Python looks first where the user stands; a folder `models` there must not be taken for this project's. Plug-ins
    # that lie there are still found.
    root = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    if not sys.flags.safe_path and os.path.realpath(sys.path[0] or os.curdir) != root:
        sys.path.append(sys.path.pop(0))
    main()
