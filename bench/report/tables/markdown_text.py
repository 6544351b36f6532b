"""Text in Markdown: what a title or note says appears as it is, whatever it holds."""

from __future__ import annotations

import re

from bench.system.text import one_line

_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_MARKUP = re.compile(r"[\\`*_\[\]|~]")
"""What ends a cell of a table or begins code, emphasis, a link or a line through."""


def escape(text: str) -> str:
    """One line of Markdown that shows a text: no HTML, no new line, no end of a table's cell, no markup.

    An underscore inside a word and a lone bracket mean nothing in Markdown and stay, for the sake of who reads the
    source.
    """
    line = "".join(_HTML.get(character, character) for character in one_line(text))
    return _MARKUP.sub(_escaped, line)


def _escaped(found: re.Match[str]) -> str:
    sign, text = found[0], found.string
    if (
        sign == "_"
        and _is_word(text[found.start() - 1 : found.start()])
        and _is_word(text[found.end() : found.end() + 1])
    ):
        return sign
    if sign in "[]" and "](" not in text and "]:" not in text:
        return sign
    return "\\" + sign


def _is_word(character: str) -> bool:
    return character.isalnum()
