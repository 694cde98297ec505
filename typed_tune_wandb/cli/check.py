"""``typed-tune-wandb check FILE...``: the W&B entries of experiment files, before an experiment starts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from typed_tune_wandb.cli._documents import READERS
from typed_tune_wandb.cli._entries import FileProblem, check_entry, find_entries, parse_place
from typed_tune_wandb.cli._output import PROBLEMS_FOUND, counted, json_option, print_json


def _known_format(_: click.Context, __: click.Parameter, files: tuple[Path, ...]) -> tuple[Path, ...]:
    for file in files:
        if file.suffix.lower() not in READERS:
            raise click.BadParameter(f"{file}: expected a name that ends in {', '.join(READERS)}.")
    return files


@click.command()
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="FILE...",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    callback=_known_format,
)
@click.option("--at", metavar="PATH", help="Where the entry is in each file, such as tune.config.wandb.")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="How problems are printed; github shows them in the lines of a pull request.",
)
@json_option
def check(files: tuple[Path, ...], at: str | None, output_format: str, as_json: bool) -> None:
    """Validate the W&B entries of experiment files.

    An entry is found under "wandb", or in RLlib's "logger_config", at the root of a file, in "config" or
    "param_space", and in those of each experiment of the file. Grids ({grid_search: [...]}) are known: each value in
    them is validated. No server is asked.

    \b
    Examples:
      typed-tune-wandb check experiment.yaml
      typed-tune-wandb check --at tune.config.wandb conf/*.toml
      typed-tune-wandb check --format github experiments/*.json

    Exit codes: 0, every file has a right entry; 1, problems were found; 2, a wrong call, or a file is not there.
    """
    place = parse_place(at) if at else None
    problems: list[FileProblem] = []
    entries = 0
    for file in files:
        found, missing = find_entries(file, place)
        entries += len(found)
        wrong = (problem for entry in found for problem in check_entry(file, entry))
        problems += sorted([*missing, *wrong], key=lambda problem: problem.position)
    if as_json or output_format == "json":
        print_json({"files": len(files), "entries": entries, "problems": [_as_dict(problem) for problem in problems]})
    else:
        _print_lines(problems, output_format)
        checked = f"{counted(entries, 'entry', 'entries')} in {counted(len(files), 'file')}"
        click.echo(f"{checked}: {counted(len(problems), 'problem')}", err=output_format == "github")
    if problems:
        sys.exit(PROBLEMS_FOUND)


def _print_lines(problems: Sequence[FileProblem], output_format: str) -> None:
    for problem in problems:
        if output_format == "github":
            click.echo(_github_line(problem))
            continue
        line, column = problem.position
        place = click.style(f"{problem.file}:{line}:{column}:", bold=True)
        click.echo(f"{place} {problem.problem}")


def _github_line(problem: FileProblem) -> str:
    """Return a workflow command: https://docs.github.com/actions/reference/workflow-commands-for-github-actions."""
    line, column = problem.position
    properties = {"file": problem.file.as_posix(), "line": line, "col": column, "title": "W&B entry"}
    escaped = ",".join(
        f"{name}={_escaped(str(value)).replace(':', '%3A').replace(',', '%2C')}" for name, value in properties.items()
    )
    return f"::error {escaped}::{_escaped(str(problem.problem))}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _as_dict(problem: FileProblem) -> dict[str, object]:
    line, column = problem.position
    return {
        "file": str(problem.file),
        "line": line,
        "column": column,
        "field": problem.problem.path,
        "message": problem.problem.message,
        "suggestion": problem.problem.suggestion,
    }
