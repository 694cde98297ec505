"""Where an entry stands in a config, and what is put in its place."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import traceback
from argparse import Namespace
from collections import ChainMap, OrderedDict, UserDict, UserList
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, NamedTuple

import attrs
import pydantic
import pytest
import wandb
from hypothesis import given
from hypothesis import strategies as st

from tests.support.byte_search import search
from tests.support.mistakes import KEY
from typed_tune_wandb import WandbSettings, WandbSettingsError
from typed_tune_wandb._secret import Secret
from typed_tune_wandb.settings import (
    find_wandb_entry,
    redact_api_key,
    replace_wandb_entry,
    strip_wandb_entry,
    with_nested_defaults,
)
from typed_tune_wandb.tune._trial_run import ResolvedEntry, settings_from_config

ENTRY: dict[str, object] = {"project": "p"}
PLACES: list[dict[str, Any]] = [{"lr": 1, "wandb": ENTRY}, {"lr": 1, "logger_config": {"type": "x", "wandb": ENTRY}}]


@pytest.mark.parametrize("config", PLACES)
def test_replaced_in_its_place(config: dict[str, Any]) -> None:
    """The new entry stands where the old one was; the caller's config stays as it is."""
    replaced = replace_wandb_entry(config, {"project": "q"})
    found, before = find_wandb_entry(replaced), find_wandb_entry(config)
    assert found is not None
    assert before is not None
    assert (before[0], {"project": "q"}) == found
    assert ENTRY == before[1]
    assert strip_wandb_entry(config) == strip_wandb_entry(replaced)


def test_replaced_where_there_is_none() -> None:
    """A config without an entry gets one under ``wandb``."""
    assert {"lr": 1, "wandb": ENTRY} == replace_wandb_entry({"lr": 1}, ENTRY)
    assert {"logger_config": {}, "wandb": ENTRY} == replace_wandb_entry({"logger_config": {}}, ENTRY)


@pytest.mark.parametrize("config", PLACES)
def test_stripped(config: dict[str, Any]) -> None:
    """The entry is gone, all else stays, and the caller's config too."""
    assert find_wandb_entry(strip_wandb_entry(config)) is None
    assert find_wandb_entry(config) is not None
    assert 1 == strip_wandb_entry(config)["lr"]


@pytest.mark.parametrize("settings", [None, {"api_key": KEY, "mode": "offline"}, wandb.Settings(api_key=KEY)])
def test_redacted(settings: object) -> None:
    """A readable key becomes a Secret, wherever it stands; a second call finds none."""
    entry = {"project": 3, "settings": settings} if settings else {"project": 3, "api_key": KEY}
    for config in ({"wandb": dict(entry)}, {"logger_config": {"wandb": dict(entry)}}):
        assert redact_api_key(config)
        assert not redact_api_key(config)
        assert KEY not in repr(config)
        found: Any = find_wandb_entry(config)
        assert Secret(KEY) == found[1]["api_key"]
    assert not any(map(redact_api_key, ({}, {"wandb": {"project": "p"}}, {"wandb": 3}, None, 3)))


class Lazy(Mapping[str, object]):
    """A mapping as OmegaConf's: no dict, its lists no lists, and a ``???`` raises where it is read."""

    def __init__(self, values: dict[str, object]) -> None:
        self.values_ = values

    def __getitem__(self, key: str) -> object:
        value = self.values_[key]
        if value == "???":
            raise LookupError(f"missing beside {KEY}")
        if isinstance(value, dict):
            return Lazy(value)
        return UserList(value) if isinstance(value, list) else value

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_)

    def __len__(self) -> int:
        return len(self.values_)


FULL: dict[str, object] = {
    "project": "p",
    "tags": ["a", "b"],
    "config": {"model": {"layers": [1, 2]}},
    "settings": {"console": "off", "ignore_globs": ["x"], "api_key": KEY},
}
KINDS: list[Callable[[dict[str, object]], object]] = [UserDict, ChainMap, MappingProxyType, Lazy, OrderedDict]


