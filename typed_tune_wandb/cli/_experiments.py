"""An experiment's runs, for the commands that take its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from typed_tune_wandb.experiment import ExperimentRuns


def load_runs(experiment: str) -> ExperimentRuns:
    """Return the runs of the experiment in a folder.

    Raises:
        click.UsageError: There is none.
    """
    from typed_tune_wandb.experiment import ExperimentRuns  # not for --help

    try:
        return ExperimentRuns.load(experiment)
    except (OSError, ValueError) as error:
        raise click.UsageError(str(error)) from None


def as_dict(runs: ExperimentRuns) -> dict[str, object]:
    """Return the runs as ``--json`` prints them."""
    names = ("trial_id", "id", "name", "project", "entity", "url", "state", "exit_code", "rows", "uploaded", "problem")
    entries = [{name: getattr(run, name) for name in names} | {"files": run.paths} for run in runs.values()]
    return {"experiment": runs.experiment, "summary": runs.summary(), "runs": entries}
