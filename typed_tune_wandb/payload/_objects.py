"""What the objects in a config are: a text, a mapping of their fields, or a sequence of their items.

Two values that differ get two texts wherever that can be. Nothing is ever taken from the ``repr`` of an unknown object,
which may hold a secret or an address in memory.
"""

from __future__ import annotations

import argparse
import array
import dataclasses
import functools
import math
import operator
import re
import types
import typing
import uuid
from collections.abc import Mapping, Sequence, Set, ValuesView
from datetime import date, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from itertools import islice
from pathlib import PurePath
from typing import Any, Final

import numpy as np

from typed_tune_wandb.payload._scalars import (
    EXACT_SCALARS,
    MAX_ARRAY_ITEMS,
    Unordered,
    Unreadable,
    digest,
    encodable,
    exact_scalar,
    qualified_name,
    scalar_text,
    type_label,
)

_MAX_BYTES_SHOWN: Final = 200
_MAX_DIGEST_BYTES: Final = 16_000_000
_MAX_KEYS: Final = 100_000
_MAX_KEY_CHARS: Final = 1_000
_SHORT_KEY_CHARS: Final = 100
_MAX_ATTRIBUTES: Final = 20
_MAX_ATTRIBUTE_CHARS: Final = 100
_DTYPE_NAMES: Final = frozenset({"dtype", "DType", "device", "layout", "memory_format"})
_PANDAS_SCALARS: Final = frozenset({"Interval", "Period", "NAType"})
_DTYPE: Final = re.compile(r"[A-Za-z][\w.:]{0,60}")


def key_text(key: object, max_chars: int = _MAX_KEY_CHARS) -> str:
    """Return the key of a mapping as a text: the one that a config has for such a value, or the name of its class."""
    if type(key) is str and len(key) <= max_chars and key.isascii():
        return key
    try:
        text = encodable(_described_key(key))
    except Exception:  # a method of the key's own class
        text = type_label(key)
    return text if len(text) <= max_chars else f"{text[:_SHORT_KEY_CHARS]}... ({digest(text.encode())})"


def _described_key(key: object) -> str:
    described = exact_scalar(key)
    if type(described) not in EXACT_SCALARS and not isinstance(key, tuple):
        described = exact_scalar(describe(key))
    if isinstance(described, Unordered):
        described = tuple(sorted(key_text(item) for item in islice(described.items, _SHORT_KEY_CHARS)))
    if isinstance(described, tuple):
        return f"({', '.join(key_text(item) for item in described[:_SHORT_KEY_CHARS])})"
    return scalar_text(described) if type(described) in EXACT_SCALARS else type_label(key)


@functools.singledispatch
def describe(value: object) -> object:
    """Return an object of a config as a scalar, a mapping, a sequence or an ``Unordered``."""
    fields = _field_names(value)
    if fields is not None:
        return _read_fields(value, fields)
    if str(type(value).__module__).partition(".")[0] == "pandas" and type(value).__name__ in _PANDAS_SCALARS:
        return str(value)
    if _is_array(value):
        return _describe_tensor(value)
    if type(value).__name__ in _DTYPE_NAMES:  # torch.float32, torch.device("cuda:0"), tf.float32
        text = str(getattr(value, "name", value))
        return text if _DTYPE.fullmatch(text) else type_label(value)
    if typing.get_origin(value) is not None:
        return _describe_generic(value)
    if hasattr(type(value), "keys") and hasattr(type(value), "__getitem__"):
        return _read_items(value)
    if callable(value) and isinstance(getattr(value, "__name__", None), str):
        return qualified_name(value)
    return _describe_by_attributes(value)


@describe.register(Mapping)
@describe.register(Sequence)
@describe.register(Unreadable)
@describe.register(Unordered)
def _as_it_is(value: object) -> object:
    return value


@describe.register(tuple)
def _(value: tuple[object, ...]) -> object:
    names = getattr(type(value), "_fields", None)
    return dict(zip(names, value, strict=True)) if isinstance(names, tuple) and len(names) == len(value) else value


@describe.register(Set)
def _(value: Set[object]) -> object:
    return Unordered(value)


@describe.register(ValuesView)
def _(value: ValuesView[object]) -> object:
    return [*value]


@describe.register(array.array)
def _(value: array.array[Any]) -> object:
    return value.tolist()


@describe.register(bytes)
@describe.register(bytearray)
@describe.register(memoryview)
def _(value: bytes | bytearray | memoryview) -> object:
    data = bytes(value)
    if len(data) > _MAX_BYTES_SHOWN:
        return f"{len(data)} bytes, {digest(data)}"
    return repr(data)


