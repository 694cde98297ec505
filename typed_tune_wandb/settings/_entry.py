"""Where the W&B entry is in a Tune config: under ``"wandb"``, or in RLlib's ``"logger_config"``.

No other module knows these two keys of a config.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from typed_tune_wandb._secret import Secret
from typed_tune_wandb.errors import Problem, WandbSettingsError
from typed_tune_wandb.settings._converter import MismatchError, read_mapping, to_plain
from typed_tune_wandb.settings._validation import extract_nested_api_key, unhide
from typed_tune_wandb.settings._wording import type_name

_ENTRY: Final = "wandb"
_RLLIB: Final = "logger_config"
ENTRY_PATHS: Final = frozenset({_ENTRY, f"{_RLLIB}/{_ENTRY}"})
"""Where an entry is, as paths into a flattened config."""


def find_wandb_entry(config: Mapping[str, object]) -> tuple[str, object] | None:
    """Find the W&B entry of a Tune or RLlib config.

    Args:
        config: A trial's config, or a search space.

    Returns:
        The place of the entry, as an error calls it, and the entry; None if there is none. An entry of None counts as
        none.

    Raises:
        WandbSettingsError: The config is no mapping, or it has an entry in both places.
    """
    if not isinstance(config, Mapping):
        problem = Problem("", f"expected a dict with a wandb entry, got {type_name(config)}.")
        raise WandbSettingsError([problem], "config")
    places = {f'config["{_ENTRY}"]': config, f'config["{_RLLIB}"]["{_ENTRY}"]': config.get(_RLLIB)}
    found = [
        (source, place[_ENTRY])
        for source, place in places.items()
        if isinstance(place, Mapping) and place.get(_ENTRY) is not None
    ]
    if len(found) > 1:
        both = Problem(_ENTRY, f"there are two W&B entries, here and in {_RLLIB}: keep one.")
        raise WandbSettingsError([both], "config")
    return found[0] if found else None


def require_wandb_entry(config: Mapping[str, object]) -> tuple[str, object]:
    """Find the W&B entry of a config, as :func:`find_wandb_entry` does.

    Raises:
        WandbSettingsError: There is none, or :func:`find_wandb_entry` raises.
    """
    found = find_wandb_entry(config)
    if found is None:
        advice = 'no W&B entry: add config["wandb"] = {"project": ...}, or set WANDB_PROJECT.'
        raise WandbSettingsError([Problem(_ENTRY, advice)], "config")
    return found


def strip_wandb_entry(config: Mapping[str, object]) -> dict[str, object]:
    """Return a copy of a config without its W&B entry.

    Example:
        >>> from typed_tune_wandb.settings import strip_wandb_entry
        >>> strip_wandb_entry({"lr": 0.1, "wandb": {"project": "mnist"}, "logger_config": {"wandb": {}}})
        {'lr': 0.1, 'logger_config': {}}
    """
    stripped = {key: value for key, value in config.items() if key != _ENTRY}
    nested = stripped.get(_RLLIB)
    if isinstance(nested, Mapping) and _ENTRY in nested:
        stripped[_RLLIB] = {key: value for key, value in nested.items() if key != _ENTRY}
    return stripped


def replace_wandb_entry(config: Mapping[str, Any], entry: object) -> dict[str, Any]:
    """Return a copy of a config with another W&B entry, in the place of the present one.

    Args:
        config: A config; without an entry it gets one under ``"wandb"``.
        entry: The new entry.

    Example:
        >>> from typed_tune_wandb.settings import replace_wandb_entry
        >>> replace_wandb_entry({"logger_config": {"wandb": {}}}, {"project": "mnist"})
        {'logger_config': {'wandb': {'project': 'mnist'}}}
    """
    nested = config.get(_RLLIB)
    if config.get(_ENTRY) is None and isinstance(nested, Mapping) and nested.get(_ENTRY) is not None:
        return {**config, _RLLIB: {**nested, _ENTRY: entry}}
    return {**config, _ENTRY: entry}


def redact_api_key(config: object) -> bool:
    """Replace a readable API key in a config's W&B entry by a :class:`Secret`, in place.

    Args:
        config: A trial's config; anything else is left alone. The entry need not be valid. A dict is changed itself;
            another mapping is replaced in the config by a dict.

    Returns:
        Whether there was a readable key.

    Raises:
        WandbSettingsError: The config has two entries.
    """
    found = find_wandb_entry(config) if isinstance(config, Mapping) else None
    entry = found[1] if found else None
    if not isinstance(config, dict) or not isinstance(entry, Mapping):
        return False
    try:
        redacted = read_mapping(entry)
        readable = False
        if isinstance(nested := redacted.get("settings"), Mapping):
            redacted["settings"] = nested = read_mapping(nested)
            readable = _hide_keys(nested)
        extract_nested_api_key(redacted)
        readable = _hide_keys(redacted) or readable
    except MismatchError:  # validation reports it
        return False
    if not readable:
        return False
    if isinstance(entry, dict):
        entry.update(redacted)
    else:
        config.update(replace_wandb_entry(config, to_plain(redacted)))
    return True


def _hide_keys(entry: dict[Any, object]) -> bool:
    """Replace each readable key in place, also one under a misspelt word; tell whether there was one."""
    hidden: dict[Any, object] = {}
    for name, value in entry.items():
        if isinstance(name, str) and re.sub(r"[^a-z]", "", name.lower()).removeprefix("wandb") == "apikey":
            hidden[name] = _hide_key(unhide(value))
    changed = {name: value for name, value in hidden.items() if value is not entry[name]}
    entry.update(changed)
    return bool(changed)


def _hide_key(key: object) -> object:
    if isinstance(key, str):
        return Secret(str.__str__(key))
    # A key of another type is a mistake, which validation reports by its type: an empty value has that, and no key.
    return next((kind() for kind in (bytes, bytearray, list, tuple, dict) if isinstance(key, kind) and key), key)
