"""A W&B run inside the trial's own process, offline, the runs read back row by row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import wandb
from ray import tune

from tests.offline import OfflineRun, read_runs
from typed_tune_wandb import WandbSettings, WandbTrainableMixin, setup_wandb, wandb_mixin

pytestmark = pytest.mark.usefixtures("small_ray")


def fit(trainable: Any, space: dict[str, Any], folder: Path, **run_config: Any) -> dict[str, OfflineRun]:
    """Run an experiment whose trials record themselves, and read their runs back."""
    entry = {"project": "p", "mode": "offline", "dir": str(folder)}
    tune.Tuner(
        trainable,
        param_space={**space, "wandb": entry},
        run_config=tune.RunConfig(name="exp", storage_path=str(folder / "ray"), verbose=0, **run_config),
    ).fit()
    return read_runs(folder)


@wandb_mixin
def logs(config: dict[str, Any]) -> None:
    assert "wandb" not in config
    print("hello from the trial")
    for step in range(3):
        wandb.log({"loss": config["lr"] * step})
    if config["lr"] == 3:
        raise ValueError("on purpose")
    tune.report({"loss": 1})


def test_a_decorated_function_records_itself(tmp_path: Path) -> None:
    """N trials are N runs with Tune's id, name, group and config; wandb.log works; a failed trial's run ends failed."""
    runs = fit(logs, {"lr": tune.grid_search([1, 2, 3])}, tmp_path)
    assert 3 == len(runs)
    for run in runs.values():
        lr = run.config["lr"]
        assert [0, lr, 2 * lr] == run.rows("loss")
        assert ("p", "exp") == (run.project, run.group)
        assert run.display_name.endswith(run.id)
        assert "wandb" not in run.config
        assert (1 if lr == 3 else 0) == run.exit_code
        assert "hello from the trial" in "".join(run.console)


class Counts(WandbTrainableMixin, tune.Trainable):
    def setup(self, config: dict[str, Any]) -> None:
        self.count = 0

    def step(self) -> dict[str, Any]:
        self.count += 1
        self.wandb.log({"count": self.count})
        return {"count": self.count}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        Path(checkpoint_dir, "count").write_text(str(self.count))


def test_a_class_with_the_mixin_records_itself(tmp_path: Path) -> None:
    """``self.wandb`` is the trial's run, and it ends finished."""
    runs = fit(Counts, {"lr": tune.grid_search([1, 2])}, tmp_path, stop={"training_iteration": 3})
    assert 2 == len(runs)
    for run in runs.values():
        assert [1, 2, 3] == run.rows("count")
        assert 0 == run.exit_code


def test_anything_else_is_a_type_error() -> None:
    """It says what the decorator takes."""
    with pytest.raises(TypeError, match="wandb_mixin takes"):
        wandb_mixin(3)  # type: ignore[call-overload]  # what is tested


def test_setup_wandb_outside_tune(tmp_path: Path) -> None:
    """A plain script gets a run of its settings; the entry of a config counts, and is not recorded."""
    settings = WandbSettings(project="p", mode="offline", dir=tmp_path)
    run = setup_wandb({"lr": 1, "wandb": {"name": "plain"}}, settings=settings)
    run.log({"loss": 1})
    run.finish()
    (read,) = read_runs(tmp_path).values()
    assert ("plain", {"lr": 1}) == (read.display_name, {k: v for k, v in read.config.items() if k != "_wandb"})
    assert [1] == read.rows("loss")