@describe.register
def _(value: Enum) -> object:
    # A combination of flags has no name before Python 3.11.
    return value.name if isinstance(value.name, str) else value.value


@describe.register(PurePath)
@describe.register(date)
@describe.register(time)
@describe.register(timedelta)
@describe.register(tzinfo)
@describe.register(Decimal)
@describe.register(Fraction)
@describe.register(uuid.UUID)
@describe.register(complex)
@describe.register(range)
@describe.register(np.dtype)
@describe.register(IPv4Address)
@describe.register(IPv6Address)
@describe.register(IPv4Network)
@describe.register(IPv6Network)
def _(value: object) -> object:
    text = str(value)
    return type_label(value) if " at 0x" in text else text  # a subclass without a text of its own


@describe.register
def _(value: slice) -> object:
    return f"slice({', '.join(key_text(part) for part in (value.start, value.stop, value.step))})"


@describe.register(re.Pattern)
def _(value: re.Pattern[Any]) -> object:
    pattern = value.pattern if isinstance(value.pattern, str) else repr(bytes(value.pattern))
    flags = re.RegexFlag(value.flags) & ~re.RegexFlag.UNICODE
    return pattern if not flags else f"{pattern} (flags {int(flags)})"


@describe.register(argparse.Namespace)
@describe.register(types.SimpleNamespace)
def _(value: object) -> object:
    return vars(value)


@describe.register(functools.partial)
def _(value: functools.partial[object]) -> object:
    return {"func": value.func, "args": value.args, "keywords": value.keywords}


@describe.register(operator.itemgetter)
@describe.register(operator.attrgetter)
@describe.register(operator.methodcaller)
def _(value: object) -> object:
    reduced = value.__reduce__()
    return {"func": qualified_name(type(value)), "args": reduced[1] if isinstance(reduced, tuple) else ()}


@describe.register(type)
@describe.register(types.BuiltinFunctionType)
@describe.register(types.MethodType)
def _(value: object) -> object:
    # list[int] is a type in Python 3.10.
    return qualified_name(value) if typing.get_origin(value) is None else _describe_generic(value)


@describe.register
def _(value: types.ModuleType) -> object:
    return f"module {value.__name__}"


@describe.register
def _(value: types.FunctionType) -> object:
    name, code = qualified_name(value), value.__code__
    if "<" not in value.__qualname__:
        return name
    # A lambda or a function made in another one: the name alone is that of all its brothers.
    constants = [item for item in code.co_consts if exact_scalar(item) is item]
    parts = repr((code.co_code, constants, code.co_names)).encode()
    label = f"{value.__module__}, line {code.co_firstlineno}, {digest(parts)}: {value.__qualname__}"
    captured = dict(zip(code.co_freevars, (cell.cell_contents for cell in value.__closure__ or ()), strict=True))
    if captured or value.__defaults__:
        return {"func": label, "captured": captured, "defaults": value.__defaults__ or ()}
    return label


@describe.register
def _(value: np.generic) -> object:
    if value.dtype.kind == "c":
        return str(complex(value))
    if value.dtype.kind == "S":
        return repr(bytes(value.item()))
    if value.dtype.names:
        return dict(zip(value.dtype.names, value.item(), strict=True))
    return f"{value.dtype} {value}" if value.dtype.kind in "mM" else type_label(value)


@describe.register
def _(value: np.ndarray) -> object:
    return _describe_array(value if isinstance(value, np.ma.MaskedArray) else np.asarray(value), "array")


def _describe_array(value: np.ndarray, label: str) -> object:
    if value.dtype.names:
        return {name: _describe_array(value[name], label) for name in value.dtype.names}
    if value.size <= MAX_ARRAY_ITEMS:
        return (value.astype(str) if value.dtype.kind in "mM" else value).tolist()
    text = f"{label} of shape {value.shape}, {value.dtype}"
    if value.dtype.hasobject:
        return text
    # Large arrays are sampled: Tune's loop waits meanwhile.
    step = math.ceil(value.nbytes / _MAX_DIGEST_BYTES)
    return f"{text}, {digest(np.ascontiguousarray(value.reshape(-1)[::step]).tobytes())}"


def _is_array(value: object) -> bool:
    shape = getattr(value, "shape", None)
    return isinstance(shape, tuple) and (hasattr(value, "dtype") or hasattr(value, "dtypes"))


