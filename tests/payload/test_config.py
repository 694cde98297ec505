"""The run's config says what the trial had: values that differ stay distinguishable, and none overwrites another."""

from __future__ import annotations

import argparse
import array
import collections
import dataclasses
import enum
import functools
import importlib
import ipaddress
import math
import operator
import re
import sys
import threading
import types
import typing
import uuid
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath
from time import monotonic, sleep
from typing import Any

import attrs
import numpy as np
import pydantic
import pytest
import wandb

from tests.support.offline import read_runs
from tests.support.payload import Warnings, classes_not_exact, encoded, stored
from typed_tune_wandb.payload import TUNE_KEY, ResultConverter, sanitize_config

pd: Any = importlib.import_module("pandas")  # it comes with Ray Tune, without types


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Stage(str, enum.Enum):
    TRAIN = "train"


class Access(enum.Flag):
    READ = 1
    WRITE = 2
    RUN = 4


@dataclasses.dataclass
class Net:
    width: int
    act: Callable[..., object] = math.tanh


@attrs.frozen
class Adam:
    lr: float
    _beta: float = 0.9


class Sgd(pydantic.BaseModel):
    lr: float
    nested: Net = Net(1)


class Extra(pydantic.BaseModel, extra="allow"):
    lr: float


class ConfigDict:
    """Not registered as a mapping, as ml_collections has it."""

    def __init__(self, **items: object) -> None:
        self._items = items

    def keys(self) -> Any:
        return self._items.keys()

    def __getitem__(self, name: str) -> object:
        return self._items[name]


class Zone(tzinfo):
    """Without a text of its own."""

    def utcoffset(self, when: datetime | None) -> timedelta:
        return timedelta(0)

    def dst(self, when: datetime | None) -> timedelta:
        return timedelta(0)

    def tzname(self, when: datetime | None) -> str:
        return "Z"


class Point(typing.NamedTuple):
    x: int
    y: int


class Plain:
    def __init__(self, width: int) -> None:
        self.width, self._cache = width, object()

    def method(self) -> None: ...


class Slots:
    __slots__ = ("_cache", "unset", "width")

    def __init__(self, width: int) -> None:
        self.width, self._cache = width, object()


class Shaped:
    def __init__(self, shape: list[int]) -> None:
        self.shape_, self.holds_itself = shape, [shape]
        self.holds_itself.append(self.holds_itself)  # type: ignore[arg-type]


class Dtype:
    """As torch has it."""

    __name__ = "not a function"

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


class Tensor:
    """As torch has it."""

    def __init__(self, items: Any) -> None:
        self._items = np.asarray(items)
        self.shape, self.ndim = self._items.shape, self._items.ndim
        self.dtype = type("dtype", (Dtype,), {})("torch.float32")

    def tolist(self) -> object:
        return self._items.tolist()

    def item(self) -> object:
        return self._items.item()

    def detach(self) -> Tensor:
        return self

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        return self._items


class OnDevice(Tensor):
    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        raise TypeError("it is on another device")


def scaled(factor: float) -> Callable[[float], float]:
    return lambda x: x * factor


