"""Population based training: trials are paused, cloned and restored, and each one's run goes on.

Gradient descent in a narrow valley, where the best step size changes on the way.

    WANDB_MODE=offline python examples/pbt.py
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import wandb
from ray import tune
from ray.tune.schedulers import PopulationBasedTraining

from typed_tune_wandb import wandb_mixin

STEPS = 8


@wandb_mixin
def descend(config: dict[str, Any]) -> None:
    """Go down from where the trial, or the one that it was cloned from, has stood."""
    state = {"step": 0, "x": 10.0, "y": 10.0}
    checkpoint: tune.Checkpoint | None = tune.get_checkpoint()
    if checkpoint is not None:
        with checkpoint.as_directory() as folder:
            state = json.loads(Path(folder, "state.json").read_text())
    while True:
        state["step"] += 1
        state["x"] -= config["lr"] * state["x"]
        state["y"] -= config["lr"] * 9 * state["y"]
        loss = state["x"] ** 2 + 9 * state["y"] ** 2
        wandb.log({"loss": loss, "lr": config["lr"], "step": state["step"]})
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "state.json").write_text(json.dumps(state))
            tune.report({"loss": loss}, checkpoint=tune.Checkpoint.from_directory(folder))


if __name__ == "__main__":
    pbt = PopulationBasedTraining(perturbation_interval=4, hyperparam_mutations={"lr": tune.uniform(0.01, 0.2)})
    tune.Tuner(
        descend,
        param_space={"lr": tune.uniform(0.01, 0.2), "wandb": {"project": "pbt"}},
        tune_config=tune.TuneConfig(
            metric="loss", mode="min", num_samples=3, scheduler=pbt, reuse_actors=True, max_concurrent_trials=2
        ),
        run_config=tune.RunConfig(stop={"training_iteration": STEPS}, verbose=1),
    ).fit()