def _describe_tensor(value: Any) -> object:
    """Return a tensor of another library than numpy, or a series, as an array of that kind; a data frame by columns."""
    shape = tuple(size if type(size) is int else "?" for size in getattr(value, "shape", ()))
    label = f"{type_label(value)} of shape {shape}, {key_text(describe(getattr(value, 'dtype', None)))}"
    if not all(isinstance(size, int) for size in shape) or math.prod(map(int, shape)) > _MAX_DIGEST_BYTES:
        return label
    columns = getattr(value, "columns", None)
    if columns is not None and math.prod(map(int, shape)) <= MAX_ARRAY_ITEMS:
        return {name: [*value[name]] for name in columns}
    if type(value).__name__ == "Series" and math.prod(map(int, shape)) <= MAX_ARRAY_ITEMS:
        return _describe_series(value)
    try:
        detach = getattr(value, "detach", None)
        items = np.asarray(detach() if callable(detach) else value)
        return _describe_array(items, type_label(value)) if items.shape == shape else label
    except Exception:  # on another device, or of a dtype that numpy does not know
        to_list = getattr(value, "tolist", None)
        return to_list() if callable(to_list) and math.prod(map(int, shape)) <= MAX_ARRAY_ITEMS else label


def _describe_series(series: Any) -> object:
    """Return a series of pandas or polars under its name, and by its labels where these are texts."""
    items, labels = [*series], [*getattr(series, "index", ())]
    if any(isinstance(label, str) for label in labels):
        pairs = [*zip(labels, items, strict=True)]
        items_or_dict: object = (
            dict(pairs) if len({*labels}) == len(labels) else [{label: item} for label, item in pairs]
        )
    else:
        items_or_dict = items
    name = getattr(series, "name", None)
    return {name: items_or_dict} if isinstance(name, str) and name else items_or_dict


def _field_names(value: object) -> list[str] | None:
    """Return the names of the fields of a dataclass, an attrs class, a pydantic model or a msgspec struct."""
    kind = type(value)
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    attributes = getattr(kind, "__attrs_attrs__", None)
    if isinstance(attributes, tuple):
        return [attribute.name for attribute in attributes]
    for name in ("model_fields", "__fields__", "__struct_fields__"):
        fields = getattr(kind, name, None)
        if isinstance(fields, (dict, tuple)):
            extra = getattr(value, "model_extra", None)
            return [*fields, *(extra if isinstance(extra, dict) else ())]
    return None


def _read_fields(value: object, names: list[str]) -> dict[str, object]:
    fields: dict[str, object] = {}
    for name in names:
        try:
            fields[name] = getattr(value, name)
        except Exception as error:
            fields[name] = Unreadable(type(error).__name__)
    return fields


def _read_items(value: Any) -> dict[object, object]:
    """Return an object with ``keys()`` that is no registered mapping (ml_collections.ConfigDict) as a dict."""
    items: dict[object, object] = {}
    for key in islice(value.keys(), _MAX_KEYS):
        try:
            items[key] = value[key]
        except Exception as error:
            items[key] = Unreadable(type(error).__name__)
    return items


def _describe_generic(value: object) -> str:
    described = ((describe(argument), argument) for argument in typing.get_args(value))
    arguments = (text if isinstance(text, str) else key_text(argument) for text, argument in described)
    return f"{qualified_name(typing.get_origin(value))}[{', '.join(arguments)}]"


def _describe_by_attributes(value: object) -> object:
    """Return the class of an unknown object, with its public attributes that are scalars or short lists of them."""
    attributes = dict(getattr(value, "__dict__", None) or {})
    for cls in type(value).__mro__:
        slots = vars(cls).get("__slots__", ())
        for name in [slots] if isinstance(slots, str) else [*slots]:
            if hasattr(value, name):
                attributes.setdefault(name, getattr(value, name))
    shown = {
        name: item
        for name, item in islice(attributes.items(), _MAX_ATTRIBUTES)
        if isinstance(name, str) and not name.startswith("_") and _is_telling(item)
    }
    return {"class": type_label(value), **shown} if shown else type_label(value)


def _is_telling(item: object) -> bool:
    items = item if isinstance(item, (list, tuple)) else (item,)
    return len(items) <= _MAX_ATTRIBUTES and all(map(_is_short_scalar, items))


def _is_short_scalar(item: object) -> bool:
    scalar = exact_scalar(item) if isinstance(item, (bool, int, float, str)) else None
    return scalar is not None and not (isinstance(scalar, str) and len(scalar) > _MAX_ATTRIBUTE_CHARS)
