"""Rows and configs hold exact builtins, whatever comes in; a value that cannot be stored costs itself."""

from __future__ import annotations

import enum
import re
import sys
from collections import UserDict, UserList, UserString, deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.support.payload import Warnings, classes_not_exact, encoded
from typed_tune_wandb.payload import ResultConverter, _config, sanitize_config, to_json_value


class Phase(enum.IntEnum):
    WARMUP = 1


class Stage(str, enum.Enum):
    TRAIN = "train"


class Bits(enum.IntFlag):
    A = 1
    B = 2


class Flags(enum.Flag):
    A = 1
    B = 2


class LoudInt(int):
    def __int__(self) -> int:
        return 666

    __index__ = __int__

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class LoudFloat(float):
    def __float__(self) -> float:
        return 666.0


class LoudText(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "another"


class Tensor:
    """Of one number, as torch has it."""

    def __init__(self, item: object, shape: tuple[int, ...] = ()) -> None:
        self.shape, self.ndim, self._item = shape, len(shape), item

    def item(self) -> object:
        return self._item


class Selfish(Tensor):
    def __init__(self) -> None:
        super().__init__(None)

    def item(self) -> object:
        return self


SCALARS: list[tuple[object, object]] = [
    (Phase.WARMUP, 1),
    (Stage.TRAIN, "train"),
    (Bits.A | Bits.B, 3),
    (LoudInt(5), 5),
    (LoudFloat(0.5), 0.5),
    (LoudText("text"), "text"),
    (np.float16(0.5), 0.5),
    (np.float32(0.5), 0.5),
    (np.float64(0.5), 0.5),
    (np.longdouble("0.5"), 0.5),
    (np.int8(-3), -3),
    (np.uint64(2**64 - 1), 2**64 - 1),
    (np.bool_(True), True),
    (np.str_("text"), "text"),
    (np.array(4), 4),
    (np.array([[5.0]]), 5.0),
    (np.array(np.longdouble(2)), 2.0),
    (np.array(["text"]), "text"),
    (Tensor(3), 3),
    (Tensor(np.float32(0.5), (1, 1)), 0.5),
    (Tensor(Phase.WARMUP), 1),
    (2**64, 2**64),
]


@pytest.mark.parametrize(("value", "expected"), SCALARS, ids=range(len(SCALARS)))
def test_numbers_and_texts_of_any_class_are_those_numbers_and_texts(value: Any, expected: object) -> None:
    """Rows and configs hold the exact builtin: no method of a subclass is called, and no class has to be imported."""
    row = ResultConverter().convert({"x": value, "n": {"x": [value]}}).row
    config = sanitize_config({"x": value, "n": {"x": [value]}})
    assert {"x": expected, "n/x": [expected]} == row
    assert {"x": expected, "n": {"x": [expected]}} == config
    assert set() == classes_not_exact(row) | classes_not_exact(config)


@given(hnp.scalar_dtypes().flatmap(hnp.from_dtype), st.booleans())
def test_a_number_of_numpy_is_the_same_in_every_result(value: Any, nested: bool) -> None:
    """Also where a result has the names of the one before, which takes another way."""
    converter, result = ResultConverter(), {"n": {"x": value}, "loss": 1} if nested else {"x": value, "loss": 1}
    first, second = converter.convert(result).row, converter.convert(result).row
    assert repr(first) == repr(second)
    assert set() == classes_not_exact(first)


@pytest.mark.parametrize("key", [3, 2.5, None, True, (1, "a"), Phase.WARMUP, Stage.TRAIN, np.int64(3), b"k", object()])
def test_keys_of_any_class_become_texts(key: object) -> None:
    """As keys, too; an object is named by its class, never by its address."""
    row, config = ResultConverter().convert({"n": {key: 1}}).row, sanitize_config({"n": {key: 1}})
    assert set() == classes_not_exact(row) | classes_not_exact(config)
    assert [1] == list(row.values())
    assert "0x" not in f"{row}{config}"


@pytest.mark.parametrize(
    "values",
    [
        {1: "number", "1": "text"},
        {"1": "text", 1: "number"},
        {Stage.TRAIN: "text", "b": "other"},
        {None: "none", "None": "text", LoudText("None2"): "loud"},
        {(1,): "tuple", "(1)": "text"},
    ],
)
def test_keys_that_become_the_same_text_keep_their_values(values: dict[Any, str]) -> None:
    """No value overwrites another; the key that was a text keeps its name."""
    config, row = sanitize_config({"n": values})["n"], ResultConverter().convert({"n": values}).row
    assert sorted(values.values()) == sorted(dict(config).values())  # type: ignore[call-overload]  # it is a dict
    assert sorted(values.values()) == sorted(map(str, row.values()))
    for key, value in values.items():
        if type(key) is str:
            assert value == dict(config)[key]  # type: ignore[call-overload]  # it is a dict


def test_two_places_of_a_result_with_one_flat_key_keep_their_values() -> None:
    """``{"a/b": 1, "a": {"b": 2}}`` are two metrics, in whatever order they come."""
    converter = ResultConverter()
    assert {"a/b": 1} == converter.convert({"a/b": 1}).row
    assert {"a/b": 1, "a/b (2)": 2} == converter.convert({"a/b": 1, "a": {"b": 2}}).row
    assert {"a/b": 2, "a/b (2)": 1} == converter.convert({"a": {"b": 2}, "a/b": 1}).row
    assert {"a/b": 3} == converter.convert({"a": {"b": 3}}).row


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\udc80ä"])
def test_text_that_utf8_cannot_encode_is_escaped(text: str) -> None:
    """Wandb loses the row, or the run, over such a key; the escape keeps the value and tells two texts apart."""
    row = ResultConverter().convert({text: text, "n": {text: [text]}, "loss": 1}).row
    config = sanitize_config({text: text, "n": {text: np.array([text, text])}})
    escaped = text.encode("utf-8", "backslashreplace").decode()
    assert {escaped: escaped, f"n/{escaped}": [escaped], "loss": 1} == row
    assert {escaped: escaped, "n": {escaped: [escaped, escaped]}} == config
    assert b"\\" in encoded(row) + encoded(config)


def test_integers_that_no_number_of_json_holds() -> None:
    """A row names them, a config tells them apart; Python itself refuses to write more than 4,300 digits."""
    warnings = Warnings()
    assert {"loss": 1} == ResultConverter(warn=warnings).convert({"big": 10**5000, "loss": 1}).row
    assert ["big"] == warnings.keys
    values: dict[Any, object] = {"a": 10**5000, "b": 10**5000 + 1, "c": -(10**400), 10**5000: 1}
    config = sanitize_config(values)
    assert encoded(config)
    assert 4 == len({*map(str, config.values())})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), np.float32("nan"), np.longdouble("inf")])
