"""A class trainable whose trials record themselves: a linear classifier on scikit-learn's digits.

One process trains all trials, one after the other, and each has a run of its own, in self.wandb.

    WANDB_MODE=offline python examples/class_trainable.py
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import wandb
from ray import tune
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split

from typed_tune_wandb import WandbTrainableMixin

EPOCHS = 5


class Digits(WandbTrainableMixin, tune.Trainable):
    """Trains for an epoch at each step."""

    def setup(self, config: dict[str, Any]) -> None:
        images, digits = load_digits(return_X_y=True)
        self.train_x, self.test_x, self.train_y, self.test_y = train_test_split(images / 16, digits, random_state=0)
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.model = SGDClassifier(loss="log_loss", alpha=new_config["alpha"])
        return True

    def step(self) -> dict[str, Any]:
        self.model.partial_fit(self.train_x, self.train_y, classes=np.arange(10))
        accuracy = self.model.score(self.test_x, self.test_y)
        self.wandb.log({"accuracy": accuracy, "predicted": wandb.Histogram(self.model.predict(self.test_x))})
        return {"accuracy": accuracy}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        Path(checkpoint_dir, "model.pkl").write_bytes(pickle.dumps(self.model))

    def load_checkpoint(self, checkpoint: Any) -> None:
        self.model = pickle.loads(Path(checkpoint, "model.pkl").read_bytes())


if __name__ == "__main__":
    tune.Tuner(
        Digits,
        param_space={"alpha": tune.grid_search([1e-4, 1e-3, 1e-2]), "wandb": {"project": "digits"}},
        tune_config=tune.TuneConfig(reuse_actors=True, max_concurrent_trials=1),
        run_config=tune.RunConfig(stop={"training_iteration": EPOCHS}, verbose=1),
    ).fit()
