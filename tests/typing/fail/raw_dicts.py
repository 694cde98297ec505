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
            "tags": tune.choice(["abc", "abd"]),  # error: mypy[typeddict-item]
            "taggs": tune.choice([["abc"], ["abd"]]),  # error: mypy[typeddict-unknown-key]
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
print(config)
tune.run(train, config=config)
dynamic: dict[str, Any] = {"wandb": {"modus": "offline"}}  # error: mypy[typeddict-unknown-key]
mode = "ofline"  # error: mypy[typeddict-item]
key = "projct"  # error: mypy[typeddict-unknown-key]
if __name__ == "__main__":
    modes = ["online", "ofline"]  # error: mypy[typeddict-item]
    tune.run(train, config=dynamic)
    tune.run(train, config={"wandb": {"mode": mode, key: 1}})
    tune.run(train, config={"wandb": {"mode": tune.choice(modes)}})


def main() -> None:
    stored: dict[str, Any] = {}
    stored["wandb"] = {"force": "yes"}  # error: mypy[typeddict-item]
    tune.Tuner(train, param_space=stored)
    base = {"wandb": {"job_type": 1}}  # error: mypy[typeddict-item]
    tune.Tuner(train, param_space={**base, "lr": 0.1})
    tune.Tuner(train, param_space={"lr": 0.1} | {"wandb": {"monitor_gym": 0}})  # error: mypy[typeddict-item]
    for number in range(3):
        each: dict[str, Any] = {"lr": number}
        each["wandb"] = {"group": 1}  # error: mypy[typeddict-item]
        tune.Tuner(train, param_space=each)


class Sweep:
    tuner = tune.Tuner(train, param_space={"wandb": {"job_type": 1}})  # error: mypy[typeddict-item]

    def run(self) -> None:
        space = {"wandb": {"job_type": 1}}  # error: mypy[typeddict-item]
        tune.Tuner(train, param_space=space)


# By whatever name the function comes.
legacy.run(train, config={"wandb": {"tags": "abc"}}, num_samples=2, loggers=legacy.DEFAULT_LOGGERS)  # error: mypy[typeddict-item]
old.run(train, config={"wandb": {"mode": old.choice(["online", "ofline"])}}, name="first")  # error: mypy[typeddict-item]
run_old(train, config={"logger_config": {"wandb": {"name": old.grid_search([1])}}})  # error: mypy[typeddict-item]
legacy.Tuner(train, param_space={"wandb": {"name": legacy.uniform(0, 1)}})  # error: mypy[typeddict-item]

# However the dict is put together.
base: dict[str, Any] = {"lr": 0.1}
tune.Tuner(train, param_space={**base, "wandb": {"tgas": ["a"]}})  # error: mypy[typeddict-unknown-key]
tune.Tuner(train, param_space=dict(base, logger_config=dict(wandb=dict(tags="abc"))))  # error: mypy[typeddict-item]
tune.Tuner(train, param_space={"wandb": {**WandbSettings().to_config(), "group": 1}})  # error: mypy[typeddict-item]
tune.Tuner(train, param_space={"wandb": dict(WandbSettings(project="mnist").to_config(), projct="a")})  # error: mypy[typeddict-unknown-key]
tune.Tuner(train, param_space={"wandb": {"name": 1, "name": "a", "notes": "a", "notes": 1}})  # error: mypy[typeddict-item]
grown: dict[str, Any] = {"lr": 0.1, "wandb": {"group": 1}}
grown["wandb"] = {"group": 2}
grown.update({"wandb": {"group": 3}})
grown.update(wandb={"job_type": 1})  # error: mypy[typeddict-item]
tune.Tuner(train, param_space=grown)
added: dict[str, Any] = {"wandb": 1}
added |= {"wandb": {"id": 1}}  # error: mypy[typeddict-item]
tune.Tuner(train, param_space=added)


# Made by a function of the file.
def made_of(lr: float) -> dict[str, Any]:
    """One display, whatever is given."""
    tune.run(train, config={"lr": lr, "wandb": None})  # error: mypy[typeddict-item]
    return {"wandb": {"tags": "abc", "projct": lr}}  # error: mypy[typeddict-item, typeddict-unknown-key]


made = made_of(0.1)
made["wandb"]["notes"] = "a"
tune.Tuner(train, param_space=made)
tune.Tuner(train, param_space={**made_of(0.1), "lr": 0.1})


# By a declared type.
def declared(name: str, tags: str | None, seed: int, flags: list[bool], given: Any) -> None:
    tune.Tuner(train, param_space={"wandb": {"tags": name, "group": seed}})  # error: mypy[typeddict-item, typeddict-item]
    tune.Tuner(train, param_space={"wandb": {"log_config": f"{given}-{seed}"}})  # error: mypy[typeddict-item]
    tune.Tuner(train, param_space={"wandb": {"notes": len(flags), "mode": flags}})  # error: mypy[typeddict-item, typeddict-item]
    tune.Tuner(train, param_space={"wandb": {"projct": name}})  # error: mypy[typeddict-unknown-key]
    tune.Tuner(train, param_space={"wandb": name})  # error: mypy[typeddict-item]