def test_numbers_that_are_not_finite_are_kept(value: Any) -> None:
    """A diverged loss is a loss."""
    assert repr(float(value)) == repr(to_json_value(value)) == repr(sanitize_config({"x": value})["x"])


class Hostile:
    """Fails at whatever it is asked."""

    def fail(self, *args: object) -> Any:
        raise RuntimeError("hostile")

    __str__ = __repr__ = __len__ = __iter__ = __bool__ = __float__ = __getitem__ = keys = items = item = fail
    __array__ = __hash__ = __eq__ = fail


class HostileAttributes:
    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("hostile")


class HostileDict(dict[str, Any]):
    def __iter__(self) -> Any:
        raise RuntimeError("hostile")

    items = keys = __getitem__ = __len__ = __contains__ = __iter__  # type: ignore[assignment]  # they fail


class HostileList(list[Any]):
    def __iter__(self) -> Any:
        raise RuntimeError("hostile")

    def __len__(self) -> int:
        raise RuntimeError("hostile")


class LyingList(UserList[Any]):
    def __len__(self) -> int:
        return 10**9


class Endless(UserList[Any]):
    def __len__(self) -> int:
        return sys.maxsize

    def __getitem__(self, index: Any) -> Any:
        return 0


class Bottomless(UserDict[Any, Any]):
    """A mapping with an item in which there is another such mapping, and so on."""

    def __iter__(self) -> Any:
        return iter("ab")

    def __len__(self) -> int:
        return 2

    def __getitem__(self, key: Any) -> Any:
        return Bottomless()


