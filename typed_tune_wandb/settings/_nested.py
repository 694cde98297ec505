"""Validation of ``settings`` inside an entry: a dict of the fields of ``wandb.Settings``."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, cast

from cattrs import Converter

from typed_tune_wandb.errors import Problem
from typed_tune_wandb.settings._converter import problems_in
from typed_tune_wandb.settings._installed_wandb import settings_fields
from typed_tune_wandb.settings._rules import check_values
from typed_tune_wandb.settings._types import CONTINUATION_KEYS, NESTED_NAMES, InitSettings
from typed_tune_wandb.settings._wording import unknown_key

# The kinds of pydantic's errors whose texts name the expected type alone; others may repeat a value.
_SAFE_ERRORS: Final = ("_type", "_parsing", "literal_error", "extra_forbidden")


def validate_nested(settings: Mapping[str, object], converter: Converter) -> tuple[dict[str, object], list[Problem]]:
    """Validate a dict of fields of ``wandb.Settings``, with what the source of the installed wandb says of them.

    Where that source does not tell the type of a field, the value passes here: see :func:`check_with_wandb`.

    Args:
        settings: The dict.
        converter: The converter for the values.

    Returns:
        The dict with plain values, and every problem, with paths such as ``settings.console``.
    """
    fields = settings_fields()
    plain: dict[str, object] = {}
    problems: list[Problem] = []
    for key, value in settings.items():
        name = f"x{key}" if key.startswith("_") else key  # wandb still takes the names of older versions
        annotation = fields.get(name)
        plain[key] = value
        if fields and name not in fields:
            problems.append(unknown_key(key, tuple(fields)))
        elif annotation is not None:
            try:
                plain[key] = converter.structure(value, annotation)
            except ValueError as error:
                problems += problems_in(error, (), key)
    wrong = {problem.path for problem in problems}
    problems += _check_rules({key: value for key, value in plain.items() if key not in wrong})
    return plain, [Problem(f"settings.{problem.path}", problem.message, problem.suggestion) for problem in problems]


def check_with_wandb(settings: object) -> list[Problem]:
    """Let wandb itself validate a dict of fields of ``wandb.Settings``; this imports wandb.

    Args:
        settings: What an entry has under ``settings``; anything but a dict passes.

    Returns:
        Every problem, with paths such as ``settings.base_url``. No text of wandb that may repeat a value is in them.
    """
    if not isinstance(settings, Mapping) or not settings:
        return []
    found = _refusals(settings)
    if [problem.path for problem in found] == ["settings"]:
        # Not one of pydantic's errors: the field is found by asking for each alone.
        alone = [Problem(f"settings.{key}", p.message) for key in settings for p in _refusals({key: settings[key]})]
        return alone or found
    return found


def _refusals(settings: Mapping[str, object]) -> list[Problem]:
    import wandb
    from pydantic import ValidationError

    try:
        wandb.Settings(**cast("Any", settings))
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        return [Problem(_path_of(detail["loc"]), _reason(detail["type"], detail["msg"])) for detail in details]
    except Exception as error:  # wandb.errors.UsageError, and whatever else a validator of wandb raises
        return [Problem("settings", f"wandb refuses this value ({type(error).__name__}).")]
    return []


def check_continuations(settings: object, beside: Collection[str]) -> Iterator[Problem]:
    """Yield a problem if ``settings``, and the entry around it, say more than once from where a run goes on.

    Args:
        settings: What an entry has under ``settings``: a dict, or a ``wandb.Settings``.
        beside: The keys of the entry.
    """
    if isinstance(settings, Mapping):
        inside = {key for key, value in settings.items() if value is not None}
    else:
        inside = settings.model_fields_set if isinstance(settings, InitSettings) else set()
    given = [key for key in CONTINUATION_KEYS if key in beside or key in inside]
    if len(given) > 1 and not inside.isdisjoint(given):
        yield Problem(f"settings.{given[-1]}", f"{' and '.join(given)} exclude each other: keep one.")


def _check_rules(settings: Mapping[str, object]) -> Iterator[Problem]:
    """Yield the mistakes against the rules of the entry's keys, for the fields that stand for them."""
    key_of = {NESTED_NAMES.get(key, key): key for key in settings}
    for problem in check_values({name: settings[key] for name, key in key_of.items()}):
        name, _, rest = problem.path.partition("[")
        path = key_of[name] + (f"[{rest}" if rest else "")
        yield Problem(path, problem.message, problem.suggestion)


def _path_of(location: tuple[int | str, ...]) -> str:
    return ".".join(["settings", *(str(part) for part in location[:1])])


def _reason(kind: str, message: str) -> str:
    return f"{message}." if kind.endswith(_SAFE_ERRORS) else f"wandb refuses this value ({kind})."
