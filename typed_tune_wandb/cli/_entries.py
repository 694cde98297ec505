"""The W&B entries of an experiment file, and the problems in them with their lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from attrs import frozen

from typed_tune_wandb.cli._documents import Document, DocumentError, Place, Position, read_documents
from typed_tune_wandb.errors import Problem, WandbSettingsError
from typed_tune_wandb.settings import check_search_space, find_wandb_entry
from typed_tune_wandb.settings._wording import key_name

_CONFIGS: Final = ("config", "param_space", "train_loop_config")
# Tune's files hold an experiment's config below the experiment's name; Ray Train's, a loop's in that of a search space.
_MAX_DEPTH: Final = 4


@frozen
class FoundEntry:
    """A W&B entry in a file.

    Attributes:
        document: The document that has it.
        place: Where it is in there.
        value: The entry itself.
    """

    document: Document
    place: Place
    value: object


@frozen
class FileProblem:
    """A problem in a file, as a compiler tells it.

    Attributes:
        file: The file, as it was named.
        position: The line and the column, from 1 on.
        problem: What is wrong.
    """

    file: Path
    position: Position
    problem: Problem

    def __str__(self) -> str:
        line, column = self.position
        return f"{self.file}:{line}:{column}: {self.problem}"


def parse_place(dotted: str) -> Place:
    """Return the place that a dotted path such as ``tune.0.config.wandb`` names; a number may be an index."""
    return tuple(int(step) if step.isdecimal() else step for step in dotted.split("."))


def find_entries(path: Path, place: Place | None) -> tuple[list[FoundEntry], list[FileProblem]]:
    """Find the entries of a file.

    Args:
        path: A YAML, TOML or JSON file.
        place: Where its entry is; None for the places that Tune and RLlib know.

    Returns:
        The entries, and the problems that keep one from being found.
    """
    entries: list[FoundEntry] = []
    problems: list[FileProblem] = []
    try:
        documents = read_documents(path)
    except DocumentError as error:
        return [], [FileProblem(path, error.position, Problem("", error.message))]
    for document in documents:
        try:
            entries += _named_entry(document, place) if place is not None else _entries_in(document, (), document.value)
        except WandbSettingsError as error:
            problems += [FileProblem(path, (1, 1), problem) for problem in error.problems]
    if not entries and not problems:
        looked = f"at {'.'.join(map(str, place))}" if place else "under wandb, or in config or param_space"
        advice = "" if place else " --at names another place."
        problems.append(FileProblem(path, (1, 1), Problem("", f"there is no W&B entry {looked}.{advice}")))
    return entries, problems


def check_entry(path: Path, entry: FoundEntry) -> list[FileProblem]:
    """Validate an entry, whose values may be a grid (``{"grid_search": [...]}``); it has no key twice."""
    problems = [
        FileProblem(path, position, Problem(_dotted(place[len(entry.place) :]), "is given twice: keep one."))
        for place, position in entry.document.repeated.items()
        if place[: len(entry.place)] == entry.place[: len(place)]
    ]
    try:
        check_search_space({"wandb": entry.value})
    except WandbSettingsError as error:
        problems += [FileProblem(path, _position(entry, problem.path), problem) for problem in error.problems]
    return problems


def _named_entry(document: Document, place: Place) -> Iterator[FoundEntry]:
    try:
        value = document.at(place)
    except LookupError:
        return
    if value is not None:
        yield FoundEntry(document, place, value)


def _entries_in(document: Document, place: Place, value: object) -> Iterator[FoundEntry]:
    """Yield the entries of what may be a config, and of the configs inside of it."""
    if not isinstance(value, Mapping):
        return
    if find_wandb_entry(value) is not None:
        inner = (*place, *(("wandb",) if value.get("wandb") is not None else ("logger_config", "wandb")))
        yield FoundEntry(document, inner, document.at(inner))
    for key, item in value.items():
        named = key in _CONFIGS or not place
        if named and len(place) < _MAX_DEPTH and key not in ("wandb", "logger_config") and isinstance(key, str):
            yield from _configs_in(document, (*place, key), item)


def _configs_in(document: Document, place: Place, value: object) -> Iterator[FoundEntry]:
    if place[-1] in _CONFIGS:
        yield from _entries_in(document, place, value)
    elif isinstance(value, Mapping):  # an experiment under its name
        for key in _CONFIGS:
            yield from _entries_in(document, (*place, key), value.get(key))


def _dotted(place: Place) -> str:
    return ".".join(key_name(step) if isinstance(step, str) else str(step) for step in place) or "the W&B entry"


def _position(entry: FoundEntry, path: str) -> Position:
    """Return where the value stands that a problem's path names, or the nearest value around it."""
    steps = re.findall(r"\[(\d+)\]|([^.\[\]]+)", path)
    inner = tuple(int(index) if index else name for index, name in steps)
    return entry.document.position((*entry.place, *inner))
