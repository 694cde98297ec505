"""What mkdocs does to a page before it renders it: tables of settings, files of the repository, links to others.

- ``<!-- settings: library -->``, ``<!-- settings: wandb -->`` and ``<!-- settings: logger -->`` become tables, made
  from the fields of ``WandbSettings`` and the arguments of ``WandbLogger``, with their docstrings.
- ``<!-- include: FILE -->`` becomes a file of the repository, whose links lead on as they do there; with
  ``FILE#Title``, one section of it.
- ``<!-- example: FILE -->`` becomes a program of ``examples``.
- A link to a file that is in the repository and not on the site leads to the repository.
"""

from __future__ import annotations

import ast
import posixpath
import re
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, get_type_hints

import attrs

from typed_tune_wandb.settings import WandbConfigDict, WandbSettings
from typed_tune_wandb.settings._types import INTEGRATION_KEYS, LoggerOptions
from typed_tune_wandb.settings._wording import describe_type

ROOT: Final = Path(__file__).parents[1]
REPOSITORY: Final = "https://github.com/typed-tune-wandb/typed-tune-wandb/blob/main"
INCLUDE: Final = re.compile(r"^<!-- include: ([^\s#]+)(?:#(.+))? -->$", re.MULTILINE)
EXAMPLE: Final = re.compile(r"^<!-- example: (\S+) -->$", re.MULTILINE)
SETTINGS: Final = re.compile(r"^<!-- settings: (\w+) -->$", re.MULTILINE)
LINK: Final = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")
_DEFAULT: Final = re.compile(r"(?:Default|The logger's default): (?P<default>.+?)(?:\.\s+(?P<rest>.+))?\.?$", re.DOTALL)


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Return the text of a page as mkdocs renders it."""
    return prepared(markdown, page.file.src_uri)


def prepared(markdown: str, page: str) -> str:
    """Return the text of a page with what its comments ask for.

    Args:
        markdown: The text in the repository.
        page: Its path in ``docs``.
    """

    def include(match: re.Match[str]) -> str:
        text = (ROOT / match[1]).read_text(encoding="utf-8")
        if match[2]:
            _, _, text = text.partition(f"\n## {match[2]}\n")
            text = f"## {match[2]}\n{text.partition(chr(10) + '## ')[0]}\n"
        return LINK.sub(lambda link: _led_on(link, match[1], page), text)

    markdown = LINK.sub(lambda link: _led_on(link, f"docs/{page}", page), markdown)
    markdown = INCLUDE.sub(include, markdown)
    markdown = EXAMPLE.sub(lambda match: f"```python\n{(ROOT / 'examples' / match[1]).read_text()}```", markdown)
    return SETTINGS.sub(lambda match: TABLES[match[1]](), markdown)


def _led_on(link: re.Match[str], file: str, page: str) -> str:
    """Return a link of a file in the repository as a page of the site has to have it."""
    target, anchor = posixpath.normpath(posixpath.join(posixpath.dirname(file), link[1])), link[2] or ""
    on_site = ON_SITE.get(target, target)
    if on_site.startswith("docs/"):
        return f"]({posixpath.relpath(on_site, posixpath.dirname(f'docs/{page}'))}{anchor})"
    if not (ROOT / target).exists():
        return link[0]  # mkdocs warns of it
    return f"]({REPOSITORY}/{target}{anchor})"


ON_SITE: Final = {
    "CHANGELOG.md": "docs/changelog.md",
    "CONTRIBUTING.md": "docs/contributing.md",
    "README.md": "docs/index.md",
    "SECURITY.md": "docs/explanation/security.md",
    "stubs/README.md": "docs/explanation/stubs.md",
}
"""The files of the repository that a page of the site includes, or says the same as."""


def library_settings() -> str:
    """Return the table of the settings that this library reads itself."""
    return _table(_fields(lambda name: name in INTEGRATION_KEYS))


def wandb_settings() -> str:
    """Return the table of the settings that are passed to ``wandb.init``."""
    return _table(_fields(lambda name: name not in INTEGRATION_KEYS))


def logger_arguments() -> str:
    """Return the table of the arguments of ``WandbLogger`` that are no settings of a run."""
    hints = get_type_hints(LoggerOptions)
    docstring = ast.get_docstring(_class("typed_tune_wandb/tune/callback.py", "WandbLogger")) or ""
    rows = []
    for field in attrs.fields(LoggerOptions):
        (text,) = re.findall(rf"^    {field.name}: (.*(?:\n        .*)*)", docstring, re.MULTILINE)
        rows.append((field.name, _type_of(hints[field.name]), f"`{field.default!r}`", text))
    return _table(rows)


TABLES: Final = {"library": library_settings, "wandb": wandb_settings, "logger": logger_arguments}


def _fields(wanted: Any) -> list[tuple[str, str, str, str]]:
    """Return name, type, default and meaning of the fields of ``WandbSettings`` for which a condition holds."""
    hints, defaults = (
        get_type_hints(WandbConfigDict),
        {field.name: field.default for field in attrs.fields(WandbSettings)},
    )
    rows = []
    for name, text in _documented("typed_tune_wandb/settings/_model.py", "WandbSettings"):
        if name not in hints or not wanted(name):
            continue
        match, default = _DEFAULT.search(text), defaults[name]
        if match:
            text = f"{text[: match.start()].rstrip()} {match['rest'] or ''}"
        shown = match["default"] if match else f"`{default!r}`" if isinstance(default, bool) else "-"
        rows.append((name, _type_of(hints[name]), shown, text))
    return rows


def _type_of(hint: Any) -> str:
    return describe_type(hint).removesuffix(" or None").replace("|", "\\|")


def _class(file: str, name: str) -> ast.ClassDef:
    module = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    (found,) = (node for node in module.body if isinstance(node, ast.ClassDef) and node.name == name)
    return found


def _documented(file: str, name: str) -> list[tuple[str, str]]:
    """Return the fields of a class that have a docstring after them, with it."""
    body = _class(file, name).body
    return [
        (field.target.id, text.value.value)
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str)
    ]


def _table(rows: list[tuple[str, str, str, str]]) -> str:
    lines = ["| name | type | default | meaning |", "| --- | --- | --- | --- |"]
    for name, kind, default, text in rows:
        cells = (f"`{name}`", kind, " ".join(default.split()), " ".join(text.split()))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
