"""What of a Tune result or config reaches W&B, and which warnings name the rest."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wandb
from hypothesis import example, given
from hypothesis import strategies as st

from typed_tune_wandb._secret import Secret
from typed_tune_wandb.payload import (
    Excludes,
    Payload,
    Redactor,
    ResultConverter,
    UnstorableError,
    sanitize_config,
    to_json_value,
)
from typed_tune_wandb.settings import strip_wandb_entry


class Warnings(list[tuple[str, str]]):
    """Takes what a reader warns of."""

    def __call__(self, key: str, reason: str) -> None:
        self.append((key, reason))


def test_results_are_flattened_and_the_originals_config_keys_go_to_the_config() -> None:
    """Nested metrics get keys with ``/``; trial_id, pid, date... go to the config's one key; done is never recorded."""
    result = {
        "loss": 0.5,
        "eval": {"acc": 1, "deep": {"f1": 2}},
        "trial_id": "t1",
        "pid": 7,
        "done": False,
        "should_checkpoint": True,
        "config": {"lr": 1},
    }
    expected = Payload({"loss": 0.5, "eval/acc": 1, "eval/deep/f1": 2}, {}, {"ray_tune": {"trial_id": "t1", "pid": 7}})
    assert expected == ResultConverter().convert(result)


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (1, 1),
        (True, True),
        (None, None),
        ("text", "text"),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.str_("s"), "s"),
        (np.array(4), 4),
        (np.array([5.0]), 5.0),
        (np.array([1, 2]), [1, 2]),
        ((1, 2.0), [1, 2.0]),
        ([{"a": np.int8(1)}], [{"a": 1}]),
    ],
)
def test_what_is_stored(value: object, stored: object) -> None:
    """Numbers, numpy scalars and small arrays, bools, strings, None, and lists and dicts of them are stored."""
    assert stored == to_json_value(value)
    assert type(stored) is type(to_json_value(value))


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        (object(), "report numbers"),
        (b"raw", "decode"),
        ({1, 2}, "sorted list"),
        (len, "its name"),
        (datetime.date(2026, 1, 1), "str(...)"),
        (np.zeros((40, 40)), "wandb.Histogram"),
        (np.array([object()]), "dtype"),
        ("x" * 1_000_001, "characters"),
    ],
)
def test_what_cannot_be_stored_says_what_to_report_instead(value: object, advice: str) -> None:
    """The value is left out with a text that helps, the row's other metrics stay."""
    with pytest.raises(UnstorableError) as caught:
        to_json_value(value)
    assert advice in str(caught.value)
    warnings = Warnings()
    assert {"loss": 1} == ResultConverter(warn=warnings).convert({"bad": value, "loss": 1}).row
    assert [key for key, _ in warnings] == ["bad"]


def test_a_value_that_holds_itself_costs_itself_alone() -> None:
    """Cyclic dicts and lists are named and left out, and nothing recurses for ever."""
    cyclic_list: list[Any] = []
    cyclic_list.append(cyclic_list)
    cyclic_dict: dict[str, Any] = {}
    cyclic_dict["again"] = cyclic_dict
    warnings = Warnings()
    row = ResultConverter(warn=warnings).convert({"l": cyclic_list, "d": cyclic_dict, "loss": 1}).row
    assert {"loss": 1} == row
    assert 2 == len(warnings)


def test_names_that_wandb_keeps_for_itself_are_refused() -> None:
    """``_step`` and its like would fight with wandb's own."""
    warnings = Warnings()
    assert {"loss": 1} == ResultConverter(warn=warnings).convert({"_step": 3, "loss": 1}).row
    assert "_step" == warnings[0][0]


def test_each_key_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    """A thousand results with the same bad value give one warning."""
    reader = ResultConverter()
    for _ in range(1000):
        reader.convert({"bad": object()})
    assert 1 == len(caplog.records)


