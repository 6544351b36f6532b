"""Text from outside, cleaned for a terminal, one line, or Markdown."""

from __future__ import annotations

import random
import unicodedata

import pytest

from bench.report.tables.markdown_text import escape
from bench.system.text import _UNFIT, counted, is_name, one_line, plain

GENERATOR = random.Random(7)
SAMPLES = [
    "".join(chr(GENERATOR.choice((GENERATOR.randrange(0x300), GENERATOR.randrange(0x110000)))) for _ in range(40))
    for _ in range(500)
]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("R² 0.9 – fine\tand\nmore", "R² 0.9 – fine\tand\nmore"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\x9b31m", r"\x9b31m"),
        ("a\rb", r"a\rb"),
        ("caf\udce9", r"caf\udce9"),
        ("\u202eevil", r"\u202eevil"),
        ("un\u200bseen\u2060", r"un\u200bseen\u2060"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_instead(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_no_control_character_survives() -> None:
    for text in SAMPLES:
        found = plain(text)
        found.encode()
        assert not [sign for sign in found if unicodedata.category(sign) in ("Cc", "Cs") and sign not in "\t\n"]
        assert "\n" not in one_line(text) and len(one_line(text, 10)) <= 10


def test_markdown_keeps_its_table_and_has_no_html() -> None:
    for text in [
        *SAMPLES,
        "<img src=x onerror=alert(1)>",
        "a | b\n| c",
        "[x](javascript:1)",
        "`code`",
        "**bold**",
        "&lt;",
    ]:
        found = escape(text)
        assert "\n" not in found and "<" not in found and ">" not in found
        assert "|" not in found.replace(r"\|", "") and "`" not in found.replace(r"\`", "")
        assert "](" not in found.replace(r"\](", "")
    assert escape("pml_last_year [0.9, 1.0]") == "pml_last_year [0.9, 1.0]"
    assert escape("n < 5 & more") == "n &lt; 5 &amp; more"


@pytest.mark.parametrize("name", ["", "a/b", "a\nb", "\x1b", "x" * 201, "\ud800"])
def test_a_name_is_printable_and_no_path(name: str) -> None:
    assert not is_name(name) and is_name("simulated:cells=200,years=2")


def test_no_character_that_is_printable_for_python_is_unfit() -> None:
    everything = "".join(map(chr, range(0x110000)))
    assert plain("".join(filter(str.isprintable, everything))) == "".join(filter(str.isprintable, everything))
    unfit = [char for char in everything if not char.isprintable() and _UNFIT.match(char)]
    assert len(unfit) > 2000
    assert not any(char in plain(f"a long text\t{char}\n") for char in unfit)
    assert not any(_UNFIT.match(char) for char in everything if char.isprintable())


@pytest.mark.parametrize(
    ("number", "words", "said"),
    [
        (0, ("place",), "0 places"),
        (1, ("place",), "1 place"),
        (1200, ("place",), "1,200 places"),
        (1, ("sample is", "samples are"), "1 sample is"),
        (2, ("sample is", "samples are"), "2 samples are"),
    ],
)
def test_one_thing_is_no_plural(number: int, words: tuple[str, ...], said: str) -> None:
    assert counted(number, *words) == said
