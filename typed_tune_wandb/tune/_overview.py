"""The overview run of an experiment: what is searched and how, how far the search is, and a table of all trials."""

from __future__ import annotations

import platform
import shlex
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any, Final, Literal

import ray
from ray.tune.experiment import Trial

from typed_tune_wandb.payload import Payload, Redactor
from typed_tune_wandb.recording.client import Recorder
from typed_tune_wandb.recording.state import OVERVIEW, RunInfo
from typed_tune_wandb.tune._metric import Metric
from typed_tune_wandb.tune._search_space import find_search_space, sweep_config
from typed_tune_wandb.tune._tune_call import variables_of_run

TrialStatus = Literal["running", "finished", "failed"]
STEP_METRIC: Final = "seconds"
"""The metric that all others of the run are drawn over: seconds since the experiment began."""
JOB_TYPE: Final = "tune"
_OF_TRIALS: Final = frozenset({"id", "name", "job_type", "notes", "resume", "resume_from", "fork_from", "config"})
"""Arguments of ``wandb.init`` that are a trial's own."""
_GIT_SETTINGS: Final[Mapping[str, object]] = {
    "disable_git": False,
    "x_disable_machine_info": False,  # wandb looks for the commit only where it may look at the machine
    "git_remote": "",  # the remote's URL may hold a token as its user's name, which wandb keeps
}
_OPTIONS: Final = ("num_samples", "max_concurrent_trials", "time_budget_s", "reuse_actors", "max_failures")
_MAX_COLUMNS: Final = 200


class Overview:
    """The overview run of one experiment.

    Args:
        recorder: Records it, beside the trials' runs.
        metric: The experiment's metric; None if there is none.
        saved: What :meth:`save` gave in an earlier session of the experiment, if there was one.

    Attributes:
        is_open: Whether the run is open, or was.
    """

    def __init__(self, recorder: Recorder, metric: Metric | None, saved: Mapping[str, Any] | None = None) -> None:
        self._recorder, self._metric = recorder, metric
        self._started_s = time.time() if saved is None else float(saved["started_s"])
        self._statuses: dict[str, TrialStatus] = {}
        self._best: float | None = None
        self.is_open = False

    def save(self) -> dict[str, object]:
        """Return what a restored experiment goes on with."""
        return {"started_s": self._started_s}

    def open(
        self,
        init: Mapping[str, Any],
        settings: Mapping[str, object],
        config: Mapping[str, object],
        *,
        filled: Iterable[str],
        id: str,
        name: str,
        restored: bool,
        next_step: int,
        earlier: RunInfo | None,
    ) -> None:
        """Open the run.

        Args:
            init: Arguments of ``wandb.init`` for the run of a trial: its project, entity, group, tags, mode and folder.
            settings: Arguments of ``wandb.Settings`` for it.
            config: The run's config.
            filled: Names of arguments that templates have filled: they are the trial's own.
            id: The run's id.
            name: The run's name.
            restored: Whether an earlier session has recorded it.
            next_step: The lowest step that its rows may have.
            earlier: What an earlier session recorded of it.
        """
        common = {key: value for key, value in init.items() if key not in _OF_TRIALS and key not in {*filled}}
        own = {"id": id, "name": name, "job_type": JOB_TYPE, "resume": "allow", "config": dict(config)}
        self._recorder.open(
            *(OVERVIEW, {**common, **own}, {**settings, **_GIT_SETTINGS}, next_step),
            restored=restored,
            step_metric=STEP_METRIC,
            aggregates={} if self._metric is None else {f"best/{self._metric.name}": self._metric.mode},
            earlier=earlier,
        )
        self.is_open = True

    def note_status(self, trial_id: str, status: TrialStatus) -> None:
        """Take in that a trial runs or has ended."""
        if self._statuses.get(trial_id) != status:
            self._statuses[trial_id] = status
            self._log({})

    def note_best(self, value: float | None) -> None:
        """Take in the experiment's best value so far."""
        if value is not None and value != self._best:
            self._best = value
            self._log({})

    def finish(self, trials: Mapping[str, str], table: object) -> None:
        """Record the table of all trials, and end the run.

        Args:
            trials: Trial id → Tune's status of it.
            table: The table, a ``wandb.Table``.
        """
        for trial_id, status in trials.items():
            failed, ended = status == Trial.ERROR, status in (Trial.TERMINATED, Trial.ERROR)
            self._statuses[trial_id] = "failed" if failed else "finished" if ended else "running"
        self._log({"trials/table": table})
        ended = all(status in (Trial.TERMINATED, Trial.ERROR) for status in trials.values())
        self._recorder.finish(OVERVIEW, "finished" if ended else "interrupted")

    def _log(self, media: dict[str, object]) -> None:
        if not self.is_open:
            return
        counts = Counter(self._statuses.values())
        row: dict[str, object] = {STEP_METRIC: round(time.time() - self._started_s, 3)}
        row |= {f"trials/{status}": counts[status] for status in ("running", "finished", "failed")}
        if self._metric is not None and self._best is not None:
            row[f"best/{self._metric.name}"] = self._best
        self._recorder.log(OVERVIEW, 0, Payload(row, media))


def overview_config(experiment: str, redactor: Redactor, excludes: tuple[str, ...]) -> dict[str, object]:
    """Return the config of the overview run: the search space, Tune's settings, versions and the driver's command.

    Args:
        experiment: The experiment's name.
        redactor: What redacts credentials.
        excludes: Keys that are left out of the search space.
    """
    config: dict[str, object] = {
        "command": redactor.redact_text(shlex.join([sys.executable.rpartition("/")[2], *sys.argv])),
        "versions": {
            "python": platform.python_version(),
            "ray": ray.__version__,
            "wandb": version("wandb"),
            "typed-tune-wandb": version("typed-tune-wandb"),
        },
    }
    if (found := find_search_space()) is not None:
        described, _ = sweep_config(found, experiment, redactor, excludes)
        config["search_space"] = described.get("parameters", {})
        config["metric"], config["mode"] = found.metric, found.mode
    if (variables := variables_of_run("search_alg", "scheduler")) is not None:
        options = {name: variables.get(name) for name in _OPTIONS}
        config["tune"] = {name: value for name, value in options.items() if isinstance(value, (int, float))}
        config["scheduler"] = type(variables["scheduler"]).__name__
        searcher = variables["search_alg"]
        while hasattr(searcher, "searcher"):  # a limiter, a repeater or a generator around it
            searcher = searcher.searcher
        config["searcher"] = type(searcher).__name__
    return config


def table_of_trials(rows: list[dict[str, object]]) -> object:
    """Return a ``wandb.Table`` with a row for each trial; a column for each key, at most 200."""
    import wandb

    columns = [*dict.fromkeys(key for row in rows for key in row)][:_MAX_COLUMNS]
    data: Any = [[row.get(column) for column in columns] for row in rows]
    return wandb.Table(columns=[*columns], data=data, allow_mixed_types=True)
