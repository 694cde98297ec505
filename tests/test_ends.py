"""However an experiment or a trial ends, its runs end likewise, with every row."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ray import tune
from ray.tune.schedulers import AsyncHyperBandScheduler, HyperBandScheduler
from ray.tune.stopper import FunctionStopper

from tests.support.offline import OfflineRun, read_runs
from tests.support.trainables import Checkpointed, endless, fit, offline
from typed_tune_wandb import WandbLogger, WandbRunError, restored_with

pytestmark = pytest.mark.usefixtures("small_ray")


class Observer(tune.Callback):
    """Notes which results Tune has seen."""

    def __init__(self) -> None:
        self.seen: dict[str, list[int]] = {}

    def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **info: Any) -> None:
        self.seen.setdefault(trial.trial_id, []).append(result["training_iteration"])


@pytest.mark.parametrize(
    "stop", [{"training_iteration": 4}, FunctionStopper(lambda trial_id, result: result["loss"] >= 3)]
)
def test_a_stopped_trial_is_a_finished_run(stop: Any, tmp_path: Path) -> None:
    """By ``stop`` and by a stopper: exit code 0, the rows up to there."""
    logger = offline(tmp_path)
    (run,) = fit(endless, {}, logger, tmp_path, run_config={"stop": stop}).values()
    assert ([0, 1, 2, 3], 0) == (run.rows("loss"), run.exit_code)
    assert "finished" == logger.runs[run.trial_id].state


def test_fail_fast_ends_the_others_runs_as_interrupted(tmp_path: Path) -> None:
    """The failed trial's run fails; those that Tune ended for it are neither finished nor failed."""
    logger = offline(tmp_path)
    space = {"fails": tune.grid_search([True, False]), "begun": str(tmp_path / "begun")}
    failing = tune.FailureConfig(fail_fast=True)
    runs = fit(endless, space, logger, tmp_path, run_config={"failure_config": failing})
    states = {run.config["fails"]: (logger.runs[run.trial_id].state, run.exit_code) for run in runs.values()}
    assert {True: ("failed", 1), False: ("interrupted", 130)} == states


@pytest.mark.parametrize("scheduler", [HyperBandScheduler(max_t=8), AsyncHyperBandScheduler(max_t=8, grace_period=2)])
def test_hyperband_pauses_and_stops(scheduler: Any, tmp_path: Path) -> None:
    """A run per trial with each result that Tune saw; stopped in the middle is finished."""
    logger, observer = offline(tmp_path), Observer()
    tune.Tuner(
        Checkpointed,
        param_space={"lr": tune.grid_search([1.0, 2.0, 3.0, 4.0])},
        tune_config=tune.TuneConfig(scheduler=scheduler, metric="score", mode="max"),
        run_config=tune.RunConfig(
            callbacks=[logger, observer], storage_path=str(tmp_path / "ray"), verbose=0, stop={"training_iteration": 8}
        ),
    ).fit()
    runs = read_runs(tmp_path)
    assert observer.seen == {run.trial_id: run.rows("training_iteration") for run in runs.values()}
    assert [(0, 1)] * 4 == [(run.exit_code, len(run.files)) for run in runs.values()]


def test_a_lost_run_ends_the_experiment_if_that_is_wanted(tmp_path: Path) -> None:
    """``on_error="raise"``: the cause is in the error; by default, the others are recorded."""

    class Saboteur(tune.Callback):
        """Takes the folder away that the first trial's run is to be recorded in."""

        def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
            if trial.config["lr"] == 1:
                shutil.rmtree(tmp_path / "1", ignore_errors=True)
                (tmp_path / "1").touch()

    def slow(config: dict[str, Any]) -> None:
        for step in range(20):
            tune.report({"loss": step})
            time.sleep(0.2)

    def search(logger: WandbLogger) -> dict[int, OfflineRun]:
        (tmp_path / "1").unlink(missing_ok=True)
        entry = {"dir": tune.sample_from(lambda spec: str(tmp_path / str(spec.config["lr"])))}
        tune.Tuner(
            slow,
            param_space={"lr": tune.grid_search([1, 2]), "wandb": entry},
            run_config=tune.RunConfig(callbacks=[Saboteur(), logger], storage_path=str(tmp_path / "ray"), verbose=0),
        ).fit()
        return {run.config["lr"]: run for run in read_runs(tmp_path / "2").values()}

    with pytest.raises(WandbRunError, match=r"is lost: .*Error"):
        search(WandbLogger(project="p", mode="offline", on_error="raise"))
    shutil.rmtree(tmp_path / "2", ignore_errors=True)
    logger = WandbLogger(project="p", mode="offline")
    assert {2: list(range(20))} == {lr: run.rows("loss") for lr, run in search(logger).items()}
    assert ["finished", "lost"] == sorted(record.state for record in logger.runs.values())


_INTERRUPTED = """
import sys
from pathlib import Path
import ray
from ray import tune
from tests.support.trainables import endless, offline

folder = Path(sys.argv[1])
ray.init(address="local", num_cpus=2, include_dashboard=False, object_store_memory=100_000_000, log_to_driver=False)
logger = offline(folder)
class Tell(tune.Callback):
    def on_trial_result(self, iteration, trials, trial, result, **info):
        if result["training_iteration"] == 5:
            print("running", flush=True)
config = tune.RunConfig(storage_path=str(folder / "ray"), callbacks=[logger, Tell()], verbose=0)
tune.Tuner(endless, run_config=config).fit()
print(*[run.state for run in logger.runs.values()])
"""


def test_ctrl_c_ends_the_runs_as_interrupted(tmp_path: Path) -> None:
    """One SIGINT: every row that came is there, exit code 130, and the program goes on in bounded time."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    driver = subprocess.Popen(
        [sys.executable, "-c", _INTERRUPTED, str(tmp_path)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert driver.stdout is not None
    assert "running\n" in iter(driver.stdout.readline, "")
    driver.send_signal(signal.SIGINT)
    output, _ = driver.communicate(timeout=60)
    assert ["interrupted"] == output.split()[-1:]
    (run,) = read_runs(tmp_path).values()
    assert 130 == run.exit_code
    assert list(range(len(run.history))) == run.rows("loss")
    assert len(run.history) >= 5


def test_a_restored_experiment_takes_other_settings(tmp_path: Path) -> None:
    """``restored_with`` counts more than the logger's settings and the trial's entry; the run's id and steps go on."""
    space = {"lr": 1.0, "wandb": {"tags": ["before"], "dir": str(tmp_path / "before")}}
    run_config = {"stop": {"training_iteration": 3}, "checkpoint_config": tune.CheckpointConfig(checkpoint_frequency=1)}

    class Fails(Checkpointed):
        def step(self) -> dict[str, Any]:
            if self.count == 2 and not (tmp_path / "failed").exists():
                (tmp_path / "failed").touch()
                raise ValueError("on purpose")
            return super().step()

    fit(Fails, space, offline(tmp_path), tmp_path, run_config=run_config)
    with restored_with(project="q", dir=tmp_path / "after", tags=["after"]):
        tuner = tune.Tuner.restore(str(tmp_path / "ray" / "exp"), Fails, resume_errored=True)
    tuner.fit()
    (before,) = read_runs(tmp_path / "before").values()
    (after,) = read_runs(tmp_path / "after").values()
    assert before.id == after.id
    assert ("p", ["before"], [1, 2], 1) == (before.project, before.tags, before.rows("_step"), before.exit_code)
    assert ("q", ["after"], [3], 0) == (after.project, after.tags, after.rows("_step"), after.exit_code)
