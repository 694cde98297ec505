"""The one recursion over values: numbers, texts, lists and dicts come out as exact builtins, within a budget."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from enum import Enum
from pathlib import PurePath
from typing import Any, Final, NamedTuple

import numpy as np

from typed_tune_wandb.payload._objects import key_text
from typed_tune_wandb.payload._redaction import Secrecy
from typed_tune_wandb.payload._scalars import (
    EXACT_SCALARS,
    MAX_ARRAY_ITEMS,
    MAX_INT,
    Unordered,
    Unreadable,
    UnstorableError,
    encodable,
    exact_scalar,
    type_label,
    unique_key,
)

MAX_TEXT_CHARS: Final = 1_000_000
"""Characters of one text in a row; W&B's own limit is some 10 MB for a whole row."""
MAX_DEPTH: Final = 32
_MAX_VALUE_ITEMS: Final = 100_000  # of one value in a row
_MAX_ROW_ITEMS: Final = 200_000
_MAX_ROW_CHARS: Final = 10_000_000
_TEXT_CLASSES: Final = (str, bytes, bytearray, memoryview)


class NestingError(UnstorableError):
    """A value that is nested too deeply, or holds itself."""

    def __init__(self) -> None:
        super().__init__("it is nested too deeply, or holds itself: report a part of it.")


class TooManyItemsError(UnstorableError):
    """A value that holds more items than are stored of one value."""

    def __init__(self) -> None:
        super().__init__("it holds too many items: report a wandb.Histogram, a wandb.Table or a summary of it.")


class Place(NamedTuple):
    """Where a value stands: its path in the config, and how secret the names on the way make it."""

    path: str = ""
    secrecy: Secrecy = Secrecy.NONE


ROOT: Final = Place()


class ValueConverter:
    """Converts the values of one row to exact builtins: None, bool, int, float, str, list and dict.

    A value that W&B cannot store raises an :class:`UnstorableError`. Its budget of items and characters holds for all
    calls together; values that hold themselves, many times over or in a circle, end there too.
    """

    max_value_items: int = _MAX_VALUE_ITEMS
    max_total_items: int = _MAX_ROW_ITEMS
    max_total_chars: int = _MAX_ROW_CHARS

    def __init__(self) -> None:
        self._containers: set[int] = set()
        self._size = 0
        self._visits = 0
        self.max_visits = self.max_total_items
        self._chars = 0

    def convert(self, value: object, place: Place = ROOT) -> object:
        """Convert a value, with all that it holds.

        Raises:
            UnstorableError: It cannot be stored; the text says what to report instead.
        """
        self._size += 1
        self._visits += 1
        scalar = exact_scalar(value)
        described = scalar if type(scalar) in EXACT_SCALARS else exact_scalar(self.describe(scalar))
        if type(described) in EXACT_SCALARS:
            return self.scalar(described, place)
        return self._container(value, described, place)

    def describe(self, value: object) -> object:
        """Return a value as a scalar, a mapping, a sequence or an :class:`Unordered`.

        Raises:
            UnstorableError: It is none of them.
        """
        if isinstance(value, Mapping):
            return value
        if isinstance(value, np.ndarray):
            return _array_items(value)
        if isinstance(value, Sequence) and not isinstance(value, _TEXT_CLASSES):
            return value
        if isinstance(value, Unreadable):
            raise UnstorableError(f"it cannot be read ({value.error}): report a plain value.")
        raise UnstorableError(_unstorable_reason(value))

    def scalar(self, value: object, place: Place) -> object:
        """Return an exact builtin scalar as it is stored.

        Raises:
            UnstorableError: It is too long.
        """
        if isinstance(value, str):
            self._chars += len(value)
            if len(value) > MAX_TEXT_CHARS or self._chars > self.max_total_chars:
                raise UnstorableError(f"it has {len(value)} characters: report at most {MAX_TEXT_CHARS} in a text.")
            return encodable(value)
        if type(value) is int and not -MAX_INT < value < MAX_INT:
            raise UnstorableError(f"it is an integer of {value.bit_length()} bits: report a float or its str().")
        return value

    def _container(self, value: object, children: object, place: Place) -> object:
        if id(value) in self._containers or len(self._containers) >= MAX_DEPTH:
            raise NestingError
        if self._visits > self.max_visits:
            raise TooManyItemsError
        self._containers.add(id(value))
        try:
            max_size = self._size + self.max_value_items
            if isinstance(children, Mapping):
                converted: dict[str, object] = {}
                self.fill(converted, children, place, max_size)
                return converted
            return self.sequence(children, place, max_size)
        finally:
            self._containers.discard(id(value))

    def fill(self, converted: dict[str, object], values: Mapping[Any, object], place: Place, max_size: int) -> None:
        """Convert the items of a mapping.

        Raises:
            UnstorableError: An item cannot be stored, or there are too many.
        """
        for key, item in readable_items(values):
            converted[self.key(key, values, converted)] = self.convert(item, place)
            self.check_size(max_size)

    def key(self, key: object, source: Mapping[Any, object], converted: Mapping[str, object]) -> str:
        """Return a mapping's key as a text that no other key of it has."""
        text = key_text(key)
        self._chars += len(text)
        if not issubclass(type(key), str) and text in source:
            return unique_key(text, {text, *converted})
        return unique_key(text, converted) if text in converted else text

    def sequence(self, children: object, place: Place, max_size: int) -> object:
        """Convert the items of a sequence or a set.

        Raises:
            UnstorableError: An item cannot be stored, or there are too many.
        """
        unordered = isinstance(children, Unordered)
        items = children.items if isinstance(children, Unordered) else readable_elements(children)
        if isinstance(children, (list, tuple)) and self._size + len(children) > max_size:
            raise TooManyItemsError
        converted = []
        previous = None
        for item in items:
            converted.append(self.element(item, previous, place))
            previous = item
            self.check_size(max_size)
        return sorted(converted, key=repr) if unordered else converted

    def element(self, item: object, previous: object, place: Place) -> object:
        """Convert one item of a sequence; the one before it may say what it is (``--api-key``)."""
        return self.convert(item, place)

    def check_size(self, max_size: int) -> None:
        """Check that a container has not become too large.

        Raises:
            TooManyItemsError: It has.
        """
        if self._size > max_size or (self._containers and self._visits > self.max_visits):
            raise TooManyItemsError


