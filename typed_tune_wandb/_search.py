"""The W&B entry of a search space: what is known of it before there is a trial.

A search value (``tune.choice``, ``grid_search``, ``tune.sample_from``...) may stand for the entry, for one of its
words, or for an item inside one. Where its values are known, they are held against the same gate as a plain entry.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Set
from typing import Final, cast

from ray.tune.search.sample import Categorical, Domain, Float, Integer

from typed_tune_wandb._entry import KNOWN, InitSettings
from typed_tune_wandb._secret import Secret
from typed_tune_wandb.errors import Problem, WandbSettingsError
from typed_tune_wandb.settings import WandbConfigDict, WandbSettings

_UNKNOWN: Final = object()


def known_entries(entry: object, source: str) -> list[WandbSettings]:
    """Settings that trials will get: each value of each search value is in at least one of them.

    Words whose values nobody can know yet (``tune.sample_from``) are left out.

    Args:
        entry: What stands under ``"wandb"``: an entry, or a search value of entries.
        source: What an error calls it.

    Raises:
        WandbSettingsError: With every mistake in every value.
    """
    found: list[WandbSettings] = []
    problems: dict[Problem, None] = {}
    for turn in range(_most_values(entry)):
        drawn = _drawn(entry, turn)
        if drawn is _UNKNOWN:
            continue
        try:
            settings = WandbSettings.from_dict(cast("WandbConfigDict", drawn), source=source)
        except WandbSettingsError as error:
            problems.update(dict.fromkeys(error.problems))
        else:
            found += [settings] if settings not in found else []
    if problems:
        raise WandbSettingsError(problems, source)
    return found


def concealed_entry(entry: object, keys: Set[Secret]) -> object:
    """A copy of an entry that passed :func:`known_entries`, with the Secret in place of each of its readable keys."""

    def concealed(value: object) -> object:
        if isinstance(value, str):
            return next((key for key in keys if key.reveal() == value), value)
        if isinstance(value, WandbSettings):
            return value.to_config()
        if isinstance(value, InitSettings):
            value = {name: getattr(value, name) for name in value.model_fields_set}
        if isinstance(value, Mapping):
            return {name: concealed(item) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [concealed(item) for item in value]
        if isinstance(value, Categorical):
            value = copy.copy(value)
            value.categories = [concealed(category) for category in value.categories]
        return value

    return concealed(entry)


def all_known(entry: object) -> bool:
    """Whether every value that the entry's words can have is known."""
    values = _values(entry)
    return values != [] and all(all_known(item) for item in (_inner(entry) if values is None else values))


def _values(value: object) -> list[object] | None:
    """What a search value may become, as far as that is known; None where it is no search value."""
    if isinstance(value, Categorical):
        return list(value.categories)
    if isinstance(value, Domain):
        # Of a number, the type is what the gate looks at.
        return [0.0] if isinstance(value, Float) else [0] if isinstance(value, Integer) else []
    if isinstance(value, dict) and len(value) == 1:
        if isinstance(grid := value.get("grid_search"), (list, tuple)):
            return list(grid)
        if "eval" in value:
            return []
    return None


def _inner(value: object) -> Iterator[object]:
    if isinstance(value, Mapping):
        yield from value.values()
    elif isinstance(value, (list, tuple)):
        yield from value


def _most_values(value: object) -> int:
    """In how many turns :func:`_drawn` has drawn every value."""
    values = _values(value)
    inner = _inner(value) if values is None else values
    return max([1, *map(_most_values, inner)]) * max(1, len(values or ()))


def _drawn(value: object, turn: int) -> object:
    """A value as one trial may get it: each search value in it is replaced by one of its values."""
    values = _values(value)
    if values is not None:
        return _drawn(values[turn % len(values)], turn // len(values)) if values else _UNKNOWN
    if isinstance(value, Mapping):
        drawn = {word: _drawn(item, turn) for word, item in value.items()}
        # An unknown word stays, whatever its value may be: the gate names it.
        return {word: item for word, item in drawn.items() if item is not _UNKNOWN or word not in KNOWN}
    if isinstance(value, (list, tuple)):
        return [item for item in (_drawn(item, turn) for item in value) if item is not _UNKNOWN]
    return value
