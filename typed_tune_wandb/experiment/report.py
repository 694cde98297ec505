"""What a report of an experiment shows: each trial's run, hyperparameters, curve and error, without any secret."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Final, TypeGuard

from attrs import asdict, frozen

from typed_tune_wandb.errors import WandbSettingsError
from typed_tune_wandb.experiment._folder import Folder
from typed_tune_wandb.experiment._results import TrialResults, flattened, is_finite
from typed_tune_wandb.experiment.runs import ExperimentRuns, Mode
from typed_tune_wandb.payload import DROPPED_KEYS, TUNE_FACTS, Redactor, sanitize_config
from typed_tune_wandb.recording.state import UNSUCCESSFUL_STATES, RunInfo
from typed_tune_wandb.settings import find_wandb_entry

_CONFIG_FILE: Final = "params.json"
_ERROR_FILE: Final = "error.txt"
_ITERATION: Final = "training_iteration"
# What Tune adds to the numbers of a result.
_TUNES_OWN: Final = re.compile(r"time(_|steps|stamp|rs/)|iterations_since_restore|training_iteration|config/|_")
_TERMINAL_COLOR: Final = re.compile(r"\x1b\[[0-9;]*m")
_MAX_ERROR_CHARS: Final = 4_000
_MAX_POINTS: Final = 50_000
_MAX_CURVE_POINTS: Final = 500
_MIN_CURVE_POINTS: Final = 10


@frozen
class TrialReport:
    """A trial as a report shows it.

    Attributes:
        trial_id: Tune's id of the trial.
        name: The run's name.
        state: The run's state.
        url: The run's page, or None.
        files: The run's local files.
        rows: Number of rows in the run.
        config: Its hyperparameters, flattened with ``/`` and redacted.
        best: The best finite value of the metric; None without one.
        last: The last one.
        iterations: The training iterations of the curve's points.
        curve: Values of the metric there; None where it is no finite number.
        problem: Why the run is lost, or not online; or None.
        error: The end of Tune's ``error.txt``, redacted; or None.
    """

    trial_id: str
    name: str
    state: str
    url: str | None
    files: tuple[str, ...]
    rows: int
    config: dict[str, object]
    best: float | None
    last: float | None
    iterations: list[float]
    curve: list[float | None]
    problem: str | None
    error: str | None

    @property
    def failed(self) -> bool:
        """Whether it did not end well."""
        return self.state in UNSUCCESSFUL_STATES or self.error is not None


@frozen
class ExperimentReport:
    """What a report shows of an experiment.

    Attributes:
        experiment: The experiment's name.
        summary: Numbers of runs and rows.
        metric: What trials are compared by; None if no trial reported a number.
        mode: Whether a small or a large value is good.
        metrics: All metrics that trials reported numbers of.
        max_points: Number of points above which a curve is sampled.
        sampled: Number of trials whose curve is sampled.
        trials: The trials: the best last value first, then those without one.
    """

    experiment: str
    summary: str
    metric: str | None
    mode: Mode
    metrics: list[str]
    max_points: int
    sampled: int
    trials: list[TrialReport]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it; a hyperparameter that is no finite number is a text, such as ``"nan"``."""
        content = asdict(self)
        for trial in content["trials"]:
            trial["config"] = {key: _finite(value) for key, value in trial["config"].items()}
        return content


