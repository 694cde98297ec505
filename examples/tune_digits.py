"""The main job: a hyperparameter search on scikit-learn's digits, every trial a W&B run.

Offline by default, so that it runs anywhere; online where a key is in WANDB_API_KEY. 10 trials, ASHA, learning curves,
and one search-space choice inside the W&B entry itself: the tags.

    python examples/tune_digits.py
"""

from __future__ import annotations

import os
import shlex
from typing import Any, Literal

import numpy as np
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from typed_tune_wandb import WandbLogger

EPOCHS = 30


def train(config: dict[str, Any]) -> None:
    """Train a linear classifier on the digits, and report after every epoch."""
    images, digits = load_digits(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(images / 16, digits, random_state=0)
    model = SGDClassifier(
        loss="log_loss", penalty=config["penalty"], alpha=config["alpha"], learning_rate="constant", eta0=config["eta0"]
    )
    order = np.random.default_rng(0)
    for _ in range(EPOCHS):
        shuffled = order.permutation(len(train_x))
        model.partial_fit(train_x[shuffled], train_y[shuffled], classes=np.arange(10))
        loss = log_loss(test_y, model.predict_proba(test_x), labels=np.arange(10))
        tune.report({"accuracy": model.score(test_x, test_y), "loss": loss})


def main() -> None:
    """Search, and say where the runs are."""
    mode: Literal["online", "offline"] = "online" if os.environ.get("WANDB_API_KEY") else "offline"
    logger = WandbLogger(project="digits", mode=mode)
    tuner = tune.Tuner(
        train,
        param_space={
            "alpha": tune.loguniform(1e-5, 1e-1),
            "eta0": tune.loguniform(1e-3, 1.0),
            "penalty": tune.choice(["l1", "l2", "elasticnet"]),
            # The entry overrides the logger field by field, and it may be searched like everything else.
            "wandb": {"tags": tune.choice([["baseline"], ["candidate"]]), "log_config": True},
        },
        tune_config=tune.TuneConfig(
            metric="accuracy",
            mode="max",
            num_samples=10,
            scheduler=ASHAScheduler(max_t=EPOCHS, grace_period=5),
        ),
        run_config=tune.RunConfig(callbacks=[logger], verbose=1),
    )
    best = tuner.fit().get_best_result()

    print(f"\nThe best accuracy is {best.metrics['accuracy']:.3f}." if best.metrics else "\nNo result.")
    print(f"{len(logger.runs)} runs:")
    for run in logger.runs.values():
        print(f"  {run.name}  {run.state:<11} {run.rows:>3} rows  {run.where}")
    if mode == "offline":
        run = next(iter(logger.runs.values()))
        print(f"Look at one in the terminal:  wandb leet {shlex.quote(run.folder)}")
        print(f"Upload one to W&B:            {run.sync_command}")


if __name__ == "__main__":
    main()