class TestAnyMapping:
    """An entry is taken as the dict that it means, whatever its class."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_as_the_dict(self, kind: Callable[[dict[str, object]], Any]) -> None:
        """The settings are those of the dict, as plain values."""
        settings, expected = WandbSettings.from_dict(kind(FULL)), WandbSettings.from_dict(FULL)
        assert expected.to_config().keys() == settings.to_config().keys()
        assert (expected.tags, expected.settings) == (settings.tags, settings.settings)
        assert isinstance(settings.settings, dict)
        plain = [settings.config, settings.settings, settings.settings["ignore_globs"]]
        assert [dict, dict, list] == [type(value) for value in plain]

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("place", ["wandb", "logger_config"])
    def test_its_key_is_redacted(self, kind: Callable[[dict[str, object]], Any], place: str) -> None:
        """The config gets a plain dict with the Secret in its place; all other values stay what they mean."""
        config: dict[str, Any] = {"lr": 1, "wandb": kind(FULL)}
        if place == "logger_config":
            config = {"lr": 1, "logger_config": kind({"wandb": kind(FULL)})}
        before = WandbSettings.from_config(config)
        assert redact_api_key(config)
        assert not redact_api_key(config)
        found: Any = find_wandb_entry(config)
        assert isinstance(found[1], dict)
        assert Secret(KEY) == found[1]["api_key"]
        assert set() == search(repr(config).encode() + json.dumps(config, default=str).encode(), {"key": KEY})
        assert set() == search(pickle.dumps(config), {"key": KEY})
        assert before.to_config().keys() == WandbSettings.from_config(config).to_config().keys()
        assert 1 == config["lr"]

    @given(
        st.dictionaries(
            st.sampled_from(["project", "tags", "config", "settings", "mode", "log_config", "excludes", "nope"]),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["offline", "off"]),
                lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["console"]), inner),
                max_leaves=5,
            ),
        )
    )
    def test_any_entry(self, entry: dict[str, Any]) -> None:
        """A mapping passes where the dict passes, with the same keys, and has its mistakes at the same paths."""
        ends: list[object] = []
        for given_entry in (entry, Lazy(entry)):
            try:
                ends.append([*WandbSettings.from_dict(given_entry).to_config()])
            except WandbSettingsError as error:
                ends.append(sorted({problem.path for problem in error.problems}))
        assert ends[0] == ends[1]

    @pytest.mark.parametrize(
        ("entry", "expected"),
        [
            ({"project": "???", "mode": "ofline"}, ["project", "mode"]),
            ({"config": {"lr": "???"}}, ["config"]),
            ({"settings": {"console": "???"}}, ["settings"]),
            ({"settings": {"console": "???", "api_key": KEY}}, ["settings"]),
            ({"tags": "???", "nope": "???"}, ["nope", "tags"]),
        ],
    )
    def test_a_value_that_cannot_be_read(self, entry: dict[str, object], expected: list[str]) -> None:
        """It is a mistake like all others, named by its key; the class' own error does not show."""
        with pytest.raises(WandbSettingsError) as caught:
            WandbSettings.from_dict(Lazy(entry))
        assert sorted(expected) == sorted(problem.path for problem in caught.value.problems)
        assert KEY not in "".join(traceback.format_exception(caught.value))

    def test_it_stays_a_mistake_when_the_key_is_redacted(self) -> None:
        """Nothing of the entry is dropped in silence."""
        config: dict[str, Any] = {"wandb": Lazy({"project": "???", "api_key": KEY, "settings": {"console": "???"}})}
        assert redact_api_key(config)
        with pytest.raises(WandbSettingsError) as caught:
            WandbSettings.from_config(config)
        assert ["project", "settings"] == [problem.path for problem in caught.value.problems]

    def test_items_that_cannot_be_read(self) -> None:
        """A list whose items raise is a mistake of its key."""

        class Broken(UserList[str]):
            def __iter__(self) -> Iterator[str]:
                raise LookupError(KEY)

        with pytest.raises(WandbSettingsError, match="tags: expected a list of str, got items") as caught:
            WandbSettings.from_dict({"tags": Broken(["a"])})
        assert KEY not in "".join(traceback.format_exception(caught.value))

    def test_none_is_no_entry(self) -> None:
        """``"wandb": None`` counts as not given, beside another entry too."""
        assert find_wandb_entry({"wandb": None}) is None
        config = {"wandb": None, "logger_config": {"wandb": ENTRY}}
        assert "p" == WandbSettings.from_config(config).project
        assert {"wandb": None, "logger_config": {"wandb": {}}} == replace_wandb_entry(config, {})
        assert {"logger_config": {}} == strip_wandb_entry(config)


@dataclasses.dataclass
class ADataclass:
    api_key: str = KEY


@attrs.define
class AnAttrsClass:
    api_key: str = KEY


class APydanticModel(pydantic.BaseModel):
    api_key: str = KEY


class ANamedTuple(NamedTuple):
    api_key: str = KEY


