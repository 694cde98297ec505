"""The metric of an experiment, and whether more of it is better: the logger's own, or Tune's."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from attrs import frozen

from typed_tune_wandb.settings import LoggerOptions
from typed_tune_wandb.tune._tune_call import variables_of_run

Mode = Literal["max", "min"]
MODES: Final[Mapping[str, Mode]] = {"maximize": "max", "minimize": "min"}
GOALS: Final[Mapping[str, str]] = {mode: goal for goal, mode in MODES.items()}
_MAX_WRAPPERS: Final = 8


@frozen
class Metric:
    """A metric, by which trials and checkpoints are compared.

    Attributes:
        name: Its key in a row; nested ones with ``/``.
        mode: ``"max"`` if more is better, or ``"min"``.
    """

    name: str
    mode: Mode

    def score(self, row: Mapping[str, object]) -> float | None:
        """Return a number that is higher the better a row is; None without a finite number of this name.

        Example:
            >>> from typed_tune_wandb.tune._metric import Metric
            >>> Metric("loss", "min").score({"loss": 0.5}), Metric("loss", "min").score({"loss": float("nan")})
            (-0.5, None)
        """
        value = row.get(self.name)
        if (type(value) is float or type(value) is int) and math.isfinite(value):
            return value if self.mode == "max" else -value
        return None

    def value(self, score: float) -> float:
        """Return the value that has a score."""
        return score if self.mode == "max" else -score


def find_metric(options: LoggerOptions) -> Metric | None:
    """Return the logger's own metric; else that of the call of Tune from which this is called; else None."""
    if options.metric is False:
        return None
    if isinstance(options.metric, str) and options.goal is not None:
        return Metric(options.metric, MODES[options.goal])
    variables = variables_of_run("search_alg")
    name, mode = (None, None) if variables is None else objective_of(variables)
    return None if name is None or mode is None else Metric(name, mode)


def objective_of(variables: Mapping[str, Any]) -> tuple[str | None, Mode | None]:
    """Return the metric and the mode of ``TuneConfig``, of the searcher or of the scheduler; either may be missing.

    Tune does not tell its callbacks.

    Args:
        variables: The variables of ``ray.tune.tune.run`` (seen in Ray 2.43 to 2.60); ``tests/test_best.py`` fails where
            they have other names.
    """
    found = [(name, mode) for name, mode in _objectives(variables) if isinstance(name, str) and name]
    whole = [(name, mode) for name, mode in found if mode in GOALS]
    return next(iter(whole), (found[0][0], None) if found else (None, None))


def _objectives(variables: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    yield variables.get("metric"), variables.get("mode")
    searcher = variables.get("search_alg")
    for _ in range(_MAX_WRAPPERS):  # ConcurrencyLimiter, Repeater and SearchGenerator have one in them
        yield getattr(searcher, "metric", None), getattr(searcher, "mode", None)
        searcher = getattr(searcher, "searcher", None)
    # A scheduler shows its metric and hides its mode (seen in Ray 2.43 to 2.60).
    scheduler = variables.get("scheduler")
    yield getattr(scheduler, "metric", None), getattr(scheduler, "_mode", None)
