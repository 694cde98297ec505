"""Validation of a raw W&B entry: every mistake at once, in microseconds, with no import of wandb and no network."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from cattrs.errors import ClassValidationError

from typed_tune_wandb._secret import Secret, hidden_value
from typed_tune_wandb.errors import Problem, WandbSettingsError
from typed_tune_wandb.settings._converter import MismatchError, problems_in, read_mapping, strict_converter
from typed_tune_wandb.settings._installed_wandb import init_parameters, installed_version, missing_parameters
from typed_tune_wandb.settings._nested import check_continuations, validate_nested
from typed_tune_wandb.settings._rules import check_exclusive_keys, check_values
from typed_tune_wandb.settings._types import ALIASES, ALL_KEYS, LOGGER_KEYS, InitSettings, WandbConfigDict
from typed_tune_wandb.settings._wording import key_name

# The first wandb release with each parameter that was added late (wandb's changelog); all others may only disappear.
_ADDED_IN: Final = {"fork_from": "0.16.5", "resume_from": "0.17.1"}
_REMOVED: Final = frozenset({"anonymous"})
# What was probably meant, by key and type of the value.
_SUGGESTIONS: Final = {
    ("resume", "bool"): '"allow"',
    ("reinit", "bool"): '"create_new"',
    ("tags", "str"): '["..."]',
    **{(key, "str"): '["..."]' for key in ("excludes", "metrics", "secret_names", "public_names")},
}
# What an unknown key belongs to, or is called here: arguments of the logger, and of Ray's own setup_wandb.
_OTHER_NAMES: Final = {
    **{f'"{name}"': f"WandbLogger({name}=...)" for name in LOGGER_KEYS},
    '"trial_id"': '"id"',
    '"trial_name"': '"name"',
}
_CANDIDATES: Final = (*ALL_KEYS, *LOGGER_KEYS, "trial_id", "trial_name")
_converter: Final = strict_converter(Secret, InitSettings)


def validate(fields: Mapping[Any, object], source: str) -> tuple[dict[str, object], dict[str, object]]:
    """Validate an entry; validated values need no further checks.

    Args:
        fields: The keys and values as they were given. A value of None counts as not given.
        source: What an error calls the entry.

    Returns:
        The given fields, under the names of :class:`~typed_tune_wandb.WandbSettings`; and the parameters that the
        installed ``wandb.init`` has and this library does not know.

    Raises:
        WandbSettingsError: With every mistake at once.
    """
    try:
        plain = read_mapping(fields)
    except MismatchError as error:
        raise WandbSettingsError([Problem("", error.message)], source) from None
    given: dict[Any, object] = {key: value for key, value in plain.items() if value is not None}
    if (key := given.get("api_key")) is not None:
        given["api_key"] = unhide(key)
    extract_nested_api_key(given)
    unknown = [key for key in given if isinstance(key, str) and key not in ALL_KEYS and key not in _REMOVED]
    extra = {key: given.pop(key) for key in unknown if key in init_parameters()}
    entry, problems = _structure(given)
    problems += _check_rules(entry, {key for key in given if isinstance(key, str)})
    if isinstance(nested := entry.get("settings"), dict):
        entry["settings"], more = validate_nested(nested, _converter)
        problems += more
    if problems:
        order = {key_name(key): position for position, key in enumerate(plain)}
        problems.sort(key=lambda problem: order.get(_top_key(problem.path), len(order)))
        raise WandbSettingsError(problems, source)
    return {ALIASES.get(key, key): value for key, value in entry.items()}, extra


def extract_nested_api_key(entry: dict[Any, object]) -> None:
    """Move a key inside ``settings`` to ``api_key``, the one field that is never shown."""
    settings = entry.get("settings")
    key = _nested_api_key(settings)
    if key is None or entry.get("api_key") is not None:
        return
    entry["api_key"] = key
    if isinstance(settings, InitSettings):
        entry["settings"] = settings.model_copy(update={"api_key": None})
    elif isinstance(settings, Mapping):
        entry["settings"] = {name: value for name, value in read_mapping(settings).items() if name != "api_key"}


def unhide(value: object) -> object:
    """Return pydantic's ``SecretStr`` as a :class:`Secret`, which hides in a pickle too; other values as they are."""
    text = hidden_value(value)
    return Secret(text) if isinstance(text, str) else value


def _nested_api_key(settings: object) -> object:
    if isinstance(settings, Mapping):
        try:
            return unhide(read_mapping(settings).get("api_key"))
        except MismatchError:  # reported with its place
            return None
    return settings.api_key if isinstance(settings, InitSettings) else None


def _structure(given: Mapping[object, object]) -> tuple[dict[str, object], list[Problem]]:
    """Return the values that have the right types, and the problems of the others."""
    named = {key: value for key, value in given.items() if isinstance(key, str)}
    problems = [Problem(key_name(key), "expected keys of type str.") for key in given if key not in named]
    for removed in named.keys() & _REMOVED:
        problems.append(Problem(removed, "does nothing in wandb any more: remove it."))
        del named[removed]
    error: ClassValidationError | None = None
    try:
        named = cast("dict[str, object]", _converter.structure(named, WandbConfigDict))
    except ClassValidationError as caught:
        error = caught
    # Outside the except block: no __context__ carries the input into a traceback.
    if error is not None:
        found = [*problems_in(error, _CANDIDATES)]
        wrong = {_top_key(problem.path) for problem in found}
        right = {key: value for key, value in named.items() if key in ALL_KEYS and key not in wrong}
        named = cast("dict[str, object]", _converter.structure(right, WandbConfigDict))
        problems += [_with_suggestion(problem, given) for problem in found]
    return named, problems


def _with_suggestion(problem: Problem, given: Mapping[object, object]) -> Problem:
    """Add a better suggestion to a problem if the key, or the type of its value, tells what was meant."""
    by_type = _SUGGESTIONS.get((problem.path, type(given.get(problem.path)).__name__))
    suggestion = by_type or _OTHER_NAMES.get(problem.suggestion or "")
    return Problem(problem.path, problem.message, suggestion) if suggestion else problem


def _check_rules(entry: Mapping[str, object], given: set[str]) -> Iterator[Problem]:
    """Yield the mistakes that types do not express: in values of the right types, and in keys together."""
    yield from check_values(entry, templates=True)
    yield from check_exclusive_keys(given)
    yield from check_continuations(entry.get("settings"), given)
    if _nested_api_key(entry.get("settings")) is not None:
        yield Problem("settings.api_key", "api_key is given here and beside settings: keep one.")
    missing = missing_parameters()
    for name in sorted(name for name in given if ALIASES.get(name, name) in missing) if missing else ():
        needed = f"wandb {_ADDED_IN[name]} or newer" if name in _ADDED_IN else "an older wandb"
        yield Problem(name, f"wandb {installed_version()} has no such parameter: it needs {needed}.")


def _top_key(path: str) -> str:
    return re.split(r"[.\[]", path)[0]