def to_json_value(value: object) -> object:
    """Return a value of a row as W&B stores it: a number, bool, text, None, or lists and dicts of them.

    Raises:
        UnstorableError: It cannot be stored; the text says what to report instead.

    Example:
        >>> import numpy as np
        >>> from typed_tune_wandb.payload import to_json_value
        >>> to_json_value([np.float32(0.5), {"n": np.int64(3)}])
        [0.5, {'n': 3}]
    """
    try:
        return ValueConverter().convert(value)
    except UnstorableError:
        raise
    except Exception as error:  # a method of the value's own class
        failed = type(error).__name__
    raise UnstorableError(f"it cannot be read ({failed}): report a plain value.")


def readable_items(values: Mapping[Any, object]) -> Iterator[tuple[Any, Any]]:
    """Yield the items of a mapping; one that cannot be read (an unset value of OmegaConf) as an :class:`Unreadable`."""
    if type(values) is dict:
        yield from values.items()
        return
    for key in values:
        try:
            value = values[key]
        except Exception as error:
            value = Unreadable(type(error).__name__)
        yield key, value


def readable_elements(values: object) -> Iterator[object]:
    """Yield the elements of a sequence; one that cannot be read as an :class:`Unreadable`."""
    if not isinstance(values, Sequence) or isinstance(values, (list, tuple)):
        yield from values if isinstance(values, Iterable) else ()
        return
    for index in range(len(values)):
        try:
            value = values[index]
        except Exception as error:
            value = Unreadable(type(error).__name__)
        yield value


def _array_items(value: np.ndarray) -> object:
    if value.dtype.kind not in "iufbU":
        raise UnstorableError(f"its dtype is {value.dtype}: report numbers or str.")
    if value.size > MAX_ARRAY_ITEMS:
        raise UnstorableError(
            f"it is an array of {value.size} items: report a wandb.Histogram, a wandb.Image or a summary of it "
            "(or turn 3-D to 5-D arrays into media with WandbLogger(media=True))."
        )
    return value.tolist()


def _unstorable_reason(value: object) -> str:
    label, name = f"it is a {type_label(value)}", type(value).__name__
    advice = "report numbers, bools, str, None, lists or dicts of them, or W&B values such as wandb.Image."
    if isinstance(value, (bytes, bytearray, memoryview)):
        advice = "decode it to a str."
    elif isinstance(value, (set, frozenset)):
        advice = "report a sorted list."
    elif isinstance(value, Enum):
        advice = "report its .name or its .value."
    elif isinstance(value, (date, PurePath)):
        advice = "report str(...) of it."
    elif name == "DataFrame":
        advice = "report wandb.Table(dataframe=...)."
    elif name in ("Tensor", "EagerTensor", "Array", "ArrayImpl", "Parameter"):
        advice = "report its .item(), its .tolist() or a wandb.Histogram."
    elif name in ("Decimal", "Fraction"):
        advice = "report float(...) of it."
    elif name == "timedelta":
        advice = "report its .total_seconds()."
    elif name == "Figure":
        advice = "report wandb.Image(...) or wandb.Plotly(...) of it."
    elif callable(value):
        advice = "report its name."
    return f"{label}: {advice}"
