"""The experiment as a W&B sweep: W&B draws parallel coordinates and the importance of hyperparameters by itself.

Four fits of a polynomial to a noisy sine. Offline by default; online where a key is in WANDB_API_KEY.

    python examples/sweep.py
"""

from __future__ import annotations

import os
import shlex
from typing import Any

import numpy as np
from ray import tune

from typed_tune_wandb import WandbLogger


def train(config: dict[str, Any]) -> None:
    """Fit a polynomial by least squares with a penalty, on more and more points."""
    model = config["model"]
    random = np.random.default_rng(0)
    test_x = np.linspace(-1, 1, 200)
    for count in (20, 40, 80):
        x = random.uniform(-1, 1, count)
        powers = np.vander(x, model["degree"] + 1)
        target = np.sin(3 * x) + random.normal(scale=config["noise"], size=count)
        weights = np.linalg.solve(powers.T @ powers + model["penalty"] * np.eye(powers.shape[1]), powers.T @ target)
        error = np.vander(test_x, model["degree"] + 1) @ weights - np.sin(3 * test_x)
        tune.report({"error": float(np.mean(error**2))})


def main() -> None:
    """Search, and say where the sweep is."""
    mode = os.environ.get("WANDB_MODE") or ("online" if os.environ.get("WANDB_API_KEY") else "offline")
    logger = WandbLogger(project="polynomials", mode="online" if mode == "online" else "offline", sweep=True)
    space = {
        # randint ends before 4: W&B is told that the degree is at most 3.
        "model": {"degree": tune.randint(1, 4), "penalty": tune.loguniform(1e-6, 1.0)},
        "noise": 0.1,
    }
    tuner = tune.Tuner(
        train,
        param_space=space,
        tune_config=tune.TuneConfig(metric="error", mode="min", num_samples=4),
        run_config=tune.RunConfig(callbacks=[logger], verbose=0),
    )
    results = tuner.fit()
    sweep = logger.runs.sweep
    if sweep is not None and sweep.url is not None:
        print(f"The sweep: {sweep.url}")
    else:
        print(f"The sweep, when you upload it by: typed-tune-wandb sync {shlex.quote(results.experiment_path)}")


if __name__ == "__main__":
    main()
