"""Raw dicts as documented that are right: the mypy plugin has nothing to say."""

import os
from pathlib import Path
from typing import Any, Final

from ray import tune
from typing_extensions import assert_type

from typed_tune_wandb import WandbConfigDict, WandbLogger, WandbSettings, legacy
from typed_tune_wandb.legacy import DEFAULT_LOGGERS


def train(config: dict[str, Any]) -> None: ...


def name_of(config: dict[str, Any]) -> str:
    return f"lr={config['lr']}"


PROJECT: Final = "project"
key = "from elsewhere"
annotated: WandbConfigDict = {"project": "mnist"}
settings = WandbSettings(project="mnist")

tune.run(
    train,
    config={
        "lr": tune.uniform(0, 1),
        "wandb": {
            "project": "mnist",
            "run_id": "a",
            "run_name": "b",
            "api_key_file": Path("~/key.txt"),
            "api_key": None,
            "excludes": ["timers", "config/*"],
            "log_config": True,
            "tags": ("a", "b"),
            "config": {"nested": {"seed": tune.randint(0, 9)}},
            "settings": {"x_disable_stats": True},
            "dir": os.environ.get("RUNS"),
        },
    },
)
# Search values whose values fit.
tune.run(
    train,
    config={
        "lr": tune.uniform(0, 1),
        "wandb": {
            "name": tune.sample_from(name_of),
            "id": tune.sample_from(lambda spec: f"run-{spec['lr']}"),
            "notes": tune.sample_from(lambda spec: spec["lr"]),
            "mode": tune.choice(["online", "offline"]),
            "resume": tune.sample_from(lambda spec: "allow"),
            "group": tune.grid_search(["a", "b"]),
            "job_type": {"grid_search": ["a", None]},
            "tags": tune.choice([["a"], ["b", "c"]]),
            "excludes": ["timers", tune.choice(["a", "b"])],
            "save_code": tune.choice([True, False]),
            PROJECT: "mnist",
            key: 3,
        },
    },
)
tune.Tuner(train, param_space={"wandb": annotated})
tune.Tuner(train, param_space={"wandb": {**annotated, "group": "a"}})
tune.Tuner(train, param_space={"wandb": settings})
tune.Tuner(train, param_space={"wandb": settings.to_config()})
tune.Tuner(train, param_space={"wandb": tune.choice([settings, settings.overridden_by({"group": "b"})])})
tune.Tuner(train, param_space={"wandb": {"project": "mnist"}, "logger_config": {"type": "x"}})
tune.Tuner(train, param_space={"lr": 0.1})
tune.Tuner(train)
tune.Tuner(train, param_space=dict(lr=0.1, wandb=dict(project="mnist")))  # noqa: C408  # the case

# Bound to variables.
modes = ["online", "offline"]
mode = tune.choice(modes)
entry = {"project": "mnist", "tags": ["a"]}
entry["group"] = "b"
tune.run(train, config={"wandb": entry | {"mode": mode}})
space: dict[str, Any] = {"lr": 0.1}
space = {**space, "wandb": entry}
assert_type(tune.Tuner(train, param_space=space), tune.Tuner)

grown: dict[str, Any] = {}
grown.update({"wandb": {"group": "a"}})
grown.update(wandb={"job_type": "train"})
grown |= {"wandb": {"id": "a"}}
tune.Tuner(train, param_space=grown)
tune.run(train, config={"wandb": {"tags": ["a"]} if space else settings})
tune.Tuner(train, param_space={"wandb": {**settings.to_config(), "group": "a"}})
plain = {"wandb": {"project": "mnist"}}
plain["wandb"].update(mode="offline")
plain["wandb"]["group"] = "a"
plain["wandb"] |= {"notes": "b"}
tune.Tuner(train, param_space=plain)
inner: dict[str, Any] = {"project": "mnist"}
nested: dict[str, Any] = {"wandb": inner}
nested["wandb"]["tags"] = tune.choice([["a"], ["b"]])
nested["wandb"]["config"] = {"seed": 1}
nested["wandb"]["config"]["more"] = 2
nested["wandb"][key] = 3
tune.Tuner(train, param_space=nested)

# The documented page's names.
legacy.run(
    train,
    config={"lr": legacy.loguniform(1e-4, 1e-1), "wandb": {"project": "mnist", "mode": legacy.choice(["online"])}},
    loggers=(*DEFAULT_LOGGERS, WandbLogger),
    num_samples=2,
)
legacy.report(loss=0.5)
legacy.report({"loss": 0.5}, checkpoint=legacy.get_checkpoint())


def of_somewhere(entry: dict[str, Any], words: list[str]) -> None:
    tune.run(train, config={"wandb": entry})
    tune.run(train, config={"wandb": {"project": "mnist", **entry, "tags": words, "name": tune.choice(words)}})
    tune.run(train, config={"wandb": {**{name: name for name in words}}})


# Made by a function, or held by an object.
class Search:
    def __init__(self, given: dict[str, Any]) -> None:
        self.space = {"lr": 0.1, "wandb": {"project": "mnist", "mode": tune.choice(modes)}}
        self.given = given
        self.unused = {"wandb": {"projct": 3}}

    def made(self) -> dict[str, Any]:
        def inner() -> dict[str, Any]:
            return {"wandb": {"projct": 3}}

        return {"wandb": {"tags": list(inner())}}

    def run(self) -> None:
        tune.Tuner(train, param_space=self.space)
        tune.Tuner(train, param_space=self.given)
        tune.Tuner(train, param_space=self.made())
        tune.Tuner(train, param_space={"wandb": self.given})


def annotated_entry() -> WandbConfigDict:
    return {"project": "mnist"}


def parsed(words: list[str]) -> dict[str, Any]:
    return {"wandb": {word: word for word in words}}


tune.Tuner(train, param_space={"wandb": annotated_entry()})
tune.Tuner(train, param_space=parsed(["project=mnist"]))
tune.Tuner(train, param_space={"wandb": {"dir": os.fspath(Path.cwd()), "name": name_of({"lr": 0.1})}})


# What has nothing to do with Tune is none of the plugin's.
other = {"wandb": {"projct": 3}}
print(other)
