"""Where each key of a result goes: to the history, to the config, or into no run at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Literal

from typed_tune_wandb.payload._objects import key_text
from typed_tune_wandb.payload._selection import Excludes, Metrics

DROPPED_KEYS: Final = ("done", "should_checkpoint", "config")
"""Result keys that never reach the history (``config`` does with ``log_config``)."""
TUNE_FACTS: Final = ("trial_id", "experiment_tag", "node_ip", "experiment_id", "hostname", "pid", "date")
"""Result keys that Tune adds about the trial: they go to the run's config, under ``TUNE_KEY``."""
# wandb writes these into every row itself.
_RESERVED: Final = frozenset({"_step", "_runtime", "_timestamp", "_wandb"})
_MAX_ROUTES: Final = 200_000

ITERATION: Final = "training_iteration"
"""The metric that Tune adds to each result, and over which all are drawn by default."""

Destination = Literal["history", "shared", "nested", "tune", "config", "drop"]
"""Where a key goes; ``shared``: to the history, under a key that another place of the result has, too; ``nested``:
nowhere itself, but if it holds a dict, some of that may go to the history."""
Route = tuple[str, Destination]


class Router:
    """Decides where the keys of a trial's results go: once for each prefix and name, as a trial repeats its keys.

    One str for all rows' same key also makes their pickle half as long.

    Args:
        excludes: Keys that are not recorded.
        log_config: Whether ``config/...`` is recorded.
        warn: Called with a key and a text where a key is refused.
        metrics: The metrics that are recorded, as far as they are not excluded; all by default.
        step_metric: The metric that is recorded whatever is excluded.
    """

    def __init__(
        self,
        excludes: Excludes,
        log_config: bool,
        warn: Callable[[str, str], None],
        metrics: Iterable[str] = (),
        step_metric: str = ITERATION,
    ) -> None:
        self._excludes = excludes
        self._metrics = Metrics(metrics, (ITERATION, step_metric))
        self._step_metric = step_metric
        self._log_config = log_config
        self._warn = warn
        self._routes: dict[str, dict[str, Route]] = {}
        self._sources: dict[str, tuple[str, str | None]] = {}

    def known(self, prefix: str) -> dict[str, Route]:
        """Return the routes below a prefix, by name, as far as they are known: the dict grows with them."""
        routes = self._routes.get(prefix)
        if routes is None:
            routes = {}
            if len(self._routes) < _MAX_ROUTES:
                self._routes[prefix] = routes
        return routes

    def new(self, prefix: str, name: object) -> Route:
        """Return the route of a name that is not known yet."""
        key = f"{prefix}{key_text(name)}"
        destination = self._destination(key, prefix)
        kept = type(name) is str and len(self._sources) < _MAX_ROUTES and prefix in self._routes
        if destination == "history":
            # {"a/b": 1, "a": {"b": 2}} and {1: 1, "1": 2} have one key for two values: neither overwrites the other.
            source = prefix, str(name) if kept else None
            other_prefix, other_name = other = self._sources.setdefault(key, source)
            if other != source or not kept:
                destination = "shared"
                if other_name is not None:
                    self._routes[other_prefix][other_name] = key, destination
        if kept:
            self._routes[prefix][str(name)] = key, destination
        return key, destination

    def _destination(self, key: str, prefix: str) -> Destination:
        if key == self._step_metric and key not in _RESERVED and key not in DROPPED_KEYS:
            return "history"
        if key in self._excludes:
            holds_step = self._step_metric.startswith(f"{key}/") and key not in DROPPED_KEYS
            return "nested" if holds_step else "drop"
        if prefix:
            return self._metric(key)
        top = key.partition("/")[0]
        if top == "config" and self._log_config:
            return "config"
        if top in DROPPED_KEYS:
            return "drop"
        if key in _RESERVED or not key:
            self._warn(key, "W&B keeps this name for itself: report it under another one.")
            return "drop"
        return "tune" if top in TUNE_FACTS else self._metric(key)

    def _metric(self, key: str) -> Destination:
        if key in self._metrics or key.startswith("config/"):  # log_config has its own switch
            return "history"
        return "nested" if self._metrics.may_hold(key) else "drop"
