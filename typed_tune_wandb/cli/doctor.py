"""``typed-tune-wandb doctor``: the settings that a run would have here, and whether it could be recorded."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from typed_tune_wandb.cli._documents import READERS
from typed_tune_wandb.cli._entries import find_entries, parse_place
from typed_tune_wandb.cli._installation import Installed, installed_parts
from typed_tune_wandb.cli._output import PROBLEMS_FOUND, counted, json_option, print_json, print_table
from typed_tune_wandb.cli._surroundings import Answer, ask_server, look_at_folder
from typed_tune_wandb.errors import Problem

if TYPE_CHECKING:
    from typed_tune_wandb.settings import WandbSettings


@attrs.frozen
class _Findings:
    """All that the command prints."""

    parts: list[Installed]
    settings: list[tuple[str, str, str]]
    server: Answer
    disk: Answer
    problems: list[Problem]


@click.command()
@click.argument("file", required=False, metavar="[FILE]", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--at", metavar="PATH", help="Where the entry is in FILE, such as tune.config.wandb.")
@click.option("--skip-server", is_flag=True, help="Do not ask the server.")
@json_option
def doctor(file: Path | None, at: str | None, skip_server: bool, as_json: bool) -> None:
    """Show the settings that a run would have here, and where each comes from.

    Versions; the mode, entity, project, group, server, folder and source of the key, each with the field, variable,
    file, hook or default that sets it; whether the server answers and takes the key; and the free disk. The key is
    never shown. With FILE (YAML, TOML or JSON), its W&B entry counts as a trial's.

    \b
    Examples:
      typed-tune-wandb doctor
      WANDB_MODE=offline typed-tune-wandb doctor
      typed-tune-wandb doctor experiment.yaml

    Exit codes: 0, runs can be recorded; 1, problems were found; 2, a wrong call.
    """
    entry = _entry_of(file, at) if file is not None else None
    findings = _examine(entry, skip_server)
    if as_json:
        print_json(_as_dict(findings))
    else:
        _print(findings)
    if findings.problems:
        sys.exit(PROBLEMS_FOUND)


def _entry_of(file: Path, at: str | None) -> object:
    if file.suffix.lower() not in READERS:
        raise click.BadParameter(f"{file}: expected a name that ends in {', '.join(READERS)}.", param_hint="FILE")
    entries, problems = find_entries(file, parse_place(at) if at else None)
    if problems:
        raise click.ClickException(str(problems[0]))  # its exit code is 1
    return entries[0].value


def _examine(entry: object, skip_server: bool) -> _Findings:
    from typed_tune_wandb.explanation import SettingsExplanation, explain_settings  # not for --help

    sys.path.append(str(Path.cwd()))  # a hook may be there: a program finds it in its own folder
    config = {"wandb": entry} if entry is not None else None
    parts = installed_parts()
    is_complete = all(part.version for part in parts)
    explained = explain_settings(config) if is_complete else SettingsExplanation(())
    if skip_server:
        server = Answer("not asked: --skip-server")
    elif explained.problems or not is_complete:
        server = Answer("not asked: see the problems")
    else:
        server = ask_server(_settings_of(config))
    folder = next((row.value for row in explained.settings if row.name == "folder"), None)
    disk = look_at_folder(Path(folder or ".").absolute())
    surroundings = {"url": server, "folder": disk}
    problems = [
        *(Problem(part.name, f"{part.note}.") for part in parts if not part.supported),
        *explained.problems,
        *(Problem(name, f"{answer.text}.") for name, answer in surroundings.items() if not answer.is_right),
    ]
    settings = [(row.name, row.value or "-", row.source) for row in explained.settings]
    return _Findings(parts, settings, server, disk, problems)


def _settings_of(config: Mapping[str, object] | None) -> WandbSettings:
    from typed_tune_wandb.settings import WandbSettings, check_search_space

    return next(iter(check_search_space(config) if config is not None else ()), WandbSettings())


def _print(findings: _Findings) -> None:
    print_table((part.name, part.version or "-", part.note) for part in findings.parts)
    click.echo()
    print_table(findings.settings)
    click.echo()
    print_table([("server", findings.server.text), ("disk", findings.disk.text)])
    click.echo()
    for problem in findings.problems:
        click.echo(f"{click.style('problem:', fg='red')} {problem}")
    count = counted(len(findings.problems), "problem")
    click.echo(count if findings.problems else click.style("all is well", fg="green"))


def _as_dict(findings: _Findings) -> dict[str, object]:
    return {
        "versions": [attrs.asdict(part) for part in findings.parts],
        "settings": [dict(zip(("name", "value", "source"), row, strict=True)) for row in findings.settings],
        "server": attrs.asdict(findings.server),
        "disk": attrs.asdict(findings.disk),
        "problems": [attrs.asdict(problem) for problem in findings.problems],
    }
