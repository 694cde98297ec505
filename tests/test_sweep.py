"""WandbLogger(sweep=True): the experiment is a W&B sweep, and every trial's run belongs to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ray import tune

from tests.support.online import FAST_UPLOADS
from tests.wandb_server import WandbServer
from typed_tune_wandb import ExperimentRuns, WandbLogger

pytestmark = [pytest.mark.online, pytest.mark.usefixtures("small_ray")]

SPACE: dict[str, Any] = {
    "lr": tune.loguniform(1e-4, 1e-1),
    "model": {"layers": tune.randint(1, 5), "kind": tune.choice(["a", "b"])},
    "seed": 7,
}


def train(config: dict[str, Any]) -> None:
    for step in range(3):
        if step == 2 and config.get("fails") and not Path(config["fails"]).exists():
            raise ValueError("on purpose")
        tune.report({"loss": step})


def tuner(logger: WandbLogger, folder: Path, space: dict[str, Any], **more: Any) -> tune.Tuner:
    run_config = tune.RunConfig(callbacks=[logger], storage_path=str(folder / "ray"), name="exp", verbose=0)
    return tune.Tuner(train, param_space=space, tune_config=tune.TuneConfig(**more), run_config=run_config)


def test_the_experiment_is_a_sweep_of_all_its_runs(wandb_server: WandbServer, tmp_path: Path) -> None:
    """One sweep, from Tune's space; the runs keep project, names, groups and ids; at the end it is finished."""
    logger = WandbLogger(project="p", settings=FAST_UPLOADS, sweep=True)
    tuner(logger, tmp_path, SPACE, num_samples=3, metric="loss", mode="min").fit()
    (sweep,) = wandb_server.sweeps
    assert {
        "name": "exp",
        "method": "random",
        "metric": {"name": "loss", "goal": "minimize"},
        "parameters": {
            "lr": {"distribution": "log_uniform_values", "min": 1e-4, "max": 1e-1},
            "model": {
                "parameters": {
                    "layers": {"distribution": "int_uniform", "min": 1, "max": 4},
                    "kind": {"values": ["a", "b"]},
                }
            },
            "seed": {"value": 7},
        },
    } == sweep.config
    assert ("p", wandb_server.runs.popitem()[1].entity, "FINISHED") == (sweep.project, sweep.entity, sweep.state)
    assert 3 == len(wandb_server.runs) == len(logger.runs)
    for run_id, run in wandb_server.runs.items():
        trial_id = run_id.partition("-")[0]
        assert (sweep.id, "p", "exp", f"train_{trial_id}") == (run.sweep, run.project, run.group, run.display_name)
        assert [0, 1, 2] == [row["loss"] for row in run.history]
    for runs in (logger.runs, ExperimentRuns.load(tmp_path / "ray" / "exp")):
        assert runs.sweep is not None
        assert (sweep.id, True, None) == (runs.sweep.id, runs.sweep.finished, runs.sweep.problem)
        assert f"{wandb_server.url}/{sweep.entity}/p/sweeps/{sweep.id}" == runs.sweep.url
