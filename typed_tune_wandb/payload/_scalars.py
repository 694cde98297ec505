"""Scalars, keys and short texts: whatever class they have, they leave as exact builtins that JSON can encode."""

from __future__ import annotations

import hashlib
from collections import UserString
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any, Final

import attrs
import numpy as np

EXACT_SCALARS: Final = frozenset({type(None), bool, int, float, str})
MAX_INT: Final = 2**1023
"""Larger integers become infinite at W&B, and Python refuses to write those of more than 4,300 digits."""
NUMPY_NUMBERS: Final[Mapping[type, Callable[[Any], bool | int | float]]] = {
    np.bool_: bool,
    **dict.fromkeys((np.float16, np.float32, np.float64), float),
    **dict.fromkeys((np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64), int),
}
"""How the usual numbers of numpy are read; by their exact class, so that no code of a subclass runs."""
MAX_ARRAY_ITEMS: Final = 1_000
"""Items of an array that is stored as a list."""


class UnstorableError(ValueError):
    """A value that W&B cannot store; the message says what to report instead."""


@attrs.frozen
class Unreadable:
    """Stands for a value that could not be read from its container."""

    error: str


@attrs.frozen
class Unordered:
    """Stands for the items of a set, which have no order of their own."""

    items: Iterable[object]


def exact_scalar(value: object) -> object:
    """Return a number or text as an exact builtin, and every other value as it is.

    Subclasses (``IntEnum``, ``StrEnum``, numpy scalars) are read through the builtin itself: a method that a subclass
    overrides is not called. Arrays and tensors of one number count as numbers.

    Example:
        >>> import numpy as np
        >>> exact_scalar(np.longdouble(0.5)), exact_scalar(np.array([3])), exact_scalar([1])
        (0.5, 3, [1])
    """
    if type(value) in EXACT_SCALARS:
        return value
    if isinstance(value, np.generic):
        return _numpy_scalar(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, UserString):
        return exact_scalar(value.data)
    if isinstance(value, (Mapping, list, tuple)):
        return value  # not asked for attributes: some dicts make a key of each that is asked for
    if isinstance(value, np.ndarray):
        item = value.reshape(-1)[0] if value.size == 1 else value
    elif has_one_number(value):
        method = _attribute(value, "item")
        item = method() if callable(method) else value
    else:
        return value
    # An item() that gives another tensor is not asked again.
    is_scalar = isinstance(item, (np.generic, str, int, float)) or item is None
    return exact_scalar(item) if is_scalar else value


def _numpy_scalar(value: np.generic) -> object:
    kind = value.dtype.kind
    if kind == "b":
        return bool(value)
    if kind in "iu":
        return int(value.__int__())
    if kind == "U":
        return str(value.item())
    # bfloat16 and its like (ml_dtypes) call themselves void.
    if kind == "f" or (kind == "V" and "float" in value.dtype.name):
        return float(value)
    return value


def has_one_number(value: object) -> bool:
    """Whether a value is a tensor of one number, of whatever library: no dimensions, or all of them 1."""
    dimensions = _attribute(value, "ndim")
    shape = None if dimensions is None else _attribute(value, "shape")
    if type(dimensions) is int and dimensions == 0:
        return True
    return isinstance(shape, tuple) and type(dimensions) is int and all(type(n) is int and n == 1 for n in shape)


def _attribute(value: object, name: str) -> object:
    try:
        return getattr(value, name, None)
    except Exception:  # an unset value of OmegaConf, any property that fails
        return None


def encodable(text: str) -> str:
    r"""Return a text that UTF-8 can encode: a lone surrogate becomes its escape, such as ``\ud800``.

    wandb loses the row, or the whole run, over a surrogate in a key. The escape keeps the rest of the text, and keeps
    two texts apart; leaving the value out would do neither.
    """
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def scalar_text(value: object) -> str:
    """Return an exact builtin scalar as a text; an integer too long to write, by its length and a digest."""
    if type(value) is int and not -MAX_INT < value < MAX_INT:
        size = value.bit_length() // 8 + 1
        return f"integer of {value.bit_length()} bits, {digest(value.to_bytes(size, 'little', signed=True))}"
    return str(value)


def unique_key(text: str, taken: Container[str]) -> str:
    """Return a key that a container does not hold yet: ``"1"``, ``"1 (2)"``, ``"1 (3)"``...

    Example:
        >>> unique_key("1", {"1": "the key 1 as a text"})
        '1 (2)'
    """
    if text not in taken:
        return text
    number = 2
    while f"{text} ({number})" in taken:
        number += 1
    return f"{text} ({number})"


def digest(data: bytes | memoryview) -> str:
    """Return eight hexadecimal digits that tell one content from another."""
    return hashlib.blake2b(data, digest_size=4).hexdigest()


def type_label(value: object) -> str:
    """Return the qualified name of a value's class."""
    return qualified_name(type(value))


def qualified_name(named: object) -> str:
    """Return ``module.qualname`` of a class or function."""
    module, name = getattr(named, "__module__", None), getattr(named, "__qualname__", None)
    if not isinstance(name, str):
        name = getattr(named, "__name__", None)
    if not isinstance(name, str):
        return qualified_name(type(named))
    return encodable(f"{module}.{name}" if isinstance(module, str) else name)