TORCH_DTYPE, TORCH_DEVICE = type("dtype", (Dtype,), {}), type("device", (Dtype,), {})
PAIRS: list[tuple[object, object, object]] = [
    # a value, another of its kind, what is stored of the first
    (timedelta(hours=1), timedelta(days=2), "1:00:00"),
    (Decimal("0.10"), Decimal("0.1"), "0.10"),
    (Fraction(1, 3), Fraction(2, 3), "1/3"),
    (uuid.UUID(int=1), uuid.UUID(int=2), "00000000-0000-0000-0000-000000000001"),
    (1 + 2j, 1 - 2j, "(1+2j)"),
    (np.complex64(1 + 2j), np.complex64(1 - 2j), "(1+2j)"),
    (range(3), range(0, 3, 2), "range(0, 3)"),
    (slice(3), slice(1, 3), "slice(None, 3, None)"),
    (date(2026, 1, 2), date(2026, 1, 3), "2026-01-02"),
    (datetime(2026, 1, 2, 3), datetime(2026, 1, 2, 3, tzinfo=timezone.utc), "2026-01-02 03:00:00"),
    (time(1, 2), time(1, 3), "01:02:00"),
    (timezone.utc, timezone(timedelta(hours=1)), "UTC"),
    (np.datetime64("2026-01-02"), np.datetime64("2026-01-03"), "datetime64[D] 2026-01-02"),
    (np.timedelta64(3, "s"), np.timedelta64(3, "m"), "timedelta64[s] 3 seconds"),
    (pd.Timestamp("2026-01-02"), pd.Timestamp("2026-01-03"), "2026-01-02 00:00:00"),
    (Path("a/b"), Path("a/c"), str(Path("a/b"))),
    (PurePosixPath("a/b"), PurePosixPath("a/c"), "a/b"),
    (ipaddress.ip_address("10.0.0.1"), ipaddress.ip_address("::1"), "10.0.0.1"),
    (re.compile("a+"), re.compile("a+", re.IGNORECASE), "a+"),
    (b"ab", b"ac", "b'ab'"),
    (bytearray(b"\xff"), bytearray(b"\xfe"), "b'\\xff'"),
    (b"a" * 999, b"a" * 998 + b"b", None),
    (np.bytes_(b"ab"), np.bytes_(b"ac"), "b'ab'"),
    ({3, 1, 2}, {3, 1}, [1, 2, 3]),
    (frozenset("ab"), frozenset("ac"), ["a", "b"]),
    ({"b": 1}.keys(), {"c": 1}.keys(), ["b"]),
    (collections.deque([1, 2]), collections.deque([1, 3]), [1, 2]),
    (collections.UserList([1, 2]), collections.UserList([1]), [1, 2]),
    (collections.UserDict(a=1), collections.UserDict(a=2), {"a": 1}),
    (collections.UserString("a"), collections.UserString("b"), "a"),
    (collections.OrderedDict(a=1), collections.Counter("aab"), {"a": 1}),
    (types.MappingProxyType({"a": 1}), types.MappingProxyType({"a": 2}), {"a": 1}),
    (collections.ChainMap({"a": 1}, {"b": 2}), collections.ChainMap({"a": 2}), None),
    (array.array("d", [0.5]), array.array("d", [0.6]), [0.5]),
    (argparse.Namespace(a=1), argparse.Namespace(a=2), {"a": 1}),
    (types.SimpleNamespace(a=1), types.SimpleNamespace(a=2), {"a": 1}),
    (ConfigDict(a=1), ConfigDict(a=2), {"a": 1}),
    (Zone(), timezone.utc, f"{__name__}.Zone"),
    (Point(1, 2), Point(2, 1), {"x": 1, "y": 2}),
    (Net(3), Net(4), {"width": 3, "act": "math.tanh"}),
    (Adam(0.1), Adam(0.2), {"lr": 0.1, "_beta": 0.9}),
    (Sgd(lr=0.1), Sgd(lr=0.2), {"lr": 0.1, "nested": {"width": 1, "act": "math.tanh"}}),
    (Extra.model_validate({"lr": 1, "b": 2}), Extra.model_validate({"lr": 1, "b": 3}), {"lr": 1.0, "b": 2}),
    (Plain(3), Plain(4), {"class": f"{__name__}.Plain", "width": 3}),
    (Colour.RED, Colour.BLUE, "RED"),
    (Access.READ, Access.READ | Access.WRITE, "READ"),
    (Access.READ | Access.WRITE, Access.READ | Access.RUN, None),
    (Colour, Access, f"{__name__}.Colour"),
    (math.sqrt, math.sin, "math.sqrt"),
    (len, max, "builtins.len"),
    (np.add, np.multiply, "numpy.add"),
    (np.float32, np.float64, "numpy.float32"),
    (Plain.method, Plain(1).method, f"{__name__}.Plain.method"),
    (scaled, stored, f"{__name__}.scaled"),
    (functools.partial(scaled, factor=2), functools.partial(scaled, factor=3), None),
    (functools.partial(scaled, 2), functools.partial(scaled, 3), None),
    (operator.itemgetter("a"), operator.itemgetter("b"), {"func": "operator.itemgetter", "args": ["a"]}),
    (lambda x: x, lambda x: 2 * x, None),
    (lambda x=1: x, lambda x=2: x, None),
    (scaled(2), scaled(3), None),
    (list[int], list[str], "builtins.list[builtins.int]"),
    (typing.Union[int, str], typing.Union[int, float], None),  # noqa: UP007  # the older form is another class
    (int | str, int | float, None),
    (math, sys, "module math"),
    (np.dtype("f4"), np.dtype("f8"), "float32"),
    (TORCH_DTYPE("torch.float32"), TORCH_DTYPE("torch.float16"), "torch.float32"),
    (TORCH_DEVICE("cuda:0"), TORCH_DEVICE("cpu"), "cuda:0"),
    (np.zeros(3), np.ones(3), [0.0, 0.0, 0.0]),
    (np.zeros(2000), np.ones(2000), None),
    (np.zeros((9_000_000, 2), dtype="f4"), np.ones((9_000_000, 2), dtype="f4"), None),
    (np.array(["a", "b"]), np.array(["a", "c"]), ["a", "b"]),
    (np.array([b"a", b"b"]), np.array([b"a", b"c"]), ["b'a'", "b'b'"]),
    (np.array([1j, 2j]), np.array([1j, 3j]), ["1j", "2j"]),
    (np.array(["2026-01-02"], "M8[ns]"), np.array(["2026-01-03"], "M8[ns]"), None),
    (np.array([(1, 2.0)], "i4,f8"), np.array([(1, 3.0)], "i4,f8"), None),
    (np.array([{"a": 1}, None]), np.array([{"a": 2}, None]), [{"a": 1}, None]),
    (np.array([], dtype="f4"), np.array([[]] * 3), []),
    (np.array([(1, 2.0)], "i4,f8")[0], np.array([(1, 3.0)], "i4,f8")[0], {"f0": 1, "f1": 2.0}),
    (Tensor([1.0, 2.0]), Tensor([1.0, 3.0]), [1.0, 2.0]),
    (Tensor(np.zeros(2000)), Tensor(np.ones(2000)), None),
    (OnDevice([1.0, 2.0]), OnDevice([1.0, 3.0]), [1.0, 2.0]),
    (pd.Series([1, 2]), pd.Series([1, 3]), [1, 2]),
    (pd.Series([1, 2], name="a"), pd.Series([1, 2], name="b"), {"a": [1, 2]}),
    (pd.Series({"a": 1, "b": 2}), pd.Series({"a": 1, "c": 2}), {"a": 1, "b": 2}),
    (pd.Series([1, 2], index=["a", "a"]), pd.Series([1, 3], index=["a", "a"]), [{"a": 1}, {"a": 2}]),
    (pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": [1, 3]}), {"a": [1, 2]}),
    (pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]}), {"a": [1]}),
    (pd.Interval(0, 1), pd.Interval(0, 2), "(0, 1]"),
    (pd.Period("2026-01"), pd.Period("2026-02"), "2026-01"),
    (pd.NA, pd.NaT, "<NA>"),
    (np.ma.array([1, 2], mask=[False, True]), np.ma.array([1, 2]), [1, None]),
    (np.ma.masked, np.ma.array([3]), None),
    (np.array([(1, "a")], [("x", "i4"), ("y", "U1")]), np.array([(1, "b")], [("x", "i4"), ("y", "U1")]), None),
    ({"a": 1}.values(), {"a": 2}.values(), [1]),
    (Slots(1), Slots(2), {"class": f"{__name__}.Slots", "width": 1}),
    (Shaped([1, 2]), Shaped([1, 3]), {"class": f"{__name__}.Shaped", "shape_": [1, 2]}),
    ("x" * 200_000, "x" * 199_999 + "y", None),
    ({"deep": Net(3)}, {"deep": Net(4)}, {"deep": {"width": 3, "act": "math.tanh"}}),
    ([timedelta(1)], [timedelta(2)], ["1 day, 0:00:00"]),
]


