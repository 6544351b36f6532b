"""Nothing that is put into an element can become markup."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bench.report.html.elements import anchor, element, join, prose
from tests.report.html.conftest import PageReader


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn"]), max_size=30))
def test_any_text_stays_text_in_content_and_attributes(text: str) -> None:
    read = PageReader(element("p", text, title=text).encode())
    assert read.tags == [("p", {"title": text})]
    assert "".join(read.texts) == f" {text} "  # the reader marks tags by blanks


def test_characters_that_html_forbids_are_replaced() -> None:
    assert element("p", "\x00a\x1b\ud800\ufffeb\tc") == "<p>\ufffda\ufffd\ufffd\ufffdb\tc</p>"


def test_elements_are_not_escaped_twice_and_none_is_left_out() -> None:
    assert element("p", element("b", "a&b"), None, hidden=True, id=None) == "<p hidden><b>a&amp;b</b></p>"
    assert join(["<", element("i", "x")], ", ") == "&lt;, <i>x</i>"


def test_names_between_backticks_become_code_and_a_stray_backtick_does_not() -> None:
    assert prose("see `bench why <x>`.") == "see <code>bench why &lt;x&gt;</code>."
    assert prose("a ` b") == "a ` b"


def test_anchors_hold_no_blanks() -> None:
    assert anchor("a b/c#d é") == "a-b-c-d-"