@pytest.mark.parametrize(
    ("entry", "call"),
    [
        (ADataclass(), "dataclasses.asdict(...)"),
        (AnAttrsClass(), "attrs.asdict(...)"),
        (APydanticModel(), "APydanticModel.model_dump(...)"),
        (ANamedTuple(), "ANamedTuple._asdict(...)"),
        (Namespace(api_key=KEY), "vars(...)"),
        (ADataclass, None),
        (3, None),
    ],
)
def test_an_object_as_the_entry(entry: Any, call: str | None) -> None:
    """The error names what makes a dict of it, for the entry, its config and its settings; no value shows."""
    checks: list[Callable[[], object]] = [
        lambda: WandbSettings.from_dict(entry),
        lambda: WandbSettings.from_config({"wandb": entry}),
        lambda: WandbSettings.from_dict({"config": entry}),
        lambda: WandbSettings.from_dict({"settings": entry}),
    ]
    for check in checks:
        with pytest.raises(WandbSettingsError) as caught:
            check()
        assert [call] == [problem.suggestion for problem in caught.value.problems]
        assert KEY not in str(caught.value)


class Word(str, Enum):
    TRAIN = "train"
    OFFLINE = "offline"


class AnotherPath:
    """A path of a class of the user's."""

    def __fspath__(self) -> str:
        return "runs"


def test_plain_values() -> None:
    """What goes to other processes has no class of the user's script."""
    entry: dict[str, Any] = {
        **dict.fromkeys(("job_type", "group", "notes", "name", "project"), Word.TRAIN),
        "mode": Word.OFFLINE,
        "dir": AnotherPath(),
        "tags": (Word.TRAIN,),
        "excludes": UserList([Word.TRAIN]),
    }
    settings = WandbSettings.from_dict(entry)
    values = {name: getattr(settings, name) for name in entry}
    assert {"tags": ("train",), "excludes": ("train",), "dir": "runs", "mode": "offline"}.items() <= values.items()
    items = [item for value in values.values() for item in (value if isinstance(value, tuple) else [value])]
    assert {str} == {type(item) for item in items}


@pytest.mark.parametrize(("folder", "got"), [(b"x", "got bytes"), (os.DirEntry, "got type")])
def test_no_path(folder: object, got: str) -> None:
    """What is no path is named by its type."""
    with pytest.raises(WandbSettingsError, match=f"dir: expected a str or a path, {got}"):
        WandbSettings.from_dict({"dir": folder})


class TestNestedDefaults:
    """What the driver knows reaches wandb.Settings, after what was set there."""

    def test_of_a_dict(self) -> None:
        settings = WandbSettings(settings={"mode": "offline"})
        merged = with_nested_defaults(settings, {"mode": "online", "entity": "team"})
        assert {"mode": "offline", "entity": "team"} == merged.settings

    def test_of_wandb_settings(self) -> None:
        settings = WandbSettings(settings=wandb.Settings(mode="offline"))
        merged = with_nested_defaults(settings, {"mode": "online", "entity": "team"}).settings
        assert isinstance(merged, wandb.Settings)
        assert ("offline", "team") == (merged.mode, merged.entity)

    def test_nothing(self) -> None:
        """Without defaults the settings stay as they are."""
        assert {"project": "p"} == with_nested_defaults(WandbSettings(project="p"), {}).to_config()


class TestTheDriversEnvironment:
    """It holds for one run: a process may see several trials, one after the other."""

    VARIABLES = ("WANDB_BASE_URL", "WANDB_ENTITY", "WANDB_MODE")

    @pytest.fixture(autouse=True)
    def _none_here(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in self.VARIABLES:
            monkeypatch.delenv(name, raising=False)

    def nested(self, server: str) -> dict[str, object]:
        entry = ResolvedEntry({"project": "p"})
        entry.environment = {"WANDB_BASE_URL": server, "WANDB_ENTITY": "team", "WANDB_MODE": "offline"}
        settings = settings_from_config({"wandb": entry}).settings
        assert isinstance(settings, dict)
        return settings

    def test_of_two_trials(self) -> None:
        """Each trial has its own server, and the process' environment is as it was."""
        before = dict(os.environ)
        for server in ("http://one:1", "http://two:2"):
            assert {"base_url": server, "entity": "team", "mode": "offline"} == self.nested(server)
        assert before == dict(os.environ)

    def test_a_nodes_own_counts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A variable of the node where the trial runs counts more."""
        monkeypatch.setenv("WANDB_BASE_URL", "http://own:1")
        assert {"entity": "team", "mode": "offline"} == self.nested("http://one:1")