class LyingClass:
    @property  # type: ignore[misc]  # it lies
    def __class__(self) -> Any:
        return dict


HOSTILE: list[Callable[[], object]] = [
    Hostile,
    HostileAttributes,
    lambda: HostileDict(a=1),
    lambda: HostileList([1]),
    lambda: LyingList([1]),
    Endless,
    Bottomless,
    LyingClass,
    Selfish,
    lambda: Tensor(Tensor(3)),
    lambda: Tensor(object()),
    lambda: np.array([object()]),
    lambda: np.array([HostileDict(a=1), 2], dtype=object),
    lambda: {Hostile: Hostile()},
    lambda: {HostileAttributes(): 1},
    lambda: (yield),
    lambda: UserString("text"),
    lambda: memoryview(b"abc"),
]


@pytest.mark.parametrize("make", HOSTILE)
def test_an_object_that_fails_or_lies_costs_itself(make: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is raised, the other values stay, and there is at most one warning, under the value's own name."""
    monkeypatch.setattr(_config, "_MAX_VALUE_VISITS", 2_000)  # test_bounds.py shows the real bound
    for nested in (lambda value: value, lambda value: [value], lambda value: {"a": value, "b": 2}):
        warnings = Warnings()
        result = {"x": nested(make()), "loss": 1, "config": {"x": nested(make()), "lr": 2}}
        row = ResultConverter(log_config=True, warn=warnings).convert(result).row
        config = sanitize_config({"x": nested(make()), "lr": 2}, warn=warnings)
        assert (1, 2, 2) == (row["loss"], row["config/lr"], config["lr"])
        assert set() == classes_not_exact(row) | classes_not_exact(config)
        assert "0x" not in f"{row}{config}"
        assert all(key.removeprefix("config/").startswith("x") for key in warnings.keys)
        assert encoded(row)
        assert encoded(config)


@pytest.mark.parametrize("result", [None, 3, "text", [1], object(), HostileDict(a=1)])
def test_a_result_that_is_no_dict_is_named(result: Any) -> None:
    """Even then nothing is raised."""
    warnings = Warnings()
    assert {} == ResultConverter(warn=warnings).convert(result).row
    assert ["result"] == warnings.keys


NUMBERS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None), max_size=20)
    | st.binary(max_size=9)
    | st.complex_numbers()
    | st.decimals()
    | st.fractions()
    | st.dates()
    | st.datetimes()
    | st.timedeltas()
    | st.uuids()
    | st.sampled_from([value for value, _ in SCALARS if type(value) is not LoudInt])
    | st.sampled_from([*Phase, *Stage, *Bits, *Flags, object(), dict, len, lambda: 0, ...])
    | hnp.from_dtype(np.dtype("f4"))
    | hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(max_dims=3, max_side=3))
)
ANYTHING = st.recursive(
    NUMBERS,
    lambda items: (
        st.lists(items, max_size=4)
        | st.lists(items, max_size=4).map(tuple)
        | st.lists(items, max_size=4).map(deque)
        | st.lists(items, max_size=4).map(UserList)
        | st.dictionaries(st.text(st.characters(codec=None), max_size=9) | st.integers() | st.none(), items, max_size=4)
        | st.dictionaries(st.text(max_size=5), items, max_size=4).map(UserDict)
    ),
    max_leaves=12,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.text(st.characters(codec=None), max_size=12), ANYTHING, max_size=5))
def test_whatever_comes_in_plain_values_come_out(values: dict[str, object]) -> None:
    """Rows and configs: exact builtins that JSON and UTF-8 encode, nothing raised, no address in memory."""
    payload = ResultConverter(log_config=True, warn=Warnings()).convert({**values, "config": values})
    config = sanitize_config(values, warn=Warnings())
    for part in (payload.row, payload.config, config):
        assert set() == classes_not_exact(part)
        assert encoded(part)
    assert not re.search(r" at 0x[0-9a-f]{8}", repr(config))
