"""A cattrs converter that checks values and coerces none of them.

Plain cattrs coerces (``"1"`` to 1, ``"abc"`` to ``("a", "b", "c")``, 123 to ``"123"``). This converter accepts a value
only if it has the annotated type. Of a subclass it makes the plain type (a ``StrEnum`` becomes its str, an OmegaConf
``ListConfig`` a list), because the class of a user's script cannot be imported in other processes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, TypeAlias, Union, cast, get_args, get_origin

from cattrs import Converter
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError

from typed_tune_wandb.errors import Problem
from typed_tune_wandb.settings._wording import (
    Unreadable,
    close_match,
    describe_type,
    key_name,
    to_dict_call,
    type_name,
    unknown_key,
)

_Hook: TypeAlias = Callable[[Any, Any], Any]


class MismatchError(ValueError):
    """A value does not have the annotated type.

    Attributes:
        message: What was expected and the type of what was found.
        suggestion: What was probably meant, ready to type, or None.
    """

    def __init__(self, message: str, suggestion: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.suggestion = suggestion


class WrongItemsError(ValueError):
    """Items of a list do not have the annotated type.

    Attributes:
        errors: The error of each wrong item, by its index.
    """

    def __init__(self, errors: Mapping[int, ValueError]) -> None:
        super().__init__("wrong items")
        self.errors = errors


def strict_converter(*opaque: type) -> Converter:
    """Return a converter that checks values and reports every problem of a TypedDict at once.

    Args:
        opaque: Classes whose instances are accepted as they are.
    """
    converter = Converter(detailed_validation=True, forbid_extra_keys=True)
    # cattrs never asks predicates about str, bool, int and float: they are registered by class.
    for scalar in (str, bool, int, float, *opaque):
        converter.register_structure_hook(scalar, _structure_scalar)
    factories: tuple[tuple[tuple[object, ...], Callable[[Any, Converter], _Hook]], ...] = (
        ((Union, UnionType), _union_hook),
        ((Literal,), lambda _, __: _structure_literal),
        ((list, tuple, Sequence), _sequence_hook),
        ((dict, Mapping), _mapping_hook),
        ((os.PathLike,), lambda _, __: _structure_path),
    )
    for origins, factory in factories:
        converter.register_structure_hook_factory(_has_origin(*origins), factory)
    return converter


def problems_in(error: BaseException, known_keys: Sequence[str], path: str = "") -> Iterator[Problem]:
    """Yield every problem in a structuring error, with its path.

    Args:
        error: What the converter raised.
        known_keys: The keys that the entry may have, to suggest the likely name of an unknown one.
        path: The path of the structured value.
    """
    if isinstance(error, ClassValidationError):
        with_notes, without_notes = error.group_exceptions()
        for inner, note in with_notes:
            yield from problems_in(inner, known_keys, f"{path}.{note.name}".lstrip("."))
        for inner in without_notes:
            yield from problems_in(inner, known_keys, path)
    elif isinstance(error, WrongItemsError):
        for index, inner in error.errors.items():
            yield from problems_in(inner, known_keys, f"{path}[{index}]")
    elif isinstance(error, ForbiddenExtraKeysError):
        for key in sorted(error.extra_fields, key=key_name):
            yield unknown_key(key, known_keys)
    elif isinstance(error, MismatchError):
        yield Problem(path, error.message, error.suggestion)
    else:
        raise error


def read_mapping(mapping: Mapping[Any, object]) -> dict[Any, object]:
    """Read a mapping key by key; an :class:`Unreadable` stands for each value that it refuses to give.

    Raises:
        MismatchError: It refuses to give its keys.
    """
    if isinstance(mapping, dict):
        return dict(mapping)
    failed, keys = "", list[Any]()
    try:
        keys = list(mapping)
    except Exception as error:  # whatever the mapping's class raises: its text may contain a value
        failed = type(error).__name__
    if failed:
        raise MismatchError(f"expected a dict, got one that cannot be read ({failed}).")
    values: dict[Any, object] = {}
    for key in keys:
        try:
            values[key] = mapping[key]
        except Exception as error:  # whatever the mapping's class raises
            values[key] = Unreadable(type(error).__name__)
    return values


def to_plain(value: object) -> object:
    """Return mappings as dicts and sequences as lists, to any depth."""
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in read_mapping(value).items()}
    if _matches(value, list):
        try:
            return [to_plain(item) for item in cast("Sequence[object]", value)]
        except Exception:  # OmegaConf's "???" among the items: validation reports it
            return value
    return value


def _read_items(value: Sequence[object], annotation: Any) -> list[object]:
    try:
        return list(value)
    except Exception as error:  # whatever the class raises: its text may contain a value
        message = f"expected {describe_type(annotation)}, got items that cannot be read ({type(error).__name__})."
    raise MismatchError(message)


def _has_origin(*origins: object) -> Callable[[Any], bool]:
    """Return a predicate for annotations with one of these outermost types."""
    return lambda annotation: (get_origin(annotation) or annotation) in origins


def _matches(value: object, annotation: Any) -> bool:
    """Return whether a value has an annotation's outermost type, or one that means the same."""
    origin = get_origin(annotation) or annotation
    if origin is Literal:
        return isinstance(value, str) and value in get_args(annotation)
    if origin is Sequence or origin is list:
        is_text = isinstance(value, (str, bytes, bytearray, memoryview))
        return isinstance(value, Sequence) and not is_text and not (origin is list and isinstance(value, tuple))
    if origin is dict:
        return isinstance(value, Mapping)
    if origin is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    # bool is a subclass of int, but nobody who writes True means 1.
    return isinstance(value, origin) and (origin is bool or not isinstance(value, bool))


