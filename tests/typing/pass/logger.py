"""WandbLogger in its three forms, and the runs it knows."""

from collections.abc import Mapping
from typing import Any, Literal

from ray import tune
from ray.tune.logger import LoggerCallback
from typing_extensions import assert_type

from typed_tune_wandb import ExperimentRuns, RunRecord, WandbConfigDict, WandbLogger, WandbSettings


def train(config: dict[str, Any]) -> None: ...


defaults: WandbConfigDict = {"project": "mnist", "tags": ["a"]}
callbacks: list[LoggerCallback] = [
    WandbLogger(),
    WandbLogger(WandbSettings(project="mnist")),
    WandbLogger(WandbSettings(project="mnist"), group="a", on_error="raise"),
    WandbLogger(project="mnist", mode="offline", excludes=["timers"], settings={"x_disable_stats": True}),
    WandbLogger(**defaults, upload_checkpoints=True, upload_timeout=60, image_kwargs={"caption": "a"}),
]
logger = WandbLogger(project="mnist")
tune.run(train, callbacks=[logger])
tune.Tuner(train, run_config=tune.RunConfig(callbacks=[logger])).fit()
assert_type(logger.runs, ExperimentRuns)
runs: Mapping[str, RunRecord] = logger.runs
for trial_id, record in logger.runs.items():
    assert_type(trial_id, str)
    assert_type(record.url, str | None)
    assert_type(record.rows, int)
    assert_type(record.state, Literal["opening", "running", "finished", "failed", "interrupted", "lost"])
