"""The group of all commands: what is registered here is imported when it is called, or listed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

import click

from typed_tune_wandb import __version__

COMMANDS: Final[Mapping[str, str]] = {
    "check": "typed_tune_wandb.cli.check",
    "doctor": "typed_tune_wandb.cli.doctor",
    "report": "typed_tune_wandb.cli.report",
    "runs": "typed_tune_wandb.cli.runs",
    "schema": "typed_tune_wandb.cli.schema",
    "sync": "typed_tune_wandb.cli.sync",
}
"""Every command, and the module that has a ``click.Command`` of this name."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(COMMANDS[cmd_name]), cmd_name)
        return command


@click.group(
    name="typed-tune-wandb",
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0, all is well; 1, problems were found; 2, the command was called in a wrong way.",
)
@click.version_option(__version__, prog_name="typed-tune-wandb")
@click.pass_context
def main(context: click.Context) -> None:
    """Weights & Biases for Ray Tune: before an experiment, and after it.

    \b
    Examples:
      typed-tune-wandb doctor
      typed-tune-wandb check experiments/*.yaml
      typed-tune-wandb schema > wandb-entry.schema.json
      typed-tune-wandb runs ~/ray_results/digits --metric accuracy
      typed-tune-wandb report ~/ray_results/digits --metric accuracy -o digits.html
      typed-tune-wandb sync ~/ray_results/digits
    """
    if os.environ.get("NO_COLOR"):  # https://no-color.org; without a terminal, click leaves colours out by itself
        context.color = False


def run() -> Any:
    """Run the command line, as the installed script does."""
    return main(prog_name="typed-tune-wandb")