@pytest.mark.parametrize(("value", "other", "expected"), PAIRS, ids=[str(type(one).__name__) for one, _, _ in PAIRS])
def test_two_values_stay_distinguishable(value: object, other: object, expected: object) -> None:
    """Each is a text, list or dict that says what it is, and the same for the same value; never an address."""
    first, second = stored(value), stored(other)
    if expected is not None:
        assert expected == first
    assert first != second or expected == f"{__name__}.Plain.method"  # a bound method is named like its function
    assert first == stored(value)
    for text in (repr(first), repr(second)):
        assert "0x" not in text
    assert set() == classes_not_exact([first, second])
    assert encoded([first, second])


KEY_CLASSES = (
    *(timedelta, Decimal, Fraction, uuid.UUID, complex, np.complex64, range, date, time, timezone, np.datetime64),
    *(np.timedelta64, PurePosixPath, ipaddress.IPv4Address, re.Pattern, bytes, frozenset, Point, enum.Enum, type),
    *(types.BuiltinFunctionType, np.ufunc, types.ModuleType, np.dtype, pd.Interval, pd.Period),
)
KEYS = [(one, other) for one, other, _ in PAIRS if isinstance(one, KEY_CLASSES)]


@pytest.mark.parametrize(("one", "other"), KEYS, ids=[str(type(one).__name__) for one, _ in KEYS])
def test_two_keys_are_told_apart(one: object, other: object) -> None:
    """A key is the text that a value of its class is, in configs and in rows."""
    configs = [sanitize_config({"x": {key: 1}})["x"] for key in (one, other)]
    rows = [ResultConverter(warn=Warnings()).convert({"x": {key: 1}}).row for key in (one, other)]
    assert configs[0] != configs[1]
    assert rows[0] != rows[1]
    assert not re.search(r"0x|\(2\)", f"{configs} {rows}")


