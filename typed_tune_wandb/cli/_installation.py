"""What is installed: Python, Ray and wandb, and whether this release supports their versions."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from typing import Final

from attrs import frozen
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from typed_tune_wandb._versions import NEWEST_TESTED

_DISTRIBUTION: Final = "typed-tune-wandb"


@frozen
class Installed:
    """One installed part.

    Attributes:
        name: ``Python``, ``ray`` or ``wandb``.
        version: Its version, or None if it is not installed.
        supported: Whether this release supports it.
        note: Which versions are supported, or that it is newer than the tested ones.
    """

    name: str
    version: str | None
    supported: bool
    note: str


def installed_parts() -> list[Installed]:
    """Return Python, Ray and wandb as they are installed; none of them is imported."""
    is_installed = _version(_DISTRIBUTION) is not None  # else it runs from a folder, which says nothing of versions
    python = SpecifierSet((is_installed and metadata(_DISTRIBUTION)["Requires-Python"]) or "")
    lines = requires(_DISTRIBUTION) if is_installed else None
    needed = {found.name: found.specifier for found in map(Requirement, lines or ())}
    return [
        judged("Python", platform.python_version(), python),
        *(judged(name, _version(name), needed.get(name, SpecifierSet())) for name in NEWEST_TESTED),
    ]


def judged(name: str, installed: str | None, supported: SpecifierSet) -> Installed:
    """Return whether a version is supported, and why.

    Args:
        name: The part's name.
        installed: Its version, or None.
        supported: The versions that this release asks for.
    """
    if installed is None:
        return Installed(name, None, False, f"not installed: {supported} is needed")
    if not supported.contains(installed, prereleases=True):
        return Installed(name, installed, False, f"not supported: {supported} is needed")
    tested = NEWEST_TESTED.get(name)
    if tested is not None and Version(installed).release[:2] > Version(tested).release[:2]:
        return Installed(name, installed, True, f"newer than {tested}, the newest that was tested")
    return Installed(name, installed, True, "supported")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