def make_report(
    runs: ExperimentRuns,
    metric: str | None = None,
    mode: Mode = "max",
    excludes: Iterable[str] = (),
    secret_names: Iterable[str] = (),
) -> ExperimentReport:
    """Read what a report shows of an experiment.

    Args:
        runs: The experiment's runs, with its folder; see :meth:`ExperimentRuns.load`.
        metric: A key of the results, nested ones with ``/``; the first that is not Tune's own by default.
        mode: ``"min"`` or ``"max"``: which values of it are good.
        excludes: Hyperparameters that are left out, beside those of the logger and of the trials' entries.
        secret_names: Names of hyperparameters that are redacted, beside those of the logger and of the trials' entries.

    Raises:
        ValueError: No trial reported a finite number of this metric, and some did of others.
    """
    results = {trial_id: found for trial_id, found in runs.results().items() if trial_id in runs}
    metrics = _metrics(results.values())
    if metric is None:
        metric = metrics[0] if metrics else None
    elif metrics and not any(trial.values(metric) for trial in results.values()):
        raise ValueError(f"no trial has reported a finite number as {metric!r}. Metrics: {', '.join(metrics)}.")
    max_points = min(_MAX_CURVE_POINTS, max(_MIN_CURVE_POINTS, _MAX_POINTS // max(1, len(results))))
    left_out = (*excludes, *runs.hidden.get("excludes", ()))
    secrets = (*secret_names, *runs.hidden.get("secret_names", ()))
    reader = _Reader(runs.trial_folders(), results, left_out, secrets, metric, mode, max_points)
    trials = [reader.trial(run) for run in runs.values()]
    sign = 1 if mode == "min" else -1
    trials.sort(key=lambda trial: math.inf if trial.last is None else sign * trial.last)
    sampled = sum(len(found.rows) > max_points for found in results.values())
    return ExperimentReport(runs.experiment, runs.summary(), metric, mode, metrics, max_points, sampled, trials)


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a finite number; a bool is none."""
    return is_finite(value) and not isinstance(value, bool)


@frozen
class _Reader:
    """Reads the trials of an experiment."""

    folders: list[Folder]
    results: Mapping[str, TrialResults]
    excludes: tuple[str, ...]
    secret_names: tuple[str, ...]
    metric: str | None
    mode: Mode
    max_points: int

    def trial(self, run: RunInfo) -> TrialReport:
        """Read one trial."""
        found = self.results.get(run.trial_id)
        folder = found.folder if found else self._folder_named(run.trial_id)
        config = _json_dict(folder.read(_CONFIG_FILE) if folder else None) or (found.config if found else {})
        redactor = Redactor([*self.secret_names, *_names(config, "secret_names")])
        excludes = [*self.excludes, *_names(config, "excludes")]
        values = found.values(self.metric) if found and self.metric else []
        iterations, curve = _curve(found, self.metric, self.max_points) if values and found else ([], [])
        error = folder.read(_ERROR_FILE) if folder else None
        return TrialReport(
            run.trial_id,
            redactor.redact_text(run.name),
            run.state,
            run.url and redactor.redact_text(run.url),
            run.paths,
            run.rows,
            dict(flattened(sanitize_config(config, excludes, redactor=redactor, warn=lambda path, text: None))),
            (min if self.mode == "min" else max)(values, default=None),
            values[-1] if values else None,
            iterations,
            curve,
            run.problem and redactor.redact_text(run.problem),
            error and redactor.redact_text(_TERMINAL_COLOR.sub("", error)).strip()[-_MAX_ERROR_CHARS:],
        )

    def _folder_named(self, trial_id: str) -> Folder | None:
        """Return the folder of a trial without results: Tune has its id in the folder's name."""
        parts = re.compile(rf"(^|_){re.escape(trial_id)}(_|$)")
        return next((folder for folder in self.folders if parts.search(folder.name)), None)


def _metrics(results: Iterable[TrialResults]) -> list[str]:
    """Return the keys under which trials reported finite numbers, in the order of their results."""
    rows = [row for trial in results for row in (trial.rows[0], trial.rows[-1])]
    keys = dict.fromkeys(key for row in rows for key in row)
    found = {key for row in rows for key, value in row.items() if is_number(value)}
    own = {*TUNE_FACTS, *DROPPED_KEYS}
    return [key for key in keys if key in found and key not in own and not _TUNES_OWN.match(key)]


def _curve(found: TrialResults, metric: str | None, max_points: int) -> tuple[list[float], list[float | None]]:
    """Return iterations, and the metric there: evenly chosen ones, with the first and the last."""
    rows = [*enumerate(found.rows, 1)]
    if len(rows) > max_points:
        rows = [rows[round(i * (len(rows) - 1) / (max_points - 1))] for i in range(max_points)]
    points: list[tuple[Any, Any]] = [(row.get(_ITERATION, i), row.get(str(metric))) for i, row in rows]
    chosen = [(x if is_number(x) else None, float(y) if is_finite(y) else None) for x, y in points]
    return [x for x, _ in chosen if x is not None], [y for x, y in chosen if x is not None]


def _names(config: Mapping[str, Any], option: str) -> list[str]:
    """Return a list of names in the trial's W&B entry, as Tune has stored it."""
    with suppress(WandbSettingsError):  # two entries
        _, entry = find_wandb_entry(config) or ("", None)
        names = entry.get(option) if isinstance(entry, dict) else None
        return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    return []


def _json_dict(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:  # it is being written
        return {}
    return found if isinstance(found, dict) else {}


def _finite(value: object) -> object:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
