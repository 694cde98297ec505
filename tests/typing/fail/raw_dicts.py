"""Raw dicts as documented, with no annotation: what the mypy plugin alone sees."""

from typing import Any

from ray import tune
from ray.tune import Tuner as Alias

from typed_tune_wandb import WandbSettings, legacy
from typed_tune_wandb import legacy as old
from typed_tune_wandb.legacy import run as run_old


def train(config: dict[str, Any]) -> None: ...


# In the call, key by key, each on its own line.
tune.run(
    train,
    config={
        "lr": tune.uniform(0, 1),
        "wandb": {
            "project": "mnist",
            "projct": "mnist",  # error: mypy[typeddict-unknown-key]
            "exclude": ["loss"],  # error: mypy[typeddict-unknown-key]
            "tags": "abc",  # error: mypy[typeddict-item]
            "log_config": "false",  # error: mypy[typeddict-item]
            "save_code": 1,  # error: mypy[typeddict-item]
            "mode": "ofline",  # error: mypy[typeddict-item]
            "config": [1],  # error: mypy[typeddict-item]
            "excludes": [
                1,  # error: mypy[list-item]
            ],
            1: "mnist",  # error: mypy[misc]
        },
    },
)
tune.Tuner(train, param_space={"wandb": {"resume": True}})  # error: mypy[typeddict-item]
Alias(train, param_space={"wandb": {"reinit": True}})  # error: mypy[typeddict-item]
tune.Experiment("first", train, config={"wandb": {"group": 3}})  # error: mypy[typeddict-item]
tune.Tuner(train, param_space={"logger_config": {"wandb": {"notes": ["a"]}}})  # error: mypy[typeddict-item]
tune.Tuner.restore("path", train, param_space={"wandb": {"mode": "ofline"}})  # error: mypy[typeddict-item]
tune.Tuner(train, param_space=dict(lr=0.1, wandb=dict(name=3)))  # error: mypy[typeddict-item]

# An entry that is none.
tune.Tuner(train, param_space={"wandb": "mnist"})  # error: mypy[typeddict-item]
tune.Tuner(train, param_space={"wandb": ["mnist"]})  # error: mypy[typeddict-item]
tune.Tuner(train, param_space={"wandb": None})  # error: mypy[typeddict-item]

# Search values whose values do not fit.
tune.run(
    train,
    config={
        "wandb": {
            "name": tune.choice(["a", 1]),  # error: mypy[typeddict-item]
            "group": tune.grid_search([1, 2]),  # error: mypy[typeddict-item]
            "job_type": {"grid_search": [1, 2]},  # error: mypy[typeddict-item]
            "mode": tune.choice(["online", "ofline"]),  # error: mypy[typeddict-item]
            "notes": tune.uniform(0, 1),  # error: mypy[typeddict-item]
            "id": tune.randint(0, 9),  # error: mypy[typeddict-item]
            "project": tune.sample_from(lambda spec: 3),  # error: mypy[typeddict-item]
            "tags": tune.choice(["abc", "abd"]),  # error: mypy[typeddict-item]
            "taggs": tune.choice([["abc"], ["abd"]]),  # error: mypy[typeddict-unknown-key]
            "excludes": ["a", tune.choice([1, 2])],  # error: mypy[list-item, list-item]
        },
    },
)
tune.Tuner(train, param_space={"wandb": tune.choice([{"project": 1}])})  # error: mypy[typeddict-item]

# Bound to a variable: the error stands where the mistake is.
entry = {
    "project": "mnist",
    "tags": "abc",  # error: mypy[typeddict-item]
}
config = {
    "lr": 0.1,
    "wandb": entry,
}
entry["nam"] = "first"  # error: mypy[typeddict-unknown-key]
dynamic: dict[str, Any] = {"wandb": {"modus": "offline"}}  # error: mypy[typeddict-unknown-key]
modes = ["online", "ofline"]  # error: mypy[typeddict-item]


def main() -> None:
    tune.run(train, config=config)
    tune.run(train, config=dynamic)
    local = {"wandb": {"mode": tune.choice(modes)}}
    tune.Tuner(train, param_space=local)
    stored: dict[str, Any] = {}
    stored["wandb"] = {"force": "yes"}  # error: mypy[typeddict-item]
    tune.Tuner(train, param_space=stored)
    tune.Tuner(train, param_space={**stored, "lr": 0.1})
    tune.Tuner(train, param_space={"lr": 0.1} | {"wandb": {"monitor_gym": 0}})  # error: mypy[typeddict-item]
    tune.Tuner(train, param_space={"wandb": {**entry, "group": 1}})  # error: mypy[typeddict-item]


class Sweep:
    space = {"wandb": {"job_type": 1}}  # error: mypy[typeddict-item]
    tuner = tune.Tuner(train, param_space=space)


# By whatever name the function comes.
legacy.run(train, config={"wandb": {"tags": "abc"}}, num_samples=2, loggers=legacy.DEFAULT_LOGGERS)  # error: mypy[typeddict-item]
old.run(train, config={"wandb": {"mode": old.choice(["online", "ofline"])}}, name="first")  # error: mypy[typeddict-item]
run_old(train, config={"logger_config": {"wandb": {"name": old.grid_search([1])}}})  # error: mypy[typeddict-item]
legacy.Tuner(train, param_space={"wandb": {"name": legacy.sample_from(lambda spec: 1)}})  # error: mypy[typeddict-item]