class Unhelpful:
    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)


def test_a_key_of_any_class() -> None:
    """A text is itself, whatever its class; what cannot be described is named by its class."""
    keys: dict[object, int] = {np.str_("a"): 1, Stage.TRAIN: 2, Net: 3, Unhelpful(): 4, None: 5, "None": 6}
    expected = {"a": 1, "train": 2, f"{__name__}.Net": 3, f"{__name__}.Unhelpful": 4, "None (2)": 5, "None": 6}
    assert {"x": expected} == sanitize_config({"x": keys})
    assert 6 == len(ResultConverter().convert({"x": keys}).row)


@pytest.mark.parametrize("value", [object(), iter([1]), (x for x in [1]), threading.Lock(), wandb.Settings])
def test_an_unknown_object_is_named_by_its_class(value: object) -> None:
    """Never by its repr, and what can be read once only is not read."""
    assert re.fullmatch(r"[\w.]+", str(stored(value)))


def test_hyperparameters_named_like_what_tune_adds_keep_their_values() -> None:
    """Tune's own facts stand under one key, which no hyperparameter has."""
    names = ("callbacks", "date", "pid", "hostname", "trial_id", "node_ip", "experiment_tag", "experiment_id")
    config = sanitize_config({**dict.fromkeys(names, "mine"), TUNE_KEY: "mine", "_wandb": {"x": 1}})
    assert dict.fromkeys(names, "mine") == {name: config[name] for name in names}
    facts = ResultConverter().convert({**dict.fromkeys(names, "tune's"), "loss": 1})
    assert {TUNE_KEY} == facts.config.keys()
    assert {"callbacks": "tune's", "loss": 1} == facts.row
    assert {} == {key: value for key, value in facts.config.items() if key in config}
    assert ["mine", {"x": 1}] == [config[f"{TUNE_KEY} (hyperparameter)"], config["_wandb (hyperparameter)"]]


def test_the_date_alone_is_no_change() -> None:
    """It changes each second: the snapshot of what goes to the config leaves it out."""
    results: list[dict[str, object]] = [{"pid": 1, "date": "a"}, {"pid": 1, "date": "b"}, {"pid": 2, "date": "b"}]
    first, second, third = (ResultConverter().convert(result).config_snapshot for result in results)
    assert first == second != third


def test_a_dict_that_makes_keys_of_what_is_asked_for_stays_as_it_is() -> None:
    """Such dicts (python-box with defaults) are configs, too: reading one does not change it."""

    class Box(dict[str, object]):
        def __getattr__(self, name: str) -> object:
            self[name] = Box()
            return self[name]

    box = Box(lr=1)
    assert {"box": {"lr": 1}} == sanitize_config({"box": box})
    ResultConverter().convert({"box": box, "list": [box]})
    assert {"lr"} == box.keys()


def test_hyperparameters_named_alike_but_for_dashes_keep_their_values() -> None:
    """Wandb strips dashes from the names in a config."""
    assert {"lr": 1, "lr (2)": 2} == sanitize_config({"lr": 1, "-lr": 2})


def test_a_field_that_cannot_be_read_costs_itself() -> None:
    """A lazy field that raises: the object's others stay, with one warning."""

    @attrs.define(slots=False)
    class Lazy:
        lr: float
        data: object

        def __getattribute__(self, name: str) -> Any:
            if name == "data":
                raise OSError("not there")
            return super().__getattribute__(name)

    warnings = Warnings()
    assert {"opt": {"lr": 0.1}, "b": 2} == sanitize_config({"opt": Lazy(0.1, 1), "b": 2}, warn=warnings)
    assert ["opt/data"] == warnings.keys


