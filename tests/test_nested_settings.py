"""``settings`` inside an entry: every field of the installed wandb.Settings is known, with its type, and none shows."""

from __future__ import annotations

import traceback
from enum import Enum
from typing import Any

import pytest
import wandb
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.mistakes import KEY
from typed_tune_wandb import WandbSettings, WandbSettingsError
from typed_tune_wandb.settings import check_with_wandb
from typed_tune_wandb.settings._installed_wandb import settings_fields

FIELDS = sorted(wandb.Settings.model_fields)


def problems(**nested: object) -> list[str]:
    """The problems of an entry with these settings."""
    with pytest.raises(WandbSettingsError) as caught:
        WandbSettings.from_dict({"project": "p", "settings": nested})
    shown = "".join(traceback.format_exception(caught.value))
    assert KEY not in shown
    return [str(problem) for problem in caught.value.problems]


def test_every_field_is_known() -> None:
    """Those read off the source are those that wandb has."""
    assert FIELDS == sorted(settings_fields())


@pytest.mark.parametrize(
    ("nested", "expected"),
    [
        ({"bogus": 1}, "settings.bogus: unknown key."),
        ({"base_ur": "http://x"}, 'settings.base_ur: unknown key. Did you mean "base_url"?'),
        ({"apikey": KEY}, 'settings.apikey: unknown key. Did you mean "api_key"?'),
        ({KEY: 1}, "settings.<a key of type str, not shown>: unknown key."),
        ({"quiet": "yes"}, "settings.quiet: expected a bool, got str."),
        ({"quiet": None}, "settings.quiet: expected a bool, got None."),
        ({"init_timeout": "long"}, "settings.init_timeout: expected a number, got str."),
        ({"heartbeat_seconds": 1.5}, "settings.heartbeat_seconds: expected an int, got float."),
        ({"heartbeat_seconds": True}, "settings.heartbeat_seconds: expected an int, got bool."),
        ({"ignore_globs": "*.py"}, "settings.ignore_globs: expected a list of str, got str."),
        ({"ignore_globs": ["a", 1]}, "settings.ignore_globs[1]: expected a str, got int."),
        ({"x_proxies": {"https": 3}}, "settings.x_proxies: expected a str, got int."),
        ({"x_proxies": KEY}, "settings.x_proxies: expected a dict with str keys and str values, got str."),
        ({"_proxies": KEY}, "settings._proxies: expected a dict with str keys and str values, got str."),
        ({"run_tags": ["a" * 65]}, "settings.run_tags[0]: expected 1 to 64 characters, got 65."),
        ({"run_id": "a/b"}, "settings.run_id: has a character that W&B refuses"),
        ({"project": "a/b"}, "settings.project: has a character that W&B refuses"),
        ({"fork_from": KEY}, 'settings.fork_from: expected a moment of a run. Did you mean "{run id}?_step={step}"?'),
    ],
)
def test_mistakes(nested: dict[str, Any], expected: str) -> None:
    """Each is one problem, with its path; no value shows."""
    assert [expected] == [problem[: len(expected)] for problem in problems(**nested)]


def test_a_wrong_choice() -> None:
    """The choices are named, and the likely one."""
    assert 'settings.console: expected "auto" or "off" or ' == problems(console="of")[0][:46]
    assert 'Did you mean "off"?' in problems(console="of")[0]


def test_all_at_once() -> None:
    """With those of the entry, in the entry's order."""
    with pytest.raises(WandbSettingsError) as caught:
        WandbSettings.from_dict({"settings": {"bogus": 1, "quiet": 3}, "mode": "ofline"})
    assert ["settings.bogus", "settings.quiet", "mode"] == [problem.path for problem in caught.value.problems]


@pytest.mark.parametrize(
    "entry",
    [
        {"resume": "allow", "settings": {"fork_from": "a?_step=1"}},
        {"settings": {"fork_from": "a?_step=1", "resume": "allow"}},
        {"fork_from": "a?_step=1", "settings": {"resume_from": "a?_step=1"}},
        {"resume": "allow", "settings": wandb.Settings.model_validate({"fork_from": "a?_step=1"})},
    ],
)
def test_what_excludes_each_other(entry: dict[str, Any]) -> None:
    """Also where one of them stands in ``settings``: wandb takes one of the three."""
    with pytest.raises(WandbSettingsError, match="exclude each other"):
        WandbSettings.from_dict(entry)


def test_right_ones() -> None:
    """An int for a number, a name of an older wandb, and None where wandb has it."""
    nested = {"init_timeout": 60, "_disable_stats": True, "login_timeout": None, "x_proxies": {"https": "http://x"}}
    assert nested == WandbSettings.from_dict({"settings": nested}).settings
    assert [] == check_with_wandb(nested)


class Word(str, Enum):
    """A class that no other process can import."""

    OFF = "off"


def test_plain_values() -> None:
    """What is sent to the recorder's process has no class of the user's script."""
    passed = WandbSettings.from_dict({"settings": {"console": Word.OFF, "ignore_globs": (Word.OFF,)}}).settings
    assert {"console": "off", "ignore_globs": ["off"]} == passed
    assert isinstance(passed, dict)
    assert str is type(passed["console"])


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["off", "offline", "a?_step=1", "http://localhost", "a" * 70, KEY, ["a"], [1], ["a" * 70], [KEY]]),
    st.dictionaries(st.text(max_size=3), st.text(max_size=3) | st.integers(), max_size=2),
)


@settings(max_examples=3 * settings().max_examples)
@given(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=3))
def test_what_passes_is_taken_by_wandb(nested: dict[str, Any]) -> None:
    """What validation lets pass, wandb takes, or check_with_wandb names it; in neither does a value show."""
    nested.pop("api_key", None)
    shown = ""
    try:
        WandbSettings.from_dict({"settings": nested})
    except WandbSettingsError as error:
        shown = "".join(traceback.format_exception(error))
    assert KEY not in shown
    if shown:
        return
    found = check_with_wandb(nested)
    assert KEY not in str(found)
    try:
        wandb.Settings(**nested)
        refused = False
    except Exception:  # wandb raises a TypeError where its own validator meets a bool
        refused = True
    assert refused == bool(found)


@pytest.mark.parametrize("nested", [{"base_url": KEY}, {"base_url": f"http://x y/{KEY}"}, {"x_service_wait": -1.0}])
def test_what_wandb_alone_knows(nested: dict[str, Any]) -> None:
    """The field and the reason, without the value, which wandb's own text repeats."""
    found = check_with_wandb(WandbSettings.from_dict({"settings": nested}).settings)
    assert [f"settings.{next(iter(nested))}"] == [problem.path for problem in found]
    assert KEY not in str(found)
