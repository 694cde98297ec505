"""Right programs in which a mistake is mended before the config reaches Tune, or never gets there."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ray import tune

from typed_tune_wandb import WandbConfigDict

RIGHT: WandbConfigDict = {"project": "right"}


def train(config: dict[str, Any]) -> None: ...


def mend(config: dict[str, Any]) -> None:
    config["wandb"] = RIGHT


def give(value: Any) -> Any:
    return value


def branches(quick: bool) -> None:
    config: dict[str, Any] = {"wandb": {"projct": 1}}
    if quick:
        config["wandb"] = {"project": "right"}
    else:
        config["wandb"] = {"project": "slow"}
    tune.run(train, config=config)
    space: dict[str, Any] = {"wandb": {"mode": "ofline"}}
    space = {"wandb": {"mode": "offline"}} if quick else give(space)
    tune.run(train, config=space)


def removed() -> None:
    entry: dict[str, Any] = {"project": "right", "projct": 1, "nam": 2, "modus": 3}
    entry.pop("projct")
    del entry["nam"]
    entry.popitem()
    tune.run(train, config={"wandb": entry})
    config: dict[str, Any] = {"wandb": {"projct": 1}}
    config["wandb"].clear()
    tune.run(train, config=config)


def closures() -> None:
    config: dict[str, Any] = {"wandb": {"projct": 1}}
    other: dict[str, Any] = {"wandb": {"projct": 1}}
    third: dict[str, Any] = {"wandb": {"projct": 1}}

    def fix() -> None:
        nonlocal third
        config["wandb"] = RIGHT
        third = {"wandb": RIGHT}

    fix()
    give(lambda: mend(other))()
    tune.run(train, config=config)
    tune.run(train, config=other)
    tune.run(train, config=third)


def loops(names: list[str]) -> None:
    entry: dict[str, Any] = {"project": 1}
    for name in names:
        entry["project"] = name
    tune.run(train, config={"wandb": entry})
    config: dict[str, Any] = {"wandb": {"projct": 1}}
    while "projct" in config["wandb"]:
        config["wandb"] = {"project": "right"}
    tune.run(train, config=config)
    for each in [{"wandb": {"project": "a"}}, {"wandb": {"project": "b"}}]:
        tune.run(train, config=each)


def after_the_call() -> None:
    config: dict[str, Any] = {"wandb": {"projct": 1}}
    tuner = tune.Tuner(train, param_space=config)
    config["wandb"] = {"project": "right"}
    tuner.fit()
    entry: dict[str, Any] = {"projct": 1}
    other = tune.Tuner(train, param_space={"wandb": entry})
    entry.clear()
    other.fit()


def other_names() -> None:
    config: dict[str, Any] = {"wandb": {"projct": 1}}
    alias = config
    alias["wandb"] = RIGHT
    tune.run(train, config=config)
    entry: dict[str, Any] = {"projct": 1}
    holder = {"wandb": entry}
    holder["wandb"].clear()
    tune.run(train, config={"wandb": entry})
    first: dict[str, Any] = {"wandb": {"projct": 1}}
    second: dict[str, Any] = {"wandb": RIGHT}
    first, second = second, first
    tune.run(train, config=first)
    passed: dict[str, Any] = {"wandb": {"projct": 1}}
    mend(passed)
    tune.run(train, config=passed)
    if (chosen := {"wandb": {"projct": 1}}) and (chosen := {"wandb": {"project": 1}}) and (chosen := give({})):
        tune.run(train, config=chosen)


def handled(path: str) -> None:
    config: dict[str, Any] = {"wandb": {"projct": 1}}
    try:
        config["wandb"] = {"project": open(path).read()}  # noqa: PTH123, SIM115  # the case
    except OSError:
        config["wandb"] = RIGHT
    tune.run(train, config=config)
    space: dict[str, Any] = {"wandb": {"projct": 1}}
    with suppress(KeyError):
        space["wandb"] = RIGHT
    tune.run(train, config=space)
    match give(path):
        case {"wandb": found}:
            tune.run(train, config={"wandb": found})
        case _:
            pass


def what_mypy_does_not_read() -> None:
    config: dict[str, Any] = {"wandb": {"projct": 1}}
    if TYPE_CHECKING:
        pass
    else:
        config = {"wandb": {}}
    tune.run(train, config=config)
    other: dict[str, Any] = {"wandb": {"projct": 1}}
    if sys.version_info < (4,):
        pass
    if sys.platform == "plan9":
        mend(other)
    tune.run(train, config=other)
    exec("mend(other)")


def values(quick: bool, maybe: str | None, number: int, many: list[int]) -> None:
    name: Any = 3 if False else "a"
    tune.run(train, config={"wandb": {"name": 3 if False else "a", "notes": name, "unknown": None}})
    tune.run(train, config={"wandb": {"nam": maybe, "projct": give(None), "save_code": number, "tags": give(many)}})
    tune.run(train, config={"wandb": {"name": 3, "name": "a"}, "lr": 0.1})  # noqa: F601  # the case
    tune.run(train, config={"wandb": {"projct": 1}, "wandb": RIGHT})  # noqa: F601  # the case
    tune.run(train, config={"wandb": {"projct": 1}, **give({"wandb": RIGHT})})
    tune.run(train, config={"wandb": {"mode": "ofline", give("mode"): "offline"}})
    tune.run(train, config={"wandb": {"tags": [{"grid_search": ["a", "b"]}], "config": {"grid_search": [{}]}}})
    tune.run(train, config={"wandb": {"name": str(number) if quick else None, "notes": [*many, "a"][-1]}})


def made(quick: bool) -> dict[str, Any]:
    if quick:
        return {"wandb": RIGHT}
    return {"wandb": {"projct": 1}}


def yielded() -> Any:
    yield {"wandb": RIGHT}
    return {"wandb": {"projct": 1}}


class Search:
    space: dict[str, Any] = {"wandb": {"projct": 1}}  # noqa: RUF012  # the case

    def __init__(self) -> None:
        self.space = {"wandb": {"projct": 1}}
        self.mend()
        tune.run(train, config=self.space)

    def mend(self) -> None:
        self.space = {"wandb": RIGHT}

    def made(self) -> dict[str, Any]:
        return {"wandb": {"projct": 1}}


class Mended(Search):
    def made(self) -> dict[str, Any]:
        return {"wandb": RIGHT}


tune.run(train, config=made(True))
tune.run(train, config=next(yielded()))
tune.run(train, config=Mended().made())
shared: dict[str, Any] = {"wandb": {"projct": 1}}
Search.space["wandb"] = RIGHT
tune.run(train, config=Search.space)


def main() -> None:
    tune.run(train, config=shared)


shared["wandb"] = RIGHT
main()


# What runs at another time than the lines around it.
def deferred() -> None:
    made: list[Callable[[], Any]] = []
    drawn: list[Any] = []
    for number in range(2):
        config: dict[str, Any] = {"wandb": RIGHT}
        for each in made:
            each()
        for later in drawn:
            next(later)
        if number:
            break
        config["wandb"] = {"projct": 1}
        made.append(lambda: tune.run(train, config=config))  # noqa: B023  # the case
        drawn.append(tune.run(train, config=config) for _ in "a")  # the case

        def call() -> None:
            tune.run(train, config=config)  # noqa: B023  # the case

        made.append(call)


# Of a class of its own, a dict may do something else with what is added.
class Mending(dict[str, Any]):
    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, RIGHT if key == "wandb" else value)

    def update(self, *_: Any, **__: Any) -> None:
        self["wandb"] = None

    def __or__(self, other: Any) -> Any:
        return {"wandb": RIGHT}

    def __ror__(self, other: Any) -> Any:
        return {"wandb": RIGHT}

    def __ior__(self, other: Any) -> Any:  # the case
        return {"wandb": RIGHT}


def of_its_own_class() -> None:
    config = Mending()
    config["wandb"] = {"projct": 1}
    tune.run(train, config=config)
    config.update({"wandb": {"projct": 1}})
    tune.run(train, config=config)
    grown = Mending()
    grown |= {"wandb": {"projct": 1}}
    tune.run(train, config=grown)
    tune.run(train, config=Mending() | {"wandb": {"projct": 1}})
    tune.run(train, config={"wandb": {"projct": 1}} | Mending())
    tune.run(train, config={"wandb": Mending() | {"projct": 1}})


class Body:
    entry: dict[str, Any] = {"projct": 1}  # noqa: RUF012  # the case
    tuner = tune.Tuner(train, param_space={"wandb": entry})


Body.entry.clear()
Body.tuner.fit()


def starred() -> None:
    tune.run(train, config={"wandb": {"mode": tune.choice(*[["online", "offline"]])}})
    tags = ["b"]
    tune.run(train, config={"wandb": {"tags": ["a", *tags]}})
    config, *_ = [{"wandb": RIGHT}, {"wandb": {"projct": 1}}]
    tune.run(train, config=config)


def copied() -> None:
    base: dict[str, Any] = {"wandb": RIGHT}
    before, also_before = {**base}, base | {}
    space = dict(base)
    base["wandb"] = {"projct": 1}
    tune.run(train, config=before)
    tune.run(train, config=also_before)
    tune.run(train, config=space)


def parameters(config: dict[str, Any], entry: dict[str, Any]) -> None:
    space = {"wandb": entry}
    entry = {"projct": 1}
    tune.run(train, config=space)
    config = {"wandb": {"projct": 1}, "tuner": tune.Tuner(train, param_space=config).fit()}


def named_again(config: dict[str, Any], entry: Any = 3) -> None:
    for config in [{"wandb": RIGHT}]:  # the case
        tune.run(train, config=config)
    with suppress(KeyError) as entry:
        pass
    match give({"wandb": RIGHT}):
        case {"wandb": entry}:
            tune.run(train, config={"wandb": entry})
    space: Any = {"wandb": {"projct": 1}}
    del space
    space = {"wandb": RIGHT}
    tune.run(train, config=space)
    name: Any = 3
    tune.run(train, config={"lr": (name := "a"), "wandb": {"name": name}})


def by_the_module() -> None:
    sys.modules[__name__].by_name["wandb"] = RIGHT


def wrapped(function: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    return lambda: {**function(), "wandb": RIGHT}


@wrapped
def decorated() -> dict[str, Any]:
    return {"wandb": {"projct": 1}}


tune.run(train, config=decorated())
by_name: dict[str, Any] = {"wandb": {"projct": 1}}
by_the_module()
tune.run(train, config=by_name)
