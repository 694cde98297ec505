"""The mixin keeps signatures and class types; a run is a wandb.Run."""

from collections.abc import Callable
from typing import Any

import wandb
from ray import tune
from typing_extensions import assert_type
from wandb import Run

from typed_tune_wandb import WandbSettings, WandbTrainableMixin, setup_wandb, wandb_mixin


@wandb_mixin
def train(config: dict[str, Any], data: list[int] | None = None) -> float:
    return 0.0


assert_type(train({}, [1]), float)
assert_type(train({}, data=None), float)
partial_like: Callable[[dict[str, Any]], float] = train
tune.Tuner(train, param_space={"wandb": {"project": "mnist"}})


@wandb_mixin
class Decorated(tune.Trainable):
    seen: int = 0
    wandb: Run  # set by the decorator

    def step(self) -> dict[str, Any]:
        self.wandb.log({"loss": 1.0})
        return {"loss": self.seen}


assert_type(Decorated().seen, int)
plain: type[Decorated] = Decorated


class Training(WandbTrainableMixin, tune.Trainable):
    def step(self) -> dict[str, Any]:
        assert_type(self.wandb, wandb.Run)
        self.wandb.log({"loss": 1.0})
        return {"loss": 1.0}


tune.Tuner(Training, param_space={"wandb": {"project": "mnist"}})

assert_type(setup_wandb({"lr": 0.1, "wandb": {"project": "mnist"}}), wandb.Run)
assert_type(setup_wandb(project="mnist", tags=["a"], rank_zero_only=False), wandb.Run)
assert_type(setup_wandb(settings=WandbSettings(project="mnist")), wandb.Run)
