"""Trainables and small experiments for tests with a real Ray."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from ray import tune

from tests.support.offline import OfflineRun, read_runs
from typed_tune_wandb import WandbLogger, WandbSettings


def fit(trainable: Any, space: dict[str, Any], logger: WandbLogger, folder: Path, **more: Any) -> dict[str, OfflineRun]:
    """Run an experiment and read its runs back, by run id."""
    run_config = {"name": "exp", "storage_path": str(folder / "ray"), "verbose": 0, **more.pop("run_config", {})}
    tune.Tuner(
        trainable,
        param_space=space,
        tune_config=tune.TuneConfig(**more),
        run_config=tune.RunConfig(callbacks=[logger], **run_config),
    ).fit()
    return read_runs(folder)


def offline(folder: Path, **more: Any) -> WandbLogger:
    """A logger that records below a folder."""
    return WandbLogger(WandbSettings(project="p", mode="offline", dir=folder), **more)


class Checkpointed(tune.Trainable):
    """Counts, and can be paused, saved and restored."""

    def setup(self, config: dict[str, Any]) -> None:
        self.count = 0
        self.lr = config["lr"]

    def step(self) -> dict[str, Any]:
        self.count += 1
        time.sleep(0.02)
        return {"score": self.count * self.lr}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        Path(checkpoint_dir, "count").write_text(str(self.count))

    def load_checkpoint(self, checkpoint: Any) -> None:
        self.count = int(Path(checkpoint, "count").read_text())

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.lr = new_config["lr"]
        return True


def endless(config: dict[str, Any]) -> None:
    """A trial that runs until it is stopped, or fails once it and another one are under way."""
    step = 0
    begun = Path(config.get("begun", os.devnull))
    while not (config.get("fails") and step >= 3 and begun.exists()):
        tune.report({"loss": step})
        if config.get("fails") is False:
            begun.touch()
        step += 1
        time.sleep(0.05)
    raise ValueError("on purpose")
