"""The W&B entry of a search space: what is known about it before there is a trial.

A search value (``tune.choice``, ``grid_search``, ``tune.sample_from``...) may stand for the entry, for one of its
values, or for an item inside one. Where its candidates are known, each is validated like a plain entry.
"""

from __future__ import annotations

import copy
from collections.abc import Hashable, Iterator, Mapping, Set
from typing import Any, Final, cast

from typed_tune_wandb._secret import Secret
from typed_tune_wandb.errors import Problem, WandbSettingsError
from typed_tune_wandb.settings._entry import require_wandb_entry
from typed_tune_wandb.settings._model import WandbSettings
from typed_tune_wandb.settings._nested import check_with_wandb
from typed_tune_wandb.settings._search_values import candidates_of, is_categorical
from typed_tune_wandb.settings._types import ALL_KEYS, InitSettings, WandbConfigDict

_UNKNOWN: Final = object()


def check_search_space(param_space: Mapping[str, object]) -> list[WandbSettings]:
    """Validate the W&B entry of a search space, with every candidate of every search value in it.

    Call it before ``tune.Tuner``, or in a test of the search space: it starts neither Ray nor W&B. ``WandbLogger``
    checks the same of each trial before it starts.

    Args:
        param_space: What ``tune.Tuner(param_space=...)`` or ``tune.run(config=...)`` is given. The entry is under
            ``"wandb"``, or in RLlib's ``"logger_config"``. A search value (``tune.choice``, ``tune.grid_search``,
            ``tune.uniform``...) may stand for the entry or for anything inside it.

    Returns:
        Settings that trials will get, each once: every candidate is in at least one of them. What nobody knows before a
        trial has it (``tune.sample_from``) is left out.

    Raises:
        WandbSettingsError: There is no entry, or there are two, or a candidate has mistakes: all are named at once.

    Example:
        >>> from ray import tune
        >>> from typed_tune_wandb import check_search_space
        >>> found = check_search_space({"lr": 0.1, "wandb": {"project": tune.choice(["mnist", "cifar"])}})
        >>> [settings.project for settings in found]
        ['mnist', 'cifar']
    """
    source, entry = require_wandb_entry(param_space)
    found = enumerate_entries(entry, source)
    refused = [problem for settings in found for problem in check_with_wandb(settings.settings)]
    if refused:
        raise WandbSettingsError(dict.fromkeys(refused), source)
    return found


def enumerate_entries(entry: object, source: str) -> list[WandbSettings]:
    """Return settings that trials will get: every candidate of every search value is in at least one of them.

    Keys whose values cannot be known yet (``tune.sample_from``) are left out.

    Args:
        entry: What stands under ``"wandb"``: an entry, or a search value of entries.
        source: What an error calls it.

    Raises:
        WandbSettingsError: With every mistake in every candidate.
    """
    found: dict[Hashable, WandbSettings] = {}
    problems: dict[Problem, None] = {}
    for variant_index in range(_count_variants(entry)):
        variant = _variant(entry, variant_index)
        if variant is _UNKNOWN:
            continue
        try:
            settings = WandbSettings.from_dict(cast("WandbConfigDict", variant), source=source)
        except WandbSettingsError as error:
            problems.update(dict.fromkeys(error.problems))
        else:
            found.setdefault(_freeze(settings.to_config()), settings)
    if problems:
        raise WandbSettingsError(problems, source)
    return list(found.values())


def is_enumerable(entry: object) -> bool:
    """Return whether every value that the entry's keys can have is known."""
    candidates = candidates_of(entry)
    return candidates != [] and all(map(is_enumerable, _inner(entry) if candidates is None else candidates))


def redact_api_keys(entry: object, keys: Set[Secret]) -> object:
    """Return a copy of an entry in which a :class:`Secret` replaces each readable key.

    Args:
        entry: An entry that passed :func:`enumerate_entries`.
        keys: The API keys in it.
    """
    if isinstance(entry, str):
        return next((key for key in keys if key.reveal() == entry), entry)
    if isinstance(entry, WandbSettings):
        return entry.to_config()
    if isinstance(entry, InitSettings):
        entry = {name: getattr(entry, name) for name in entry.model_fields_set}
    if isinstance(entry, Mapping):
        return {name: redact_api_keys(item, keys) for name, item in entry.items()}
    if isinstance(entry, (list, tuple)):
        return [redact_api_keys(item, keys) for item in entry]
    if is_categorical(entry):
        redacted: Any = copy.copy(entry)
        redacted.categories = [redact_api_keys(category, keys) for category in redacted.categories]
        return redacted
    return entry


def _inner(value: object) -> Iterator[object]:
    if isinstance(value, Mapping):
        yield from value.values()
    elif isinstance(value, (list, tuple)):
        yield from value


def _count_variants(value: object) -> int:
    """Return how many variants it takes for every candidate to be in one of them."""
    candidates = candidates_of(value)
    inner = _inner(value) if candidates is None else candidates
    return max([1, *map(_count_variants, inner)]) * max(1, len(candidates or ()))


def _variant(value: object, variant_index: int) -> object:
    """Return a value as one trial may get it: with one candidate in place of each search value."""
    candidates = candidates_of(value)
    if candidates is not None:
        if not candidates:
            return _UNKNOWN
        return _variant(candidates[variant_index % len(candidates)], variant_index // len(candidates))
    if isinstance(value, Mapping):
        items = {key: _variant(item, variant_index) for key, item in value.items()}
        # An unknown key stays, whatever its value may become: validation reports it.
        return {key: item for key, item in items.items() if item is not _UNKNOWN or key not in ALL_KEYS}
    if isinstance(value, (list, tuple)):
        items_of_list = (_variant(item, variant_index) for item in value)
        return [item for item in items_of_list if item is not _UNKNOWN]
    return value


def _freeze(value: object) -> Hashable:
    """Return a hashable stand-in for a value, so that a dict finds duplicates among thousands of candidates."""
    if isinstance(value, Mapping):
        return frozenset((key, _freeze(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(map(_freeze, value))
    try:
        hash(value)
    except TypeError:
        return id(value)
    return value
