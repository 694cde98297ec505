"""What the plugin does not find, since it cannot be sure: an annotation finds it, in every type checker."""

from __future__ import annotations

from typing import Any

from ray import tune

from typed_tune_wandb import WandbConfigDict


def train(config: dict[str, Any]) -> None: ...


# Changed in a branch or a loop, removed from, or changed after the call.
def changed(quick: bool, names: list[str]) -> None:
    entry: WandbConfigDict = {"project": "mnist"}
    if quick:
        entry["mode"] = "ofline"  # error: mypy[typeddict-item] pyright[reportGeneralTypeIssues]
    for name in names:
        entry["nam"] = name  # error: mypy[typeddict-unknown-key] pyright[reportGeneralTypeIssues]
    tuner = tune.Tuner(train, param_space={"wandb": entry})
    entry["tags"] = "abc"  # error: mypy[typeddict-item] pyright[reportGeneralTypeIssues]
    tuner.fit()


# Given to another function, or made by one with branches.
def named(entry: WandbConfigDict) -> None:
    entry["group"] = 1  # error: mypy[typeddict-item] pyright[reportGeneralTypeIssues]


def made(quick: bool) -> WandbConfigDict:
    if quick:
        return {"mode": "ofline"}  # error: mypy[typeddict-item] pyright[reportReturnType]
    return {"projct": "mnist"}  # error: mypy[typeddict-unknown-key] pyright[reportReturnType]


# In a nested dict, in an attribute, in another scope, and bound more than once.
ENTRY: WandbConfigDict = {"notes": 1}  # error: mypy[typeddict-item] pyright[reportAssignmentType]
ENTRY["notes"] = ["a"]  # error: mypy[typeddict-item] pyright[reportGeneralTypeIssues]


class Search:
    entry: WandbConfigDict

    def __init__(self, seed: Any) -> None:
        self.entry = {"projct": seed}  # error: mypy[typeddict-unknown-key] pyright[reportAttributeAccessIssue]
        self.entry = {"save_code": 1}  # error: mypy[typeddict-item] pyright[reportAttributeAccessIssue]

    def run(self, config: dict[str, Any]) -> None:
        config["wandb"] = ENTRY if config else self.entry
        named(ENTRY)
        tune.Tuner(train, param_space=config)


# Values of types that are inferred.
def inferred(seeds: list[int]) -> None:
    for seed in seeds:
        entry: WandbConfigDict = {"group": seed}  # error: mypy[typeddict-item] pyright[reportAssignmentType]
        tune.Tuner(train, param_space={"wandb": entry})
