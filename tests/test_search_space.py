"""The entry of a search space before there is a trial: each candidate once, in time that grows with their number."""

from __future__ import annotations

import json
from collections import UserDict
from typing import Any

import pytest
from ray import tune

from typed_tune_wandb import WandbSettings, WandbSettingsError, check_search_space
from typed_tune_wandb.settings._search_space import enumerate_entries


@pytest.mark.parametrize("key", ["group", "config", "tags"])
def test_thousands_of_candidates(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Duplicates are found without comparing each entry with each other one, whichever field makes them differ."""
    comparisons = 0

    def counted(one: object, other: object) -> bool:
        nonlocal comparisons
        comparisons += 1
        return one is other

    seeds = [i % 1_000 for i in range(2_000)]
    values: dict[str, object] = {"group": "{}", "config": {"seed": ["{}"]}, "tags": ["{}"]}
    candidates = [{"project": "p", key: json.loads(json.dumps(values[key]).replace("{}", str(i)))} for i in seeds]
    monkeypatch.setattr(WandbSettings, "__eq__", counted)
    assert 1_000 == len(enumerate_entries(tune.choice(candidates), ""))
    assert comparisons <= 2_000


def test_order_of_the_candidates() -> None:
    """The first of equal entries counts; values that cannot be hashed differ by identity."""
    entry = {"project": tune.choice(["a", "b", "a"]), "config": {"x": {1, 2}}}
    assert ["a", "b"] == [settings.project for settings in enumerate_entries(entry, "")]


def test_the_public_check() -> None:
    """Every mistake in every candidate, with the place of the entry; what passes comes back as settings."""
    space = {
        "lr": tune.uniform(0, 1),
        "logger_config": {
            "wandb": {
                "mode": tune.choice(["offline", "ofline"]),
                "tags": [tune.grid_search(["a", 1])],
                "group": tune.sample_from(lambda _: "g"),
                "settings": {"base_url": "no address"},
            }
        },
    }
    with pytest.raises(WandbSettingsError) as caught:
        check_search_space(space)
    assert 'config["logger_config"]["wandb"]' == caught.value.source
    assert ["mode", "tags[0]"] == [problem.path for problem in caught.value.problems]
    right = {"wandb": {"mode": tune.choice(["offline", "disabled"]), "tags": tune.grid_search([["a"], ["b"]])}}
    found = {(settings.mode, settings.tags) for settings in check_search_space(right)}
    assert {"offline", "disabled"} == {mode for mode, _ in found}
    assert {("a",), ("b",)} == {tags for _, tags in found}


def test_what_wandb_alone_knows_is_checked_too() -> None:
    """As before a trial starts."""
    with pytest.raises(WandbSettingsError, match=r"settings\.base_url"):
        check_search_space({"wandb": {"settings": {"base_url": tune.choice(["no address"])}}})


@pytest.mark.parametrize("space", [{"lr": 0.1}, {"wandb": None}, {"wandb": {}, "logger_config": {"wandb": {}}}, 3])
def test_a_search_space_without_one_entry(space: Any) -> None:
    """None, two, or no dict at all: nothing is checked, and an error says so."""
    with pytest.raises(WandbSettingsError):
        check_search_space(space)


@pytest.mark.parametrize(
    ("entry", "paths"),
    [
        (tune.choice([{"project": "p"}]), [""]),
        ({"grid_search": [{"project": "p"}]}, [""]),
        ({"mode": tune.choice(["offline"]), "tags": ["a", tune.grid_search(["b"])]}, ["mode", "tags[1]"]),
        ({"config": {"deep": [{"lr": tune.loguniform(1e-4, 1)}]}}, ["config.deep[0].lr"]),
        ({"group": tune.sample_from(lambda _: "g")}, ["group"]),
        (UserDict({"settings": UserDict(console=tune.choice(["off"]))}), ["settings.console"]),
    ],
)
def test_from_config_names_the_check_for_search_spaces(entry: object, paths: list[str]) -> None:
    """Each search value is named, whatever else is wrong."""
    with pytest.raises(WandbSettingsError) as caught:
        WandbSettings.from_config({"wandb": entry})
    assert paths == [problem.path for problem in caught.value.problems]
    assert "Did you mean check_search_space(param_space)?" in str(caught.value)


def test_from_config_takes_what_is_no_search_value() -> None:
    """A dict that contains itself; one that says "eval" and means it; search values beside the entry."""
    itself: dict[str, object] = {"eval": {"steps": 3}}
    itself["again"] = [itself]
    config = {"lr": tune.uniform(0, 1), "wandb": {"project": "p", "config": itself}}
    assert "p" == WandbSettings.from_config(config).project
