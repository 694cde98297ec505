"""Raw dicts with mistakes, made in another place than the call."""

from __future__ import annotations

import copy
import functools
from typing import Any, cast

from ray import tune

from typed_tune_wandb import WandbSettings


def train(config: dict[str, Any]) -> None: ...


# Copied, cast, cached, chosen, named on the way.
copied: dict[str, Any] = {"wandb": {"projct": "a"}}  # error: mypy[typeddict-unknown-key]
tune.Tuner(train, param_space=copied.copy())
deep: dict[str, Any] = {"wandb": {"projct": "a"}}  # error: mypy[typeddict-unknown-key]
tune.Tuner(train, param_space=copy.deepcopy(deep))
tune.Tuner(train, param_space=cast("Any", {"wandb": {"projct": "a"}}))  # error: mypy[typeddict-unknown-key]
tune.Tuner(train, param_space=(space := {"wandb": {"projct": "a"}}))  # error: mypy[typeddict-unknown-key]
tune.Tuner(train, param_space=copied or {"wandb": {"modus": "a"}})  # error: mypy[typeddict-unknown-key]
first, second = {"wandb": {"group": 1}}, 3  # error: mypy[typeddict-item]
tune.Tuner(train, param_space=first)
for each in [{"wandb": {"group": 1}}]:  # error: mypy[typeddict-item]
    tune.Tuner(train, param_space=each)


@functools.cache
def cached() -> dict[str, Any]:
    return {"wandb": {"projct": "a"}}  # error: mypy[typeddict-unknown-key]


class Search:
    mode = "ofline"

    def run(self) -> None:
        tune.Tuner(train, param_space=self.space)
        tune.Tuner(train, param_space={"wandb": {"mode": self.mode}})  # error: mypy[typeddict-item]

    @property
    def space(self) -> dict[str, Any]:
        return {"wandb": {"projct": "a", "tags": "abc"}}  # error: mypy[typeddict-unknown-key, typeddict-item]

    @space.setter
    def space(self, value: dict[str, Any]) -> None: ...


tune.Tuner(train, param_space=cached())


# By the type that mypy found there.
def narrowed(tags: str | list[str], number: int | None) -> dict[str, Any]:
    if isinstance(tags, str):
        return {"wandb": {"tags": tags}}  # error: mypy[typeddict-item]
    assert number
    return {"wandb": {"tags": tags, "group": number}}  # error: mypy[typeddict-item]


def main() -> None:
    tune.Tuner(train, param_space=narrowed("a", 1))


def declared(tags: str, group: int) -> dict[str, Any]:
    return {"wandb": {"tags": tags, "group": group}}  # error: mypy[typeddict-item, typeddict-item]


def again() -> None:
    tune.Tuner(train, param_space=declared("a", 1))


# Search values.
def spoken(spec: Any) -> Any:
    return "ofline"  # error: mypy[typeddict-item]


def whole(spec: Any) -> dict[str, Any]:
    return {"projct": "a"}  # error: mypy[typeddict-unknown-key]


tune.Tuner(train, param_space={"wandb": {"mode": tune.sample_from(spoken)}})
tune.Tuner(train, param_space={"wandb": tune.sample_from(whole)})
tune.Tuner(train, param_space={"wandb": {"mode": tune.choice(["ofline"]) if first else "offline"}})  # error: mypy[typeddict-item]
tune.Tuner(train, param_space={"wandb": tune.choice([{"modus": "a"}]) if first else {}})  # error: mypy[typeddict-unknown-key]
tune.Tuner(train, param_space={"wandb": {"project": "a"} if first else None})  # error: mypy[typeddict-item]

# An entry that is none.
tune.Tuner(train, param_space={"wandb": WandbSettings})  # error: mypy[typeddict-item]
tune.Tuner(train, param_space={"wandb": lambda: {"project": "a"}})  # error: mypy[typeddict-item]

# One after the other, and perhaps.
config: dict[str, Any] = {"wandb": {"projct": "a"}}  # error: mypy[typeddict-unknown-key]
tune.Tuner(train, param_space=config)
config = {"wandb": {"modus": "a"}}  # error: mypy[typeddict-unknown-key]
if first:
    config = {"wandb": {"project": "a"}}
tune.Tuner(train, param_space=config)
config["wandb"] = {"tgas": ["a"]}  # error: mypy[typeddict-unknown-key]
config = {**config, "lr": 0.1}
tune.Tuner(train, param_space=config)