def _mismatch(value: object, annotation: Any) -> MismatchError:
    """Return the error for a value of another type, with the call that makes the right one of it, if there is one."""
    is_union = get_origin(annotation) in (Union, UnionType)
    members = get_args(annotation) if is_union else (annotation,)
    builtin = next((member for member in members if member in (bool, int, float, str)), None)
    is_numpy_scalar = type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0
    suggestion = f"{builtin.__name__}(...)" if builtin is not None and is_numpy_scalar else None
    if any(get_origin(member) in (dict, Mapping) for member in members):
        suggestion = to_dict_call(value)
    return MismatchError(f"expected {describe_type(annotation)}, got {type_name(value)}.", suggestion)


def _structure_scalar(value: Any, annotation: Any) -> object:
    if type(value) is annotation:
        return value
    if not _matches(value, annotation):
        raise _mismatch(value, annotation)
    if isinstance(value, str):
        return str.__str__(value)  # str() of an Enum would be its name
    return annotation(value) if annotation in (int, float) else value


def _structure_literal(value: object, annotation: Any) -> object:
    choices = get_args(annotation)
    if isinstance(value, str) and value in choices:
        return choices[choices.index(value)]
    if not isinstance(value, str):
        raise _mismatch(value, annotation)
    match = close_match(value, choices)
    message = f"expected {describe_type(annotation)}, got another str."
    raise MismatchError(message, f'"{match}"' if match else None)


def _structure_path(value: object, annotation: Any) -> object:
    if not isinstance(value, os.PathLike):
        raise _mismatch(value, annotation)
    if type(value).__module__.partition(".")[0] == "pathlib":
        return value
    try:
        path = os.fspath(value)
    except Exception as error:  # whatever the class raises: its text may contain a value
        message = f"expected a path, got one that cannot be read ({type(error).__name__})."
    else:
        if isinstance(path, str):
            return str.__str__(path)
        message = f"expected a path of type str, got one of type {type_name(path)}."
    raise MismatchError(message)


def _union_hook(union: Any, converter: Converter) -> _Hook:
    """Return a hook that structures a value as the first member of the union that it matches."""
    members = [(member, converter.get_structure_hook(member)) for member in get_args(union) if member is not NoneType]
    literals = [member for member, _ in members if get_origin(member) is Literal]

    def structure(value: object, _: Any) -> object:
        if value is None and NoneType in get_args(union):
            return None
        for member, hook in members:
            if _matches(value, member):
                return hook(value, member)
        # A wrong choice is described by the choices, everything else by the whole union.
        if literals and (isinstance(value, str) or len(members) == 1):
            return _structure_literal(value, literals[0])
        raise _mismatch(value, union)

    return structure


def _sequence_hook(annotation: Any, converter: Converter) -> _Hook:
    """Return a hook that structures the items of a list or tuple, and reports every wrong one by its index."""
    container, item_type = get_origin(annotation), get_args(annotation)[0]
    structure_item = converter.get_structure_hook(item_type)

    def structure(value: Any, _: Any) -> object:
        if not _matches(value, annotation):
            raise _mismatch(value, annotation)
        items: list[object] = []
        errors: dict[int, ValueError] = {}
        for index, item in enumerate(_read_items(value, annotation)):
            try:
                items.append(structure_item(item, item_type))
            except ValueError as error:
                errors[index] = error
        if errors:
            raise WrongItemsError(errors)
        return tuple(items) if container is tuple else items

    return structure


def _mapping_hook(annotation: Any, converter: Converter) -> _Hook:
    """Return a hook that structures a mapping as a dict; its values are checked if the annotation says their type."""
    value_type = get_args(annotation)[1]
    structure_value = None if value_type is object else converter.get_structure_hook(value_type)

    def structure(value: object, _: Any) -> object:
        if not isinstance(value, Mapping):
            raise _mismatch(value, annotation)
        plain = read_mapping(value)
        wrong = sorted({type_name(key) for key in plain if not isinstance(key, str)})
        if wrong:
            raise MismatchError(f"expected {describe_type(annotation)}, got keys of type {', '.join(wrong)}.")
        unreadable = [key_name(key) for key, item in plain.items() if isinstance(item, Unreadable)]
        if unreadable and structure_value is None:
            keys = ", ".join(unreadable)
            raise MismatchError(f"expected {describe_type(annotation)}, got values that cannot be read: {keys}.")
        if structure_value is None:
            return {str.__str__(key): item for key, item in plain.items()}
        return {str.__str__(key): structure_value(item, value_type) for key, item in plain.items()}

    return structure
