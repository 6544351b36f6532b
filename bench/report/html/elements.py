"""HTML elements as values: whatever is put into one is escaped, unless it already is an element."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

_VOID = frozenset({"img", "meta"})
_NOT_ALLOWED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
"""Characters that HTML forbids; the log of a crashed process may hold any of them."""


class Html(str):
    """Text that is HTML already. A plain ``str`` is not, and is escaped by `element` and `join`."""


Child = str | None


def escaped(text: str) -> Html:
    """Text that a browser shows as it stands; characters that HTML forbids become replacement characters."""
    return text if isinstance(text, Html) else Html(escape(_NOT_ALLOWED.sub("\ufffd", text)))


def element(name: str, /, *children: Child, **attributes: str | int | bool | None) -> Html:
    """An element.

    Args:
        name: of the tag.
        children: text or elements, in order; None is left out.
        attributes: ``class_`` is written ``class``, ``data_value`` is written ``data-value``; False and None are left
            out, True is written without a value.
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items() if value is not None)
    opening = f"<{name}{written}>"
    return Html(opening) if name in _VOID else Html(f"{opening}{join(children)}</{name}>")


def join(parts: Iterable[Child], separator: str = "") -> Html:
    """Text and elements in a row; None is left out."""
    return Html(escaped(separator).join(escaped(part) for part in parts if part is not None))


def link(target: str, *children: Child, **attributes: str | int | bool | None) -> Html:
    """A link to another place of the same page."""
    return element("a", *children, href=f"#{target}", **attributes)


def code(text: str) -> Html:
    """A name, a command or a value as the program writes it."""
    return element("code", text)


def prose(text: str) -> Html:
    """A sentence of the program, in which names and commands stand between backticks."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # a stray one: nothing is marked
        return escaped(text)
    return join(code(part) if index % 2 else part for index, part in enumerate(parts))


def definitions(facts: Iterable[tuple[str, Child]]) -> Html:
    """A list of facts; those without a value are left out."""
    return element(
        "dl",
        *(
            element("div", element("dt", name), element("dd", value))
            for name, value in facts
            if value is not None and value != ""
        ),
    )


def bullets(items: Iterable[Child], class_: str | None = None) -> Html:
    """A list, or nothing without items."""
    found = [element("li", item) for item in items]
    return element("ul", *found, class_=class_) if found else Html("")


def plain_table(caption: str, heading: Iterable[Child], rows: Iterable[Iterable[Child]], class_: str = "facts") -> Html:
    """A small table whose first column names its rows."""
    head = element("tr", *(element("th", item, scope="col") for item in heading))
    body = []
    for first, *rest in rows:
        body.append(element("tr", element("th", first, scope="row"), *(element("td", item) for item in rest)))
    table = element(
        "table", element("caption", caption), element("thead", head), element("tbody", *body), class_=class_
    )
    return scrollable(table, caption)


def scrollable(table: Html, label: str) -> Html:
    """A frame in which a wide table can be moved sideways, also by keyboard."""
    return element("div", table, class_="scroll", role="region", aria_label=label, tabindex="0")


def anchor(text: str) -> str:
    """A text as part of an id: letters, digits, dots, hyphens and underscores."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)


def _attribute(key: str, value: str | int | bool) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escaped(str(value))}"'