# However the dict is put together.
base: dict[str, Any] = {"lr": 0.1}
tune.Tuner(train, param_space={**base, "wandb": {"tgas": ["a"]}})  # error: mypy[typeddict-unknown-key]
tune.Tuner(train, param_space=dict(base, logger_config=dict(wandb=dict(tags="abc"))))  # error: mypy[typeddict-item]
tune.Tuner(train, param_space={"wandb": {**WandbSettings().to_config(), "group": 1}})  # error: mypy[typeddict-item]
tune.Tuner(train, param_space={"wandb": WandbSettings(project="mnist").to_config() | {"projct": "a"}})  # error: mypy[typeddict-unknown-key]
tune.Tuner(train, param_space={"wandb": {"tags": "abc"} if base else {"notes": "a"}})  # error: mypy[typeddict-item]
tune.Tuner(train, param_space={"wandb": {"notes": "a"} if base else {"tags": "abc"}})  # error: mypy[typeddict-item]
grown: dict[str, Any] = {}
grown.update({"wandb": {"group": 1}})  # error: mypy[typeddict-item]
grown.update(wandb={"job_type": 1})  # error: mypy[typeddict-item]
grown |= {"wandb": {"id": 1}}  # error: mypy[typeddict-item]
tune.Tuner(train, param_space=grown)
if base:
    chosen: dict[str, Any] = {"project": 1}  # error: mypy[typeddict-item]
else:
    chosen = {"entity": 1}  # error: mypy[typeddict-item]
legacy.run(train, config={"wandb": chosen})


# Made by a function or a method, or held by an object.
def space(lr: float) -> dict[str, Any]:
    """Both branches, and what is added to either."""

    def unrelated() -> dict[str, Any]:
        return {"wandb": {"tags": "abc"}}

    if lr > 1:
        return {"wandb": {"tags": "abc"}, **unrelated_entry()}  # error: mypy[typeddict-item]
    result: dict[str, Any] = {"lr": lr}
    result["wandb"] = {"projct": "a"}  # error: mypy[typeddict-unknown-key]
    return result


def unrelated_entry() -> dict[str, Any]:
    return {"lr": 0.1}


def again(depth: int) -> dict[str, Any]:
    return again(depth - 1) if depth else {"wandb": {"id": 1}}  # error: mypy[typeddict-item]


tune.Tuner(train, param_space=space(0.1))
tune.Tuner(train, param_space=again(3))


class Search:
    shared: dict[str, Any] = {"wandb": {"entity": 1}}  # error: mypy[typeddict-item]

    def __init__(self) -> None:
        self.space: dict[str, Any] = {"lr": 0.1}
        self.space["wandb"] = {"group": 1}  # error: mypy[typeddict-item]
        self.entry = {
            "project": 1,  # error: mypy[typeddict-item]
        }
        self.mode = tune.choice(["online", "ofline"])  # error: mypy[typeddict-item]

    def made(self) -> dict[str, Any]:
        return {"wandb": {"notes": 1}}  # error: mypy[typeddict-item]

    @staticmethod
    def fixed() -> dict[str, Any]:
        return {"wandb": {"name": 1}}  # error: mypy[typeddict-item]

    @property
    def current(self) -> dict[str, Any]:
        return {"wandb": {"job_type": 1}}  # error: mypy[typeddict-item]

    def run(self) -> None:
        tune.Tuner(train, param_space=self.space)
        tune.Tuner(train, param_space=self.made())
        tune.Tuner(train, param_space=self.shared)
        tune.Tuner(train, param_space={"wandb": {**self.entry, "mode": self.mode}})


tune.Tuner(train, param_space=Search.shared)
tune.Tuner(train, param_space=Search.fixed())
tune.Tuner(train, param_space=Search().current)


# In terms of itself.
looped: Any = "first"
looped = tune.choice([looped, 1])  # error: mypy[typeddict-item]
tune.Tuner(train, param_space={"wandb": {"name": looped}})
wrapped: dict[str, Any] = {"wandb": {"name": 1}}  # error: mypy[typeddict-item]
wrapped = {**wrapped, "lr": 0.1}
tune.Tuner(train, param_space=wrapped)


def picked() -> Any:
    return tune.choice([picked(), 1])  # error: mypy[typeddict-item]


tune.Tuner(train, param_space={"wandb": {"name": picked()}})


# Key by key, also inside the entry.
nested: dict[str, Any] = {"lr": 0.1, "wandb": {"project": "mnist"}}
nested["wandb"]["mode"] = "ofline"  # error: mypy[typeddict-item]
nested["wandb"]["projct"] = "a"  # error: mypy[typeddict-unknown-key]
nested["wandb"]["name"] = tune.choice(["a", 1])  # error: mypy[typeddict-item]
nested["wandb"].update(tags="abc")  # error: mypy[typeddict-item]
nested["logger_config"] = {}
nested["logger_config"]["wandb"] = {"group": 1}  # error: mypy[typeddict-item]
nested["logger_config"]["wandb"]["notes"] = 1  # error: mypy[typeddict-item]
tune.Tuner(train, param_space=nested)
