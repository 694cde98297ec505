"""The results that Tune keeps in an experiment's folder: one ``result.json`` for each trial."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeGuard

from attrs import frozen

from typed_tune_wandb.experiment._folder import Folder
from typed_tune_wandb.settings import strip_wandb_entry

_RESULT_FILE: Final = "result.json"


@frozen
class TrialResults:
    """What a trial reported.

    Attributes:
        trial_id: Tune's id of the trial.
        config: Its hyperparameters.
        rows: Its results, flattened with ``/``, in order; there is at least one.
        folder: Where Tune keeps them.
    """

    trial_id: str
    config: dict[str, object]
    rows: list[dict[str, object]]
    folder: Folder

    def values(self, metric: str) -> list[float]:
        """Return the finite numbers of a metric, in order."""
        found = [row.get(metric) for row in self.rows]
        return [float(value) for value in found if is_finite(value)]


def is_finite(value: object) -> TypeGuard[float]:
    """Whether a value is a number, or a bool, that a float can hold."""
    return isinstance(value, (int, float)) and -sys.float_info.max <= value <= sys.float_info.max


def read_results(folder: Folder) -> dict[str, TrialResults]:
    """Return trial id → what it reported; a trial without a result is left out."""
    results = {}
    for trial in folder.subfolders():
        lines = (trial.read(_RESULT_FILE) or "").splitlines()
        rows = [row for line in lines if isinstance(row := _parsed(line), dict)]
        if rows:
            trial_id, config = str(rows[-1].get("trial_id")), rows[-1].pop("config", {})
            flat = [dict(flattened({key: value for key, value in row.items() if key != "config"})) for row in rows]
            results[trial_id] = TrialResults(trial_id, dict(flattened(strip_wandb_entry(config))), flat, trial)
    return results


def _parsed(line: str) -> object:
    try:
        return json.loads(line)
    except ValueError:  # the last line of a file that is being written
        return None


def flattened(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield the items of nested dicts, their keys joined with ``/``."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from flattened(value, f"{prefix}{key}/")
        else:
            yield f"{prefix}{key}", value
