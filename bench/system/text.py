"""Text that came from outside, made fit for a terminal or a line of a log."""

from __future__ import annotations

import re
from decimal import Decimal

_UNFIT = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters: escape sequences begin with one of them
    "\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069"  # what turns the direction of a line, or ends it
    "\ud800-\udfff"  # halves of characters: bytes of a file name that are no UTF-8
    "\u00ad\u180e\u200b\u2060\ufeff\ufff9-\ufffb"  # what nobody sees
    "\U000e0000-\U000e007f"  # invisible tags
    "]"
)


def plain(text: str) -> str:
    r"""Text without anything that a terminal would obey or could not print; such characters are shown as ``\x1b``.

    Tabs and ends of lines stay; `one_line` has none.
    """
    if text.replace("\n", "").replace("\t", "").isprintable():  # of long texts in a tenth of the time
        return text
    return _UNFIT.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def one_line(text: str, most: int | None = None) -> str:
    """`plain` text on a single line, cut after so many characters.

    Args:
        text: any text.
        most: characters to keep; None for all.
    """
    line = " ".join(plain(text).split())
    return line if most is None or len(line) <= most else line[: most - 1] + "…"


def is_printed_as_it_is(text: str) -> bool:
    """Whether a text stands on one line and a terminal obeys nothing of it."""
    return plain(text) == text and not {*"\t\n"} & {*text}


def text_of(error: BaseException) -> str:
    """The text of an exception of others, which may itself fail to be had."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - code of others
        return "no message"


def short_number(number: int) -> str:
    """A whole number that may have any length, as a sentence takes it."""
    return str(number) if abs(number) < 10**12 else f"{Decimal(number):.0e}"


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number of things: ``1 place``, ``1,200 places``.

    Args:
        number: how many.
        one: what one of them is called.
        many: what several are called; None for `one` with an s.
    """
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def is_name(text: str) -> bool:
    """Whether a text can name something in a table, a label and a folder: printable, on one line, without a slash."""
    return 0 < len(text) <= 200 and text.isprintable() and "/" not in text
