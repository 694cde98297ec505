"""How much of a result or a config is recorded: what is over a bound is left out or shortened, the rest stays."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.payload import Warnings, encoded
from typed_tune_wandb.payload import ResultConverter, UnstorableError, sanitize_config, to_json_value


def test_one_value_that_holds_itself_many_times_is_bounded() -> None:
    """2^40 ways through 40 dicts or lists: neither a row nor a config takes more than its budget of them."""
    lists: Any = [1]
    dicts: Any = {"x": 1}
    for _ in range(20):
        lists, dicts = [lists, lists], {"a": dicts, "b": dicts}
    circle: Any = {}
    circle.update(a=circle, b=circle, c=[circle, circle])
    warnings = Warnings()
    row = ResultConverter(warn=warnings).convert({"lists": lists, "dicts": dicts, "circle": circle, "loss": 1}).row
    assert 1 == row["loss"]
    assert {"lists", "dicts"} <= {*warnings.keys}
    assert len(encoded(row)) < 1_000_000
    config = sanitize_config({"lists": lists, "dicts": dicts, "circle": circle, "lr": 1})
    assert 1 == config["lr"]
    assert len(encoded(config)) < 1_000_000


def test_a_large_list_in_a_config_is_a_summary_and_the_rest_stays() -> None:
    """1.2 million floats are 20 MB for each run; two such lists have two texts."""
    numbers = [index / 7 for index in range(1_200_000)]
    values = {"a": numbers, "b": [*numbers[:-1], 0.0], "c": [numbers], "d": {"e": tuple(numbers)}, "lr": 0.1}
    config = sanitize_config(values)
    assert str(config["a"]).startswith("list of 1200000 items, ")
    assert config["a"] != config["b"]
    assert [config["a"]] == config["c"]
    assert 0.1 == config["lr"]
    assert len(encoded(config)) < 1_000


@pytest.mark.parametrize(
    "config",
    [
        {f"key{index}": index for index in range(300_000)},
        {f"key{index}": "x" * 90_000 for index in range(200)},
        {"x" * 100_000 + str(index): index for index in range(500)},
        {f"key{index}": [0.5] * 9_999 for index in range(200)},
        {f"key{index}": [[0.5] * 5_001, [0.5] * 5_000] for index in range(200)},
        {"text": "x" * 50_000_000},
    ],
    ids=["keys", "texts", "long keys", "lists", "nested lists", "one text"],
)
def test_a_whole_config_has_a_bound(config: dict[str, object]) -> None:
    """W&B takes 15 MB of a config; what is over is shortened or left out, with a warning."""
    assert len(encoded(sanitize_config(config, warn=Warnings()))) < 15_000_000


def test_a_row_has_a_bound() -> None:
    """Keys without end, and lists that are together too large, cost themselves."""
    warnings = Warnings()
    converter = ResultConverter(warn=warnings)
    wide = {f"k{index}": {f"m{inner}": 0.5 for inner in range(100)} for index in range(2_000)}
    row = converter.convert({"wide": wide, "lists": [[0.5] * 60_000] * 9, "loss": 1}).row
    assert {"loss": 1} == row
    assert {"wide", "lists"} == {*warnings.keys}


def test_each_row_has_a_budget_of_its_own() -> None:
    """The last of many rows with a large list is recorded like the first."""
    converter, row = ResultConverter(warn=Warnings()), {"list": [0.5] * 9_000, "node": {"a": (1, 2)}, "loss": 1}
    assert [{"list": [0.5] * 9_000, "node/a": [1, 2], "loss": 1}] * 25 == [
        converter.convert(row).row for _ in range(25)
    ]


def test_deep_values_end() -> None:
    """A thousand dicts in each other are no metric."""
    deep: Any = 1
    for _ in range(5_000):
        deep = {"a": [deep]}
    with pytest.raises(UnstorableError, match="nested too deeply"):
        to_json_value(deep)
    assert encoded(sanitize_config({"deep": deep}))
    assert {"loss": 1} == ResultConverter(warn=Warnings()).convert({"deep": deep, "loss": 1}).row


def test_a_dict_of_many_items_is_left_out_of_a_row() -> None:
    """At once: each item would be a key of its own, in every row."""
    warnings = Warnings()
    row = ResultConverter(warn=warnings).convert({"loss": 1, "wide": dict.fromkeys(map(str, range(200_000)), 0)}).row
    assert {"loss": 1} == row
    assert ["wide"] == warnings.keys
