"""Right programs whose raw dict is made in another place than the call: what mypy knew there counts."""

from __future__ import annotations

import copy
import random
import re
import sys
from collections.abc import Iterator
from enum import Enum
from typing import Any, Literal, TypeGuard, cast

from ray import tune
from ray.tune.search.sample import Categorical, Domain


def train(config: dict[str, Any]) -> None: ...


# Narrowed where the dict is made.
def made(project: str | None = None, tags: str | None = None, notes: str | int = "") -> dict[str, Any]:
    space: dict[str, Any] = {"lr": tune.loguniform(1e-4, 1e-1)}
    entry: dict[str, Any] = {"project": project or "demo"}
    if tags is not None:
        entry["tags"] = tags.split(",")
    space["wandb"] = entry
    if isinstance(notes, str):
        return {"wandb": {"project": "demo", "notes": notes}}
    return space


def matched(text: str, given: str | int) -> dict[str, Any]:
    found = re.match(r"(\w+)/", text)
    assert found is not None
    entry: dict[str, Any] = {}
    if isinstance(given, str):
        entry["group"] = given
    else:
        entry["group"] = str(given)
    try:
        entry["notes"] = open(text).read()  # noqa: PTH123, SIM115  # the case
    except OSError as error:
        entry["notes"] = f"{error}"
    tune.Tuner(train, param_space={"wandb": entry})
    return {"wandb": {"entity": found.group(1)}}


class Search:
    def __init__(self, words: list[str] | None, name: str) -> None:
        self.words = words
        self.name = name.strip()
        if not words:
            raise ValueError
        self.space = {"wandb": {"tags": [word.lower() for word in words], "name": words[0]}}

    def run(self) -> None:
        tune.Tuner(train, param_space=self.space)
        tune.Tuner(train, param_space=self.later())
        tune.Tuner(train, param_space=named(self))

    def later(self) -> dict[str, Any]:
        return {"wandb": {"tags": self.words, "name": self.name.upper()}} if self.words else {}


class Inherited(Search):
    def later(self) -> dict[str, Any]:
        return {"wandb": {"project": "demo", **super().later()["wandb"], "name": str(super().later())}}


class Yielding:
    entry: Any = None

    def steps(self) -> Iterator[int]:
        self.entry = {"project": "demo", "name": (yield 1)}


def named(search: Search) -> dict[str, Any]:
    name = search.name
    return {"wandb": {"project": "demo", "name": name}}


def untyped(arguments):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201  # the case
    names = [each for each in arguments if each]
    return {"lr": 1, "wandb": {"project": "demo", "tags": names}}


tune.Tuner(train, param_space=made("a"))
tune.Tuner(train, param_space=matched("a/b", 1))
tune.Tuner(train, param_space=Inherited(["a"], "b").later())
tune.Tuner(train, param_space={"wandb": Yielding().entry})
tune.Tuner(train, param_space=untyped(sys.argv))  # type: ignore[no-untyped-call]

# Words in variables, and lists and dicts that nobody adds to.
mode = "offline"
tune.Tuner(train, param_space={"wandb": {"mode": mode}})
other = "disabled" if sys.argv else "online"
tune.Tuner(train, param_space={"wandb": {"mode": other}})
for each in ["online", "offline"]:
    tune.Tuner(train, param_space={"wandb": {"mode": each}})
parameters = {"lr": 0.1}
flags = {"x_disable_stats": True}
tune.Tuner(train, param_space={**parameters, "wandb": {"config": parameters, "settings": flags}})


class Key(str, Enum):
    PROJECT = "project"


def keyed(key: Literal["project", "group"], tags: list[Literal["a", "b"]]) -> None:
    tune.Tuner(train, param_space={"wandb": {key: "a", Key.PROJECT: "b", "tags": tags}})


# Search values, by their types.
def spoken(spec: Any) -> str:
    return "offline"


choices = {"name": tune.choice(["a", "b"]), "number": tune.choice([1])}
pair, number = tune.choice(["a"]), 3


