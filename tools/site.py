"""Hooks of the documentation site: what lies outside `docs/` joins it, and links lead there.

The pages are written for readers of the repository, with links such as ``../tables/reference/``. On the site the README
is the first page, the notebook is a page, committed tables and figures lie where their links say, a link to a folder
becomes plain text, and each committed reference that kept its sums has its whole report as a page.
"""

from __future__ import annotations

import json
import posixpath
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))  # mkdocs runs this file by its path

from tools.reference_page import makes_page, page_of  # noqa: E402

PAGE = "report.html"
NOTEBOOK = "docs/quickstart.ipynb"
_OTHER_PAGES = ("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "models/README.md", "tables/published/README.md")
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds README, notebook, gallery, committed tables and figures, and the READMEs of models."""
    sources = [*_OTHER_PAGES, *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("models/*/README.md")))]
    sources += [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("models/*/*/README.md"))]
    for pattern in ("*.md", "*.csv", "*.png", "*.json", "*.html"):
        sources += [str(path.relative_to(ROOT)) for path in sorted((ROOT / "tables").rglob(pattern))]
    for source in dict.fromkeys(sources):
        if (ROOT / source).is_file():
            files.append(File.generated(config, source, abs_src_path=str(ROOT / source)))
    for folder in sorted(path.parent for path in (ROOT / "tables" / "reference").glob("*/manifests")):
        if makes_page(folder):
            place = str((folder / PAGE).relative_to(ROOT))
            files.append(File.generated(config, place, content=page_of(folder)))
    files.append(File.generated(config, "index.md", content=(ROOT / "README.md").read_text(encoding="utf-8")))
    files.append(File.generated(config, "gallery.md", content=_gallery()))
    notebook = ROOT / NOTEBOOK
    if notebook.is_file():
        old = files.get_file_from_path("quickstart.ipynb")
        if old is not None:
            files.remove(old)
        content = _notebook(json.loads(notebook.read_text(encoding="utf-8")))
        files.append(File.generated(config, "quickstart.md", content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Makes the links of the repository links of the site."""
    here = _in_repository(page.file.src_uri)

    def replace(match: re.Match[str]) -> str:
        picture, text, target = match.groups()
        if "://" in target or target.startswith(("#", "mailto:")):
            return match.group(0)
        path, hash_sign, anchor = target.partition("#")
        wanted = posixpath.normpath(posixpath.join(posixpath.dirname(here), path))
        place = _on_site(wanted)
        if files.get_file_from_path(place) is None:
            return "" if picture else text
        link = posixpath.relpath(place, posixpath.dirname(page.file.src_uri) or ".")
        return f"{picture}[{text}]({link}{hash_sign}{anchor})"

    return _LINK.sub(replace, markdown)


def _in_repository(place: str) -> str:
    """Path in the repository of a page of the site."""
    if place == "index.md":
        return "README.md"
    return place if (ROOT / place).is_file() else f"docs/{place}"


def _on_site(path: str) -> str:
    """Place on the site of a path of the repository."""
    if path == "README.md":
        return "index.md"
    if path == NOTEBOOK:
        return "quickstart.md"
    return path.removeprefix("docs/")


def _gallery() -> str:
    parts = [
        "# Gallery\n\nThe figures of the committed reference runs; `bench report` draws the same from your own store.\n"
    ]
    for folder in sorted((ROOT / "tables" / "reference").glob("*/figures")):
        parts.append(f"## {folder.parent.name}\n")
        if makes_page(folder.parent):
            parts.append(f"[Every table of these runs on one page](../{(folder.parent / PAGE).relative_to(ROOT)})\n")
        for picture in sorted(folder.glob("*.png")):
            name = picture.stem.replace("_", " ")
            parts.append(f"![{name}](../{picture.relative_to(ROOT)})\n\n*{name}*\n")
    return "\n".join(parts)


def _notebook(notebook: dict[str, Any]) -> str:
    """A notebook as Markdown: its text, its code, and the text that the code printed."""
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell.get("outputs", []):
            text = output.get("text") or output.get("data", {}).get("text/plain")
            if text:
                parts.append(f"```text\n{''.join(text).rstrip()}\n```")
    return "\n\n".join(parts) + "\n"
