"""Validation of the ``WANDB_...`` variables that reach a run.

wandb reads every variable that stands for a field of ``wandb.Settings``, also one that an argument overrides, and a
wrong value costs each run. So all of them are validated before the first trial, by the rules of the entry's keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

from typed_tune_wandb.errors import Problem, WandbSettingsError
from typed_tune_wandb.settings._installed_wandb import settings_fields, validated_fields
from typed_tune_wandb.settings._nested import check_with_wandb
from typed_tune_wandb.settings._rules import check_values, has_lone_surrogate
from typed_tune_wandb.settings._types import CONTINUATION_KEYS, NESTED_NAMES, Resume
from typed_tune_wandb.settings._wording import close_match, describe_type

_PREFIX: Final = "WANDB_"
# Seen in wandb 0.31: all other variables have the names of their fields in capitals.
_FIELDS: Final = {
    **{f"{_PREFIX}{name}": f"run_{name.lower()}" for name in ("NAME", "NOTES", "TAGS", "JOB_TYPE")},
    "WANDB_APP_URL": "app_url_override",
    "WANDB_SERVICE_TRANSPORT": "x_service_transport",
    "WANDB_DIR": "root_dir",
    "WANDB_HTTP_TIMEOUT": "x_graphql_timeout_seconds",
    "WANDB_FILE_PUSHER_TIMEOUT": "x_file_transfer_timeout_seconds",
    "WANDB_USER_EMAIL": "email",
}
# Ray's own variables, and the keys of the entry that they stand for.
_RAY_VARIABLES: Final = {"WANDB_PROJECT_NAME": "project", "WANDB_GROUP_NAME": "group"}
# The keys whose rules hold for their variables, and those of them for which wandb refuses an empty text.
_RULED_KEYS: Final = frozenset({"project", "entity", "id", "dir", "tags", "resume", "resume_from", "fork_from"})
_NON_EMPTY_KEYS: Final = frozenset({"id", "tags", "resume_from", "fork_from"})
# The fields whose texts wandb splits at commas.
_LISTS: Final = frozenset({"run_tags", "ignore_globs"})


def validate_environment(environ: Mapping[str, str]) -> list[Problem]:
    """Return every mistake in the variables that wandb reads, with the variable as its path.

    Args:
        environ: The environment, such as ``os.environ``. Variables that wandb does not read are skipped.

    Example:
        >>> from typed_tune_wandb.settings import validate_environment
        >>> [str(problem) for problem in validate_environment({"WANDB_QUIET": "maybe"})]
        ['WANDB_QUIET: expected a bool, such as "true" or "false".']
    """
    variables = {name: value for name, value in environ.items() if name.startswith(_PREFIX)}
    problems = [problem for name, text in variables.items() for problem in _check_variable(name, text)]
    continuations = [name for key in CONTINUATION_KEYS if variables.get(name := f"{_PREFIX}{key.upper()}")]
    if len(continuations) > 1:
        problems.append(Problem(continuations[-1], f"{' and '.join(continuations)} exclude each other: keep one."))
    return problems


def check_environment(environ: Mapping[str, str]) -> None:
    """Raise an error with every mistake in the variables that wandb reads.

    Beside :func:`validate_environment`, wandb itself validates what it alone knows (URLs); only that imports wandb.

    Args:
        environ: The environment, such as ``os.environ``.

    Raises:
        WandbSettingsError: There are mistakes.
    """
    problems = validate_environment(environ)
    wrong = {problem.path for problem in problems}
    for variable, text in environ.items():
        field = _field_of(variable)
        if field is None or variable in wrong or field in _LISTS or _key_of(variable, field) in _RULED_KEYS:
            continue
        if field in validated_fields():
            problems += [Problem(variable, p.message, p.suggestion) for p in check_with_wandb({field: text})]
    if problems:
        raise WandbSettingsError(problems, "the environment")


def _check_variable(variable: str, text: str) -> Iterator[Problem]:
    field = _field_of(variable)
    key = _key_of(variable, field)
    if key is None:
        return
    if has_lone_surrogate(text):
        yield Problem(variable, "has bytes that are no UTF-8.")
        return
    annotation = Resume if key == "resume" else settings_fields().get(field or "")
    wrong_type = None if field in _LISTS else _check_text(text, annotation)
    if wrong_type is not None:
        message, suggestion = wrong_type
        yield Problem(variable, message, suggestion)
    elif key in _RULED_KEYS and (text or key in _NON_EMPTY_KEYS):
        for problem in check_values({key: text.split(",") if field in _LISTS else text}):
            yield Problem(problem.path.replace(key, variable, 1), problem.message, problem.suggestion)


def _field_of(variable: str) -> str | None:
    """Return the field of ``wandb.Settings`` that wandb sets from a variable, or None."""
    if not variable.startswith(_PREFIX):
        return None
    # wandb takes a second underscore for the "x_" of its internal fields.
    name = variable.removeprefix(_PREFIX).lower()
    field = _FIELDS.get(variable) or (f"x{name}" if name.startswith("_") else name)
    return field if field in settings_fields() else None


def _key_of(variable: str, field: str | None) -> str | None:
    """Return the key of the entry that a variable stands for, or its field of ``wandb.Settings``."""
    return _RAY_VARIABLES.get(variable) or (NESTED_NAMES.get(field, field) if field else None)


def _check_text(text: str, annotation: Any) -> tuple[str, str | None] | None:
    """Return what is wrong with a text as a value of a type, and what was probably meant; None if wandb can read it."""
    is_union = get_origin(annotation) in (Union, UnionType)
    members = [member for member in get_args(annotation) if member is not NoneType] if is_union else [annotation]
    if None in members or str in members:
        return None
    choices = [choice for member in members if get_origin(member) is Literal for choice in get_args(member)]
    readers = [_READERS[member] for member in members if member in _READERS]
    if text in choices or any(can_read(text) for can_read in readers):
        return None
    if choices:
        found = "another str" if text else "an empty str"
        match = close_match(text, choices)
        return f"expected {describe_type(annotation)}, got {found}.", f'"{match}"' if match else None
    if readers:
        return f"expected {describe_type(annotation)}{_EXAMPLES.get(members[0], '')}.", None
    return "wandb cannot read this setting from a variable: give it in the settings of the entry.", None


def _is_bool(text: str) -> bool:
    # As pydantic reads a bool from a text.
    return text.lower() in ("0", "off", "f", "false", "n", "no", "1", "on", "t", "true", "y", "yes")


def _is_int(text: str) -> bool:
    try:
        int(re.sub(r"\.0+(?=\s*$)", "", text))
    except ValueError:
        return False
    return True


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


_READERS: Final[dict[object, Callable[[str], bool]]] = {bool: _is_bool, int: _is_int, float: _is_number}
_EXAMPLES: Final[dict[object, str]] = {bool: ', such as "true" or "false"'}