def searched(domain: Domain, names: Categorical, quick: bool) -> None:
    tune.Tuner(train, param_space={"wandb": {"name": domain, "notes": names, "group": choices["name"]}})
    tune.Tuner(train, param_space={"wandb": {"name": tune.choice(["a", "b"]) if quick else "c"}})
    tune.Tuner(train, param_space={"wandb": {"name": tune.grid_search(["a"]) if quick else "b", "group": pair}})
    tune.Tuner(train, param_space={"wandb": {"mode": tune.sample_from(spoken), "notes": (last := tune.choice(["a"]))}})
    tune.Tuner(train, param_space={"wandb": {"notes": last, "tags": ["x", choices["name"]]}})


# Copied, cast.
base: dict[str, Any] = {"wandb": {"project": "demo"}}
tune.Tuner(train, param_space=base.copy())
tune.Tuner(train, param_space=copy.deepcopy(base) | {"lr": 0.1})
tune.Tuner(train, param_space=cast("Any", base))

# Replaced before the call.
raw: dict[str, Any] = {"wandb": "team/project"}
team, project = raw["wandb"].split("/")
raw["wandb"] = {"entity": team, "project": project}
tune.Tuner(train, param_space=raw)
config: dict[str, Any] = {"wandb": {"enabled": True}}
config["wandb"]["verbose"] = True
print(config)
config = {"wandb": {"project": "demo"}}
if raw:
    tune.Tuner(train, param_space=config)


def replaced(text: str) -> dict[str, Any]:
    space: dict[str, Any] = {"lr": 0.1, "wandb": None}
    with open(text) as file:  # noqa: PTH123  # the case
        space["wandb"] = {"project": file.read()}
    parameters: dict[str, Any] = {"lr": 0.1}
    parameters = {"project": "demo"}
    space["wandb"] = annotated_or(parameters)
    return space


def annotated_or(entry: dict[str, Any]) -> dict[str, Any]:
    tags: dict[str, Any] = {"tags": ["a"], **entry}
    tags["tags"][0] = "b"
    return tags


placeholder: dict[str, Any] = {"lr": 0.1, "wandb": None}
tune.Tuner(train, param_space=replaced("a"))
tune.Tuner(train, param_space={**placeholder, "wandb": {"project": "demo"}})
placeholder = {**placeholder, "wandb": {"project": "demo"}}
tune.Tuner(train, param_space=placeholder)
empty: dict[str, Any] = {"lr": 0.1, "wandb": None}
empty.update({"wandb": {"project": "demo"}})
tune.Tuner(train, param_space=empty)

# Of a type that depends on what is expected, or that only the function itself knows.
Mode = Literal["online", "offline"]
MODES: dict[str, Mode] = {"a": "online"}


def is_mode(text: str) -> TypeGuard[Mode]:
    return text in MODES


def guarded(mode: str, flag: int) -> dict[str, Any]:
    if not is_mode(mode):
        raise ValueError
    if isinstance(flag, bool):
        return {"wandb": {"force": flag}}
    return {"wandb": {"mode": mode}}


def literal(quick: bool) -> None:
    mode: Literal["auto", "online", "offline"] = "auto"
    if quick:
        mode = "online"
    if mode == "auto":
        mode = "offline"
    tune.Tuner(train, param_space={"wandb": {"mode": mode}})
    tune.Tuner(train, param_space={"wandb": {"mode": random.choice(["online", "offline"])}})
    tune.Tuner(train, param_space={"wandb": {"mode": MODES.get("b", "online")}})


tune.Tuner(train, param_space=guarded("a", 1))


class Spoken:
    def mode(self, spec: Any) -> str:
        return "offline"

    def run(self) -> None:
        tune.Tuner(train, param_space={"wandb": {"mode": tune.sample_from(self.mode)}})


tune.Tuner(train, param_space={"wandb": {"tags": "a,b"}})  # type: ignore[typeddict-item]
