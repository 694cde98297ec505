"""What all commands share: their exit codes, the option ``--json``, and how a count is written."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final, TypeVar

import click

PROBLEMS_FOUND: Final = 1
"""The exit code of a command that found problems; click's own for a wrong call is 2."""

_Function = TypeVar("_Function", bound=Any)


def json_option(function: _Function) -> _Function:
    """Add the option ``--json`` to a command, as its argument ``as_json``."""
    decorated: _Function = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(function)
    return decorated


def print_json(value: object) -> None:
    """Print a value as JSON, without colours."""
    click.echo(json.dumps(value, indent=2))


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun.

    Args:
        number: How many there are.
        noun: What there is one of.
        plural: The noun for several, where it is not the noun and an "s".

    Example:
        >>> from typed_tune_wandb.cli._output import counted
        >>> counted(1, "problem"), counted(0, "file")
        ('1 problem', '0 files')
    """
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def print_table(rows: Iterable[tuple[str, ...]]) -> None:
    """Print rows of cells in columns."""
    lines = [*rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for row in lines:
        click.echo("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
