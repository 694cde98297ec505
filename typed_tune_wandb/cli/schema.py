"""``typed-tune-wandb schema``: the JSON Schema of a W&B entry, for editors and other validators."""

from __future__ import annotations

import click

from typed_tune_wandb.cli._output import json_option, print_json


@click.command()
@json_option
def schema(as_json: bool) -> None:
    """Print the JSON Schema (2020-12) of a W&B entry.

    It is made of what validation itself reads, for the installed wandb; its description names in what the two differ.
    The output is JSON with and without --json.

    \b
    Examples:
      typed-tune-wandb schema > wandb-entry.schema.json

    Exit codes: 0, it is printed; 2, a wrong call.
    """
    from typed_tune_wandb.settings import entry_schema  # not for --help

    print_json(entry_schema())
