"""The names that a trial repeats with every result, looked up once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

import attrs

from typed_tune_wandb.payload._routing import Route
from typed_tune_wandb.payload._scalars import MAX_INT, NUMPY_NUMBERS

_MAX_PLAIN_TEXT_CHARS: Final = 10_000  # of a text that counts towards no budget


def is_plain(value: object) -> bool:
    """Whether a value is recorded as it is: a number of usual size, a short ASCII text, a bool, or None.

    Example:
        >>> from typed_tune_wandb.payload._layout import is_plain
        >>> [is_plain(value) for value in (1, 0.5, "train", None, 2**1100, "é", [1])]
        [True, True, True, True, False, False, False]
    """
    if type(value) is int:
        return -MAX_INT < value < MAX_INT
    if type(value) is str:
        return len(value) <= _MAX_PLAIN_TEXT_CHARS and value.isascii()
    return type(value) is float or type(value) is bool or value is None


def _are_plain(values: Iterable[object]) -> bool:
    for value in values:  # noqa: SIM110  # all() takes half as long again
        if type(value) is not float and not is_plain(value):
            return False
    return True


def _exact(value: object) -> object:
    number = NUMPY_NUMBERS.get(type(value))
    return value if number is None else number(value)


def _getter(names: list[Any]) -> Callable[[Mapping[Any, Any]], tuple[Any, ...]]:
    if len(names) < 2:
        return lambda values: tuple(values[name] for name in names)
    return itemgetter(*names)


@attrs.define
class RowLayout:
    """How results with the same names, in the same order, become rows, if all their metrics are numbers or short texts.

    Attributes:
        keys: The keys of a row.
        facts: Names of what Tune says of the trial.
    """

    keys: tuple[str, ...]
    facts: tuple[str, ...]
    _pick_metrics: Callable[[Mapping[Any, Any]], tuple[Any, ...]]
    _pick_facts: Callable[[Mapping[Any, Any]], tuple[Any, ...]]

    @classmethod
    def of(cls, names: Iterable[Any], routes: dict[str, Route]) -> RowLayout | None:
        """Return the layout of results with these names, or None if one of them is no plain key.

        Args:
            names: The names in a result.
            routes: Where they go.
        """
        metrics, keys, facts = [], [], []
        for name in names:
            key, destination = routes.get(name, ("", "shared"))
            if destination == "history":
                metrics.append(name)
                keys.append(key)
            elif destination == "tune" and key == name:
                facts.append(key)
            elif destination != "drop":
                return None
        return cls(tuple(keys), tuple(facts), _getter(metrics), _getter(facts))

    def row(self, result: Mapping[str, Any]) -> dict[str, object] | None:
        """Return the row of a result with these names; None if a metric is no number and no short text."""
        metrics: Sequence[Any] = self._pick_metrics(result)
        if not _are_plain(metrics):
            metrics = [_exact(value) for value in metrics]
            if not _are_plain(metrics):
                return None
        return dict(zip(self.keys, metrics, strict=True))

    def facts_of(self, result: Mapping[str, Any]) -> dict[str, object]:
        """Return what Tune says of the trial."""
        return dict(zip(self.facts, self._pick_facts(result), strict=True))
