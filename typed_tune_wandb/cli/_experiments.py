"""An experiment's runs, for the commands that take its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from typed_tune_wandb.experiment import ExperimentRuns
    from typed_tune_wandb.recording.state import RunInfo


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

    def entry(run: RunInfo) -> dict[str, object]:
        return {**{name: getattr(run, name) for name in names}, "files": run.paths}

    best, sweep, overview = runs.best_trial, runs.sweep, runs.overview
    return {
        "experiment": runs.experiment,
        "summary": runs.summary(),
        "runs": [entry(run) for run in runs.values()],
        "best_trial": best and {name: getattr(best, name) for name in ("trial_id", "metric", "mode", "value")},
        "sweep": sweep and {name: getattr(sweep, name) for name in ("id", "url", "finished", "problem")},
        "overview": overview and entry(overview),
    }