def test_nodes_of_omegaconf_are_dicts_and_lists() -> None:
    """An unset ``???`` and an interpolation that leads nowhere cost their own key, with a warning each."""
    omegaconf = pytest.importorskip("omegaconf")
    values = {"lr": 0.1, "copy": "${lr}", "unset": "???", "lost": "${nowhere}", "env": "${oc.env:TTW_NOT_SET}"}
    node = omegaconf.OmegaConf.create(
        {**values, "inner": {"x": 1, "unset": "???"}, "items": [1, "???", "${lr}"], "none": None}
    )
    warnings = Warnings()
    config = sanitize_config({"model": node, "seed": 3}, warn=warnings)
    model = {"lr": 0.1, "copy": 0.1, "inner": {"x": 1}, "items": [1, "<cannot be read>", 0.1], "none": None}
    assert {"model": model, "seed": 3} == config
    assert {"model/unset", "model/lost", "model/env", "model/inner/unset", "model/items"} == {*warnings.keys}
    assert model == sanitize_config(node, warn=warnings)
    assert set() == classes_not_exact(config)
    row = ResultConverter(warn=Warnings()).convert({"m": node, "loss": 1}).row
    assert {"m/lr": 0.1, "m/copy": 0.1, "m/inner/x": 1, "m/none": None, "loss": 1} == row


def test_secrets_in_nodes_of_omegaconf_are_redacted() -> None:
    """Also one that an interpolation takes from elsewhere, and the W&B entry is left out."""
    omegaconf = pytest.importorskip("omegaconf")
    node = omegaconf.OmegaConf.create(
        {"password": "hunter2", "other": {"hfToken": "${password}"}, "wandb": {"api_key": "hunter2"}}
    )
    assert b"hunter2" not in encoded(sanitize_config(node))
    assert "wandb" not in sanitize_config(node)


def test_an_entry_is_left_out_wherever_the_config_comes_from() -> None:
    """Of any mapping, also inside of RLlib's logger_config; a key of that name elsewhere is a hyperparameter."""
    config: Any = collections.UserDict(
        lr=1, wandb={"a": 1}, logger_config=collections.UserDict(wandb=1, x=2), model={"wandb": 3}
    )
    config[""] = {"wandb": 4, "-x": 5}
    expected = {"lr": 1, "logger_config": {"x": 2}, "model": {"wandb": 3}, "": {"wandb": 4, "-x": 5}}
    assert expected == sanitize_config(config)


NASTY: dict[str, object] = {
    "\ud800": "\udfff",
    "nested": {"\ud800": ["\udfff"]},
    "artifact": "wandb-artifact://x/y:z",
    "artifacts": {"inner": "wandb-artifact://x/y:z", "list": ["wandb-artifact://x"]},
    "reference": {"_type": "artifactVersion", "id": "x"},
    "_wandb": 3,
    "": "empty",
    "--": "dashes",
    "-lr": 1,
    "big": 10**5000,
    "bytes": np.array([b"\xff\xfe"]),
    "nan": float("nan"),
    "keys": 1,
    "a.b": 1,
    "surrogates": np.array(["\ud800", "b"]),
    "phase": Colour.RED,
}


@pytest.mark.process
def test_wandb_takes_every_config_and_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of these alone has cost the whole run at ``wandb.init``, or the whole row."""
    monkeypatch.setenv("WANDB_SILENT", "true")
    config = sanitize_config(NASTY)
    settings = {"project": "p", "mode": "offline", "dir": str(tmp_path), "id": "nasty"}
    with wandb.init(config=config, **settings) as run:  # type: ignore[arg-type]  # a dict of arguments
        run.config.update(sanitize_config(NASTY), allow_val_change=True)
        run.log(ResultConverter(warn=Warnings()).convert({**NASTY, "loss": 1}).row, step=1)
    deadline = monotonic() + 60
    while "nasty" not in read_runs(tmp_path) or read_runs(tmp_path)["nasty"].exit_code is None:
        assert monotonic() < deadline  # wandb closes the file a moment after the run's end
        sleep(0.1)
    kept = read_runs(tmp_path)["nasty"]
    expected = {**config, "nan": None}  # NaN in a config is wandb's None
    assert expected == {key: kept.config[key] for key in expected}
    assert [1] == kept.rows("loss")
    assert ["\\udfff"] == kept.rows("\\ud800")
