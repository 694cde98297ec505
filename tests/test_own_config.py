"""The entry's own ``config`` counts more than the trial's: at the start, after a retry, and after each turn of PBT."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from ray import tune
from ray.tune.schedulers import PopulationBasedTraining

from tests.support.offline import OfflineRun, read_runs
from typed_tune_wandb import (
    WandbLogger,
    WandbSettings,
    WandbSettingsError,
    WandbTrainableMixin,
    setup_wandb,
    wandb_mixin,
)

pytestmark = pytest.mark.usefixtures("small_ray")
OWN: dict[str, Any] = {"lr": "x", "data": "mnist", "net": {"depth": 3}}


class Training(tune.Trainable):
    """Fails once in its second iteration, where the config says so."""

    def setup(self, config: dict[str, Any]) -> None:
        self.score = 0.0

    def step(self) -> dict[str, Any]:
        mark = Path(self.config["mark"])
        if self.iteration == 1 and not mark.exists():
            mark.touch()
            raise ValueError("on purpose")
        self.score += self.config["lr"]
        return {"score": self.score}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        Path(checkpoint_dir, "score").write_text(json.dumps(self.score))

    def load_checkpoint(self, checkpoint: Any) -> None:
        self.score = json.loads(Path(checkpoint, "score").read_text())

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        return True


class Mixed(WandbTrainableMixin, Training):
    pass


@wandb_mixin
def mixed(config: dict[str, Any]) -> None:
    checkpoint: Any = tune.get_checkpoint()
    score = json.loads(Path(checkpoint.path, "score").read_text()) if checkpoint else 0
    while True:
        score += config["lr"]
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "score").write_text(json.dumps(score))
            tune.report({"score": score}, checkpoint=tune.Checkpoint(folder))


def fit(trainable: Any, own: dict[str, Any] | str, folder: Path, *, pbt: bool = False) -> list[OfflineRun]:
    """Run an experiment: one trial that fails and is retried, or three trials under PBT."""
    entry = {"project": "p", "mode": "offline", "dir": str(folder), "config": own}
    lrs = [0.1, 1.0, 10.0] if pbt else [0.1]
    mark = folder / "mark"
    if pbt:
        mark.touch()
    scheduler = PopulationBasedTraining(perturbation_interval=2, hyperparam_mutations={"lr": lrs}) if pbt else None
    tune.Tuner(
        trainable,
        param_space={"lr": tune.grid_search(lrs), "net": {"width": 2}, "mark": str(mark), "wandb": entry},
        tune_config=tune.TuneConfig(scheduler=scheduler, metric="score", mode="max"),
        run_config=tune.RunConfig(
            callbacks=[WandbLogger()] if trainable is Training else [],
            stop={"training_iteration": 6},
            storage_path=str(folder / "ray"),
            failure_config=tune.FailureConfig(max_failures=1),
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0 if trainable is mixed else 1),
            verbose=0,
        ),
    ).fit()
    return [*read_runs(folder).values()]


@pytest.mark.parametrize("trainable", [Training, Mixed], ids=["logger", "class mixin"])
def test_after_a_retry(trainable: Any, tmp_path: Path) -> None:
    """The run goes on with the config that it had."""
    (run,) = fit(trainable, OWN, tmp_path)
    assert {**OWN, "mark": str(tmp_path / "mark")} == {key: run.config[key] for key in (*OWN, "mark")}
    assert (tmp_path / "mark").exists()


@pytest.mark.parametrize("trainable", [Training, Mixed, mixed], ids=["logger", "class mixin", "mixin"])
def test_after_an_exploit(trainable: Any, tmp_path: Path) -> None:
    """A trial that goes on with the config of another one keeps the entry's own."""
    runs = fit(trainable, OWN, tmp_path, pbt=True)
    assert [OWN] * 3 == [{key: run.config[key] for key in OWN} for run in runs]


def test_of_a_file(tmp_path: Path) -> None:
    """Its content counts like a dict, with credentials redacted; the trial's config is there beside it."""
    file = tmp_path / "config.yaml"
    file.write_text("wandb_version: 1\nlr: {value: x}\ndb: {value: {password: hunter2}}\n")
    (run,) = fit(Training, str(file), tmp_path)
    assert ("x", {"width": 2}) == (run.config["lr"], run.config["net"])
    assert "***" == run.config["db"]["password"][:3]
    given = setup_wandb({"lr": 1}, settings=WandbSettings(project="p", mode="disabled", config=str(file)))
    assert "***" == given.config["db"]["password"][:3]


@pytest.mark.parametrize("content", [None, "lr: 2", "[1]", "{", "", "1: {value: 2}", "wandb_version: 7"])
@pytest.mark.parametrize("trainable", [Training, Mixed], ids=["logger", "class mixin"])
def test_a_file_that_cannot_be_read(trainable: Any, content: str | None, tmp_path: Path) -> None:
    """It is a mistake before the first trial; no text of the file is shown."""
    file = tmp_path / "config.yaml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(WandbSettingsError, match="config: ") as caught:
        fit(trainable, str(file), tmp_path)
    assert "value: 2" not in str(caught.value)
    assert not (tmp_path / "mark").exists()
