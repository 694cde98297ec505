"""A cattrs converter that checks values and converts none of them.

Plain cattrs coerces (``"1"`` to 1, ``"abc"`` to ``("a", "b", "c")``, 123 to ``"123"``). Here a value is
what its annotation says, or it is a problem. No message ever holds a value: it may be a secret.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from cattrs import Converter
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError, IterableValidationError

from typed_tune_wandb.errors import Problem

# An API key has 40 characters or more: nothing that long is ever repeated in a message.
_LONGEST_SHOWN_KEY = 30


class MismatchError(ValueError):
    """A value is not what its annotation says; ``message`` tells what was expected."""

    def __init__(self, message: str, suggestion: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.suggestion = suggestion


def type_name(value: object) -> str:
    """The name of a value's type, for a message that must not show the value."""
    return "None" if value is None else type(value).__name__


def key_name(key: object) -> str:
    """A key as a message may show it: a secret can stand in a key's place too."""
    if isinstance(key, str) and key.isidentifier() and len(key) <= _LONGEST_SHOWN_KEY:
        return key
    return f"<a key of type {type_name(key)}, not shown>"


def close_match(word: str, words: Sequence[str]) -> str | None:
    """The one of ``words`` that was probably meant, or None."""
    matches = get_close_matches(word.lower(), words, n=1, cutoff=0.6)
    return matches[0] if matches else None


def _outermost(annotation: Any) -> Any:
    """What an annotation is of, less its arguments: ``tuple`` of ``tuple[str, ...]``."""
    return get_origin(annotation) or annotation


def describe(annotation: Any) -> str:
    """An annotation in words: ``a str or a path``."""
    origin = _outermost(annotation)
    if origin is Literal:
        return " or ".join(f'"{word}"' for word in get_args(annotation))
    if origin in (Union, UnionType):
        arms = (describe(arm) for arm in get_args(annotation) if arm is not type(None))
        return " or ".join(dict.fromkeys(arms))
    if origin is tuple or origin is list:
        return f"a list of {get_args(annotation)[0].__name__}"
    if origin is os.PathLike:
        return "a path"
    if issubclass(origin, Mapping):
        return "a dict with str keys"
    return f"a {origin.__name__}"


def strict_converter(*taken_as_is: type) -> Converter:
    """A converter that checks, and names every problem of a TypedDict at once.

    Args:
        taken_as_is: Classes whose instances are values in their own right.
    """
    converter = Converter(detailed_validation=True, forbid_extra_keys=True)
    # cattrs never asks predicate hooks about str, bool, int and float: they are registered by class.
    for scalar in (str, bool, int, float, *taken_as_is):
        converter.register_structure_hook(scalar, _instance)

    def arm(value: object, annotation: Any) -> object:
        """The one arm of a union that the value belongs to."""
        for candidate in get_args(annotation):
            if _belongs(value, candidate):
                return None if value is None else converter.structure(value, candidate)
        # A wrong word is told by the words, everything else by the whole union.
        for candidate in get_args(annotation):
            if _outermost(candidate) is Literal:
                return _word(value, candidate)
        raise MismatchError(f"expected {describe(annotation)}, got {type_name(value)}.")

    converter.register_structure_hook_func(lambda annotation: _outermost(annotation) in (Union, UnionType), arm)
    converter.register_structure_hook_func(lambda annotation: _outermost(annotation) is Literal, _word)
    converter.register_structure_hook_func(lambda annotation: _outermost(annotation) in (dict, Mapping), _mapping)
    converter.register_structure_hook_func(lambda annotation: _outermost(annotation) is os.PathLike, _instance)
    return converter


def problems_in(error: BaseException, known: Sequence[str], path: str = "") -> Iterator[Problem]:
    """Every problem that a structuring error holds, with its path.

    Args:
        error: What the converter raised.
        known: The keys that the entry may have, for the likely name of an unknown one.
        path: The path of what was structured.
    """
    if isinstance(error, ClassValidationError):
        noted, plain = error.group_exceptions()
        for inner, note in noted:
            yield from problems_in(inner, known, f"{path}.{note.name}".lstrip("."))
        for inner in plain:
            yield from problems_in(inner, known, path)
    elif isinstance(error, IterableValidationError):
        for inner, index in error.group_exceptions()[0]:
            yield from problems_in(inner, known, f"{path}[{index.index}]")
    elif isinstance(error, ForbiddenExtraKeysError):
        for key in sorted(error.extra_fields, key=key_name):
            match = close_match(key, known) if isinstance(key, str) else None
            yield Problem(key_name(key), "unknown key.", f'"{match}"' if match else None)
    elif isinstance(error, MismatchError):
        yield Problem(path, error.message, error.suggestion)
    else:
        raise error


def _belongs(value: object, annotation: Any) -> bool:
    """Whether a value is of an annotation's outermost type."""
    origin = _outermost(annotation)
    if origin is Literal:
        return isinstance(value, str) and value in get_args(annotation)
    # bool is an int by inheritance only: nobody who writes True means 1.
    return isinstance(value, origin) and (origin is bool or not isinstance(value, bool))


def _instance(value: object, annotation: Any) -> object:
    if _belongs(value, annotation):
        return value
    raise MismatchError(f"expected {describe(annotation)}, got {type_name(value)}.")


def _word(value: object, annotation: Any) -> object:
    if _belongs(value, annotation):
        return value
    expected = describe(annotation)
    if not isinstance(value, str):
        raise MismatchError(f"expected {expected}, got {type_name(value)}.")
    match = close_match(value, get_args(annotation))
    raise MismatchError(f"expected {expected}, got another word.", f'"{match}"' if match else None)


def _mapping(value: object, annotation: Any) -> object:
    if not isinstance(value, Mapping):
        raise MismatchError(f"expected {describe(annotation)}, got {type_name(value)}.")
    odd = sorted({type_name(key) for key in value if not isinstance(key, str)})
    if odd:
        raise MismatchError(f"expected {describe(annotation)}, got keys of type {', '.join(odd)}.")
    return dict(value)
