"""The mixin keeps signatures; a run is a wandb.Run."""

from typing import Any

from ray import tune

from typed_tune_wandb import WandbTrainableMixin, setup_wandb, wandb_mixin


@wandb_mixin
def train(config: dict[str, Any], data: list[int]) -> float:
    return 0.0


train({})  # error: mypy[call-arg] pyright[reportCallIssue]
train({}, ["a"])  # error: mypy[list-item] pyright[reportArgumentType]
text: str = train({}, [1])  # error: mypy[assignment] pyright[reportAssignmentType]
wandb_mixin("train")  # error: mypy[call-overload] pyright[reportArgumentType, reportCallIssue]


class Training(WandbTrainableMixin, tune.Trainable):
    def step(self) -> dict[str, Any]:
        self.wandb.logg({"loss": 1})  # error: mypy[attr-defined] pyright[reportAttributeAccessIssue]
        self.wandb.log("loss")  # error: mypy[arg-type] pyright[reportArgumentType]
        return {"loss": 1}


run = setup_wandb(project="mnist")
run.logg({})  # error: mypy[attr-defined] pyright[reportAttributeAccessIssue]
setup_wandb(projct="mnist")  # error: mypy[call-arg] pyright[reportCallIssue]
setup_wandb(tags="abc")  # error: mypy[arg-type] pyright[reportArgumentType]
setup_wandb(rank_zero_only="no")  # error: mypy[arg-type] pyright[reportArgumentType]
setup_wandb("mnist")  # error: mypy[arg-type] pyright[reportArgumentType]
setup_wandb({}, settings={"project": "mnist"})  # error: mypy[arg-type] pyright[reportArgumentType]
