"""The metric of an experiment, and whether more of it is better: the logger's own, or Tune's."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any, Final, Literal

from attrs import frozen

from typed_tune_wandb.settings import LoggerOptions

Mode = Literal["max", "min"]
_MODES: Final[Mapping[str, Mode]] = {"maximize": "max", "minimize": "min"}
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
    if options.metric is not None and options.goal is not None:
        return Metric(options.metric, _MODES[options.goal])
    for name, mode in _of_tune():
        if isinstance(name, str) and name and mode in ("max", "min"):
            return Metric(name, mode)
    return None


def _of_tune() -> Iterator[tuple[Any, Any]]:
    """Yield the metrics and modes of ``TuneConfig`` and of the searcher, which Tune does not tell its callbacks.

    They are variables of ``ray.tune.tune.run`` (seen in Ray 2.43 to 2.60); ``tests/test_best.py`` fails where they are
    not found. A scheduler shows its metric and hides its mode: it is of no use here.
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__") == "ray.tune.tune" and "search_alg" in frame.f_locals:
            yield frame.f_locals.get("metric"), frame.f_locals.get("mode")
            searcher = frame.f_locals["search_alg"]
            for _ in range(_MAX_WRAPPERS):  # ConcurrencyLimiter, Repeater and SearchGenerator have one in them
                yield getattr(searcher, "metric", None), getattr(searcher, "mode", None)
                searcher = getattr(searcher, "searcher", None)
            return
        frame = frame.f_back
