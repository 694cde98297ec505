"""Makes Markdown of what the docstrings have in reStructuredText, for mkdocstrings."""

from __future__ import annotations

import re
from typing import Any, Final

import griffe

PACKAGE: Final = "typed_tune_wandb"
_ROLE: Final = re.compile(r":(?:class|func|meth|data|mod|attr|obj):`~?([\w.]+)`")
_EXAMPLE: Final = re.compile(r"^(\s*)Example:$", re.MULTILINE)
_LITERAL_BLOCK: Final = re.compile(r"::$", re.MULTILINE)


def to_markdown(text: str, owner: str, public: frozenset[str]) -> str:
    """Return a docstring in which a role is a link, if the site has its target, and an example is a section.

    Args:
        text: The docstring.
        owner: The path of the class around it, or of its module.
        public: The paths that the site has.
    """

    def link(match: re.Match[str]) -> str:
        name = match[1]
        shown = name.removeprefix(f"{PACKAGE}.")
        candidates = (name, f"{PACKAGE}.{name}", f"{owner}.{name}")
        target = next((path for path in candidates if path in public), None)
        return f"[`{shown}`][{target}]" if target else f"`{shown}`"

    text = _EXAMPLE.sub(r"\1Examples:", _ROLE.sub(link, text))
    return _LITERAL_BLOCK.sub(":", text)


class MarkdownDocstrings(griffe.Extension):
    """Changes the docstrings of the package when it is loaded."""

    def on_package(self, *, pkg: griffe.Module, **kwargs: Any) -> None:
        """Change every docstring of a package."""
        if pkg.name == PACKAGE:
            public = frozenset(_public_paths(pkg))
            _change(pkg, public)


def _public_paths(package: griffe.Module) -> list[str]:
    paths = []
    for name in package.exports or ():
        found = package.members.get(str(name))
        if found is None:
            continue
        paths.append(f"{PACKAGE}.{name}")
        if isinstance(found, griffe.Alias):
            found = found.final_target
        paths += [f"{PACKAGE}.{name}.{member}" for member in found.members if not member.startswith("_")]
    return paths


def _change(item: griffe.Object, public: frozenset[str]) -> None:
    if item.docstring is not None:
        holder = item if item.is_class else item.parent or item
        item.docstring.value = to_markdown(item.docstring.value, f"{PACKAGE}.{holder.name}", public)
    for member in item.members.values():
        if not isinstance(member, griffe.Alias):
            _change(member, public)
