"""Words for types and keys in messages. None of them shows a value: any value may be a secret."""

from __future__ import annotations

import builtins
import os
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

from attrs import frozen

from typed_tune_wandb.errors import Problem

# An API key has at least 40 characters: a message never repeats a key that long.
_MAX_SHOWN_KEY_CHARS: Final = 30


@frozen
class Unreadable:
    """Stands for a value that a mapping refused to give, such as OmegaConf's ``???``.

    Attributes:
        error: The name of the error's class; its text may contain a value.
    """

    error: str


def type_name(value: object) -> str:
    """Return the name of a value's type, for messages that must not show the value."""
    if value is None:
        return "None"
    if isinstance(value, Unreadable):
        return f"a value that cannot be read ({value.error})"
    cls = type(value)
    # "expected a bool, got bool" (of numpy) would help nobody.
    is_namesake = cls.__module__ != "builtins" and hasattr(builtins, cls.__name__)
    return f"{cls.__module__}.{cls.__name__}" if is_namesake else cls.__name__


def key_name(key: object) -> str:
    """Return a key as a message may show it: a secret can be used as a key by mistake."""
    if isinstance(key, str):
        name = str.__str__(key)
        if name.isidentifier() and len(name) <= _MAX_SHOWN_KEY_CHARS:
            return name
    return f"<a key of type {type_name(key)}, not shown>"


def close_match(name: str, candidates: Sequence[str]) -> str | None:
    """Return the candidate that was probably meant, or None."""
    matches = get_close_matches(name.lower(), candidates, n=1, cutoff=0.6)
    return matches[0] if matches else None


def unknown_key(key: object, known_keys: Sequence[str]) -> Problem:
    """Return the problem of a key that nothing reads, with the name that was probably meant."""
    match = close_match(key, known_keys) if isinstance(key, str) else None
    return Problem(key_name(key), "unknown key.", f'"{match}"' if match else None)


def to_dict_call(value: object) -> str | None:
    """Return the call that makes a dict of an object with fields (a dataclass, attrs, pydantic...), or None."""
    cls = type(value)
    if isinstance(value, type):
        return None
    if hasattr(cls, "__dataclass_fields__"):
        return "dataclasses.asdict(...)"
    if hasattr(cls, "__attrs_attrs__"):
        return "attrs.asdict(...)"
    for method in ("model_dump", "_asdict"):
        if callable(getattr(cls, method, None)):
            return f"{cls.__name__}.{method}(...)" if cls.__name__.isidentifier() else None
    return "vars(...)" if cls.__name__ in ("Namespace", "SimpleNamespace") else None


def describe_type(annotation: Any) -> str:
    """Describe an annotation in English: ``a str or a path``."""
    origin = get_origin(annotation) or annotation
    if origin is Literal:
        return " or ".join(f'"{choice}"' for choice in get_args(annotation))
    if origin in (Union, UnionType):
        members = (describe_type(member) for member in get_args(annotation) if member is not type(None))
        return " or ".join(dict.fromkeys(members))
    if origin in (tuple, list, Sequence):
        return f"a list of {get_args(annotation)[0].__name__}"
    if origin is os.PathLike:
        return "a path"
    if issubclass(origin, Mapping):
        return f"a dict with str keys{' and str values' if get_args(annotation)[1:] == (str,) else ''}"
    return {int: "an int", float: "a number"}.get(origin, f"a {origin.__name__}")
