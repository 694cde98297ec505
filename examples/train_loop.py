"""A Ray Train (V2) loop of two workers, recorded in one run: that of rank 0.

Both workers fit the same line, each to data of its own.

    WANDB_MODE=offline python examples/train_loop.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from ray import train
from ray.train import RunConfig, ScalingConfig
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

from typed_tune_wandb import setup_wandb

STEPS = 10


def loop(config: dict[str, Any]) -> None:
    """Runs on every worker, and logs on every one; on all but rank 0 the run is a disabled one."""
    run = setup_wandb(config)  # rank_zero_only=False gives each rank a run of its own
    x = np.random.default_rng(train.get_context().get_world_rank()).normal(size=100)
    slope = 0.0
    for _ in range(STEPS):
        error = slope * x - 3 * x
        slope -= config["lr"] * float(np.mean(2 * error * x))
        run.log({"loss": float(np.mean(error**2)), "slope": slope})
    run.finish()  # Ray ends wandb's service together with the worker: what is still open then is lost
    train.report({"slope": slope})


if __name__ == "__main__":
    DataParallelTrainer(
        loop,
        train_loop_config={
            "lr": 0.1,
            # A worker has a folder of its own: the local files are to come here.
            "wandb": {"project": "train-loop", "dir": str(Path.cwd())},
        },
        scaling_config=ScalingConfig(num_workers=2, resources_per_worker={"CPU": 0.5}),
        run_config=RunConfig(name="line"),
    ).fit()