def test_excludes_take_keys_prefixes_and_globs() -> None:
    """Exact keys, ``key`` for all of ``key/...``, and globs; similar names stay."""
    excludes = Excludes(["timers", "a/b", "*_time", "eval/*/raw"])
    excluded = ["timers", "timers/x", "a/b", "a/b/c", "run_time", "eval/x/raw"]
    kept = ["timers2", "a/bc", "time", "raw"]
    assert [key for key in excluded + kept if key in excludes] == excluded


def test_excludes_reach_results_and_nested_config() -> None:
    """The same options keep metrics and config out, however deep they are."""
    assert {"loss": 1} == ResultConverter(["net/drop"]).convert({"loss": 1, "net": {"drop": 2}}).row
    assert {"net": {"keep": 1}} == sanitize_config({"net": {"drop": 2, "keep": 1}}, ["net/drop"])
    logged = ResultConverter(["net/drop"], log_config=True).convert({"config": {"net": {"drop": 2, "keep": 1}}})
    assert {"config/net/keep": 1} == logged.row


def test_log_config_never_records_the_wandb_entry() -> None:
    """The config of a result is recorded without the W&B entry, in both of its places."""
    config = {"lr": 1, "wandb": {"api_key": "k"}, "logger_config": {"wandb": {"api_key": "k"}, "x": 2}}
    row = ResultConverter(log_config=True).convert({"config": config}).row
    assert {"config/lr": 1, "config/logger_config/x": 2} == row


def test_wandb_values_are_handed_on_by_themselves() -> None:
    """W&B values and lists of them travel beside the row: a broken one must not take the row with it."""
    table = wandb.Table(columns=["a"], data=[[1]])
    payload = ResultConverter().convert({"loss": 1, "table": table, "tables": [table]})
    assert {"loss": 1} == payload.row
    assert {"table": table, "tables": [table]} == payload.media


def test_arrays_become_media_only_when_asked() -> None:
    """A 3-D array is an image with ``media=True`` alone."""
    array = np.zeros((20, 20, 3), dtype=np.uint8)
    assert {} == ResultConverter(warn=Warnings()).convert({"a": array}).media
    assert [*ResultConverter(media=True).convert({"a": array}).media] == ["a"]


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists, max_leaves=9))
def test_json_values_are_stored_as_they_are(value: object) -> None:
    """Whatever JSON knows comes out as it went in."""
    stored = to_json_value(value)
    assert repr(value) == repr(stored)


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Net:
    width: int
    token: str


def test_a_config_keeps_a_name_for_what_cannot_be_stored() -> None:
    """Classes, functions and objects in a config are named; nothing turns into a number, nothing crashes."""
    config = {
        "cls": dict,
        "fn": math.sqrt,
        "lambda": lambda: None,
        "object": object(),
        "enum": Colour.RED,
        "path": Path("data"),
        "net": Net(3, "abc"),
        "set": {2, 1},
        "array": np.zeros((100, 100)),
        7: "int key",
        "text": "12",
        "callbacks": ["early_stopping", Net],
    }
    stored = sanitize_config(config)  # type: ignore[arg-type]  # an int key is what is tested
    assert "builtins.dict" == stored["cls"]
    assert "math.sqrt" == stored["fn"]
    assert str(stored["lambda"]).endswith("<lambda>")
    assert "builtins.object" == stored["object"]
    assert "RED" == stored["enum"]
    assert "data" == stored["path"]
    assert {"width": 3, "token": Redactor().mask("abc")} == stored["net"]
    assert [1, 2] == stored["set"]
    assert str(stored["array"]).startswith("array of shape (100, 100), float64, ")
    assert "int key" == stored["7"]
    assert "12" == stored["text"]
    assert ["early_stopping", f"{__name__}.Net"] == stored["callbacks"]


