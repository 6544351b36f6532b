"""Any text as LaTeX that prints it, with the fonts and commands of every TeX installation (OT1, no packages)."""

from __future__ import annotations

import re
import unicodedata

_ASCII = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "`": r"\`{}",
    # After the end of a table's row these two would be taken as its options.
    "[": "{[}",
    "*": "{*}",
    # Plain text fonts have other signs in the places of these.
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    '"': "''",
}
_SIGNS = {
    "°": r"$^\circ$",
    "†": r"$^\dagger$",
    "‡": r"$^\ddagger$",
    "÷": r"$\div$",
    "×": r"$\times$",
    "−": "$-$",
    "±": r"$\pm$",
    "·": r"$\cdot$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "≈": r"$\approx$",
    "≠": r"$\ne$",
    "∂": r"$\partial$",
    "∞": r"$\infty$",
    "√": r"$\surd$",
    "→": r"$\to$",
    "←": r"$\leftarrow$",
    "•": r"$\bullet$",
    "⊗": r"$\otimes$",
    "⁻": "$^{-}$",
    "⁺": "$^{+}$",
    "µ": r"$\mu$",
    "–": "--",
    "—": "---",
    "‐": "-",
    "\u2011": "-",
    "…": r"\dots{}",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "„": ",,",
    "\u00a0": "~",
    "\u202f": r"\,",
    "\u2009": r"\,",
    "\u200b": r"\allowbreak{}",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "ı": r"\i{}",
    "§": r"\S{}",
    "©": r"\copyright{}",
    "£": r"\pounds{}",
}
_ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0323": "d",
    "\u0327": "c",
    "\u0331": "b",
}
"""Combining characters and the accent commands that OT1 fonts have (no ogonek)."""
_DOTLESS = {"i": r"\i", "j": r"\j"}
# fmt: off
_GREEK = frozenset((
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "mu", "nu", "xi", "pi",
    "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega",
))
_GREEK_CAPITALS = frozenset(("gamma", "delta", "theta", "xi", "pi", "sigma", "upsilon", "phi", "psi", "omega"))
# fmt: on
_LONG_WORD, _PUNCTUATION = re.compile(r"\S{30,}"), re.compile(r"[/,;:=._-]+")
"""Names of data sets and paths of files may fill a line and have to break somewhere: after punctuation."""
_UNIT = re.compile(r"(?<![\w-])(gC|gCO2|[kMm]?[gmJ]|mol|umol|µmol|[dsKWh]|day|yr|year)-([1-9])(?![\w-])")
_SUPERSCRIPTS = str.maketrans("123456789", "¹²³⁴⁵⁶⁷⁸⁹")
_MINUS_AND_DIGIT = re.compile(r"\$\^\{-\}\$\$\^(\d)\$")
"""Units such as ``m-2``, and the two signs of their typeset form, which one command sets."""
_FIRST_PRINTED, _LAST_ASCII = 0x20, 0x7E


def escape(text: str) -> str:
    """LaTeX source in ASCII that prints a text as it stands.

    A character that stock TeX cannot print is given by its code, such as ``[U+4E2D]``: the document still compiles,
    and the reader sees that something stood there.
    """
    written: list[str] = []
    text = _UNIT.sub(lambda unit: f"{unit[1]}⁻{unit[2].translate(_SUPERSCRIPTS)}", text)
    for character in _LONG_WORD.sub(lambda word: _PUNCTUATION.sub("\\g<0>\u200b", word[0]), text):
        # Two of these in a row would print as one sign.
        if character in "-'" and written and written[-1] == character:
            written.append("{}")
        written.append(_character(character))
    return _MINUS_AND_DIGIT.sub(r"$^{-\1}$", "".join(written))


def _character(character: str) -> str:
    for table in (_ASCII, _SIGNS):
        if character in table:
            return table[character]
    code = ord(character)
    if code < _FIRST_PRINTED:
        return " "
    if code <= _LAST_ASCII:
        return character
    name = unicodedata.name(character, "")
    kind, _, letter = name.lower().partition(" letter ")
    if kind == "greek small" and letter in _GREEK:
        return rf"$\{letter}$"
    if kind == "greek capital" and letter in _GREEK_CAPITALS:
        return rf"$\{letter.capitalize()}$"
    base = unicodedata.normalize("NFKC", character)
    raised = name.startswith(("MODIFIER LETTER SMALL ", "SUPERSCRIPT LATIN SMALL LETTER "))
    if raised and base.isascii():  # the mark of a footnote
        return rf"$^\mathrm{{{base}}}$"
    for start, mark in (("SUPERSCRIPT ", "^"), ("SUBSCRIPT ", "_")):
        if name.startswith(start) and unicodedata.digit(character, None) is not None:
            return f"${mark}{unicodedata.digit(character)}$"
    parts = unicodedata.normalize("NFD", character)
    if len(parts) > 1 and parts[0].isascii() and all(mark in _ACCENTS for mark in parts[1:]):
        letters = _DOTLESS.get(parts[0], parts[0])
        for mark in parts[1:]:
            letters = rf"\{_ACCENTS[mark]}{{{letters}}}"
        return letters
    return f"[U+{code:04X}]"