def test_secrets_in_a_config_are_masked_by_default() -> None:
    """Texts under keys that are named like secrets are masked at any depth; numbers and similar names are not."""
    config = {
        "db": {"password": "p", "user": "u"},
        "HF_TOKEN": "t",
        "openai.api_key": "k",
        "max_tokens": 5,
        "tokenizer": "bpe",
        "secret": Secret("s"),
        "list": [{"secret": "x"}],
    }
    masked, mask = sanitize_config(config), Redactor().mask
    assert {"password": mask("p"), "user": "u"} == masked["db"]
    kept = [masked[key] for key in ("HF_TOKEN", "openai.api_key", "max_tokens", "tokenizer", "secret")]
    assert [mask("t"), mask("k"), 5, "bpe", mask("s")] == kept
    assert [{"secret": mask("x")}] == masked["list"]
    assert {"token": "t"} == sanitize_config({"token": "t"}, mask_secrets=False)


def test_the_config_is_recorded_without_the_entry() -> None:
    """The W&B entry is no hyperparameter, wherever it stands; the user's own config is not changed."""
    config = {"lr": 1, "wandb": {"project": "p"}, "logger_config": {"wandb": {"project": "p"}, "type": "x"}}
    assert {"lr": 1, "logger_config": {"type": "x"}} == strip_wandb_entry(config) == sanitize_config(config)
    assert "wandb" in config


RESULT: dict[str, Any] = {
    "loss": 0.5,
    "eval": {"acc": 1, "deep": {"x": 2, "y": [1]}},
    "timers/a": 3,
    "epoch": 4,
    "training_iteration": 5,
    "none": None,
    "checkpoint_dir_name": None,
    "timesteps_total": None,
    "pid": 7,
    "config": {"lr": 1},
}
KEYS = st.sampled_from(
    ["loss", "eval", "eval/acc", "eval/deep", "eval/deep/x", "timers", "epoch", "none", "config", "pid"]
)
PATTERNS = st.lists(KEYS | st.sampled_from(["*", "e*", "eval/*/x", "*/acc", "[el]*", "eval/", "never"]), max_size=3)


@given(PATTERNS, PATTERNS, st.none() | KEYS)
@example([], [], "config")
def test_metrics_and_excludes(metrics: list[str], excludes: list[str], step: str | None) -> None:
    """A metric is recorded if ``metrics`` has it, or is empty, and ``excludes`` has it not; the step metric always."""
    everything = ResultConverter().convert(RESULT)
    assert not {"checkpoint_dir_name", "timesteps_total", "config/lr"} & everything.row.keys()
    assert "none" in everything.row
    wanted = Excludes(metrics)  # the same language of patterns
    always = {"training_iteration" if step is None else step}
    expected = {
        key: value
        for key, value in everything.row.items()
        if key in always
        or (key not in Excludes(excludes) and (not metrics or key in wanted or key == "training_iteration"))
    }
    converter = ResultConverter(excludes, metrics=metrics, step_metric=step, warn=lambda key, reason: None)
    for _ in range(2):  # the second time by the layout of the first
        row = converter.convert(RESULT).row
        assert expected == {key: value for key, value in row.items() if key != "pid"}


def test_metrics_leave_config_and_facts_alone() -> None:
    """They have their own switches."""
    payload = ResultConverter(metrics=["loss"], log_config=True).convert(RESULT)
    assert {"loss": 0.5, "training_iteration": 5, "config/lr": 1} == payload.row
    assert {"pid": 7} == payload.config["ray_tune"]


@pytest.mark.parametrize("value", [None, "4", True, [4]])
def test_a_step_metric_that_is_no_number(value: object) -> None:
    """One warning; the row is recorded. What wandb itself adds to each row is no mistake."""
    warned: list[str] = []
    converter = ResultConverter(step_metric="epoch", warn=lambda key, reason: warned.append(key))
    assert 0.5 == converter.convert({"loss": 0.5, "epoch": value}).row["loss"]
    assert ["epoch"] == warned
    own = ResultConverter(step_metric="_runtime", warn=lambda key, reason: warned.append(key))
    assert {"loss": 0.5} == own.convert({"loss": 0.5}).row
    assert ["epoch"] == warned
