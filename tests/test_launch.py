"""The driver as a program that W&B has started: ``wandb agent``, W&B Launch, and SageMaker's part of wandb."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import ray
import wandb
from ray import tune

from tests.support.offline import read_records, read_runs
from tests.wandb_server import WandbServer
from tests.wandb_server.fixture import API_KEY
from typed_tune_wandb import WandbLogger, WandbSettings, WandbTrainableMixin, setup_wandb, wandb_mixin
from typed_tune_wandb._logging import PROCESS_LOG
from typed_tune_wandb.tune._trial_run import TrialContext, TrialRun, resolve_on_driver, settings_from_config

pytestmark = pytest.mark.usefixtures("small_ray")
FAST: dict[str, object] = {"x_file_stream_transmit_interval": 1}
RUN = "agents-run"


@pytest.fixture(params=["agent", "launch"])
def variables(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """What W&B sets for its run, with hyperparameters of its own."""
    shared = {"WANDB_RUN_ID": RUN, "WANDB_PROJECT": "sweeps-project", "WANDB_ENTITY": "sweeps-team"}
    if request.param == "launch":
        return {**shared, "WANDB_LAUNCH": "True", "WANDB_CONFIG": '{"lr": 100}', "WANDB_NAME": "name of the job"}
    parameters = tmp_path / "config-agents-run.yaml"
    parameters.write_text("wandb_version: 1\n\nlr:\n  value: 100\n")
    return {**shared, "WANDB_SWEEP_ID": "sweep1", "WANDB_SWEEP_PARAM_PATH": str(parameters)}


@pytest.fixture
def launched(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The same, in the driver."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


def of_logger(settings: WandbSettings, environ: dict[str, str]) -> tuple[Any, dict[str, Any], list[Any]]:
    def train(config: dict[str, Any]) -> None:
        tune.report({"loss": config["lr"]})

    return train, {}, [WandbLogger(settings)]


def of_function(settings: WandbSettings, environ: dict[str, str]) -> tuple[Any, dict[str, Any], list[Any]]:
    @wandb_mixin
    def train(config: dict[str, Any]) -> None:
        wandb.log({"loss": config["lr"]})
        tune.report({"loss": config["lr"]})

    return train, {"wandb": settings.to_config()}, []


class Mixed(WandbTrainableMixin, tune.Trainable):
    def step(self) -> dict[str, Any]:
        self.wandb.log({"loss": self.config["lr"]})
        return {"loss": self.config["lr"], "done": True}

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
        return {}


def of_class(settings: WandbSettings, environ: dict[str, str]) -> tuple[Any, dict[str, Any], list[Any]]:
    return Mixed, {"wandb": settings.to_config()}, []


def of_setup_wandb(settings: WandbSettings, environ: dict[str, str], first: str = "") -> Any:
    """The processes of Ray have the variables too, as where the driver has started Ray."""

    def train(config: dict[str, Any]) -> None:
        os.environ.update(environ)
        try:
            if first == "wandb is in use":
                wandb.setup()
            run = setup_wandb(config)
            run.log({"loss": config["lr"]})
            run.finish()
            assert environ.items() <= os.environ.items()
        finally:
            wandb.teardown()
            for name in environ:
                del os.environ[name]
        tune.report({"loss": config["lr"]})

    return train, {"wandb": settings.to_config()}, []


def of_setup_wandb_after_wandb(settings: WandbSettings, environ: dict[str, str]) -> Any:
    return of_setup_wandb(settings, environ, "wandb is in use")


WAYS = [of_logger, of_function, of_class, of_setup_wandb, of_setup_wandb_after_wandb]


def fit(way: Any, settings: WandbSettings, environ: dict[str, str], folder: Path) -> None:
    trainable, space, callbacks = way(settings, environ)
    run_config = tune.RunConfig(name="exp", callbacks=callbacks, storage_path=str(folder / "ray"), verbose=0)
    space = {**space, "lr": tune.grid_search([1, 2])}
    grid = tune.Tuner(trainable, param_space=space, run_config=run_config).fit()
    assert [] == grid.errors


@pytest.mark.parametrize("way", WAYS)
def test_each_trial_is_a_run_of_the_agents_sweep(
    way: Any, launched: dict[str, str], wandb_server: WandbServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its project and entity, with the trial's own id and hyperparameters; what the settings say does not count."""
    for name, value in launched.items():
        monkeypatch.setenv(name, value)  # the server's fixture has taken them away
    nested = {**FAST, "base_url": wandb_server.url}
    settings = WandbSettings(project="own", entity="me", dir=tmp_path, api_key=API_KEY, mode="online", settings=nested)
    fit(way, settings, launched, tmp_path)
    assert {("sweeps-team", "sweeps-project")} == {(run.entity, run.project) for run in wandb_server.runs.values()}
    assert [(1, [1]), (2, [2])] == sorted(
        (run.config["lr"], [row["loss"] for row in run.history]) for run in wandb_server.runs.values()
    )
    created: dict[str, Any] = {}
    for request in wandb_server.requests:
        if request.operation == "UpsertBucket" and request.run is not None:
            created.setdefault(request.run, request.variables)  # what comes later changes the run
    assert [launched.get("WANDB_SWEEP_ID")] * 2 == [variables.get("sweep") for variables in created.values()]
    assert RUN not in wandb_server.runs


@pytest.mark.parametrize("way", WAYS)
def test_offline(way: Any, launched: dict[str, str], tmp_path: Path) -> None:
    """The same in the local files."""
    fit(way, WandbSettings(project="own", mode="offline", dir=tmp_path), launched, tmp_path)
    runs = read_runs(tmp_path)
    assert [(1, [1]), (2, [2])] == sorted((run.config["lr"], run.rows("loss")) for run in runs.values())
    assert {("sweeps-team", "sweeps-project")} == {(run.entity, run.project) for run in runs.values()}
    assert {launched.get("WANDB_SWEEP_ID", "")} == {sweep_of(path) for run in runs.values() for path in run.files}
    assert RUN not in runs


def sweep_of(path: Path) -> str:
    """The sweep that a local file names."""
    parse = import_module("wandb.proto.wandb_internal_pb2").Record.FromString
    records = [parse(data) for data in read_records(path.read_bytes())]
    return str(next(record.run.sweep_id for record in records if record.WhichOneof("record_type") == "run"))


def test_another_project_than_the_agents_is_warned_of(
    launched: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, by name."""
    PROCESS_LOG.reset()  # another test may have had it
    fit(of_logger, WandbSettings(project="others", mode="offline", dir=tmp_path), launched, tmp_path)
    (message,) = [r.getMessage() for r in caplog.records if "W&B has started this program" in r.getMessage()]
    assert "project: W&B has started this program for sweeps-project" in message


def test_the_drivers_sweep_counts_not_that_of_the_node(tmp_path: Path) -> None:
    """Ray may have been started by another program, for another sweep."""
    stale = {"WANDB_SWEEP_ID": "stale", "WANDB_PROJECT": "stale", "WANDB_ENTITY": "stale", "WANDB_RUN_ID": "stale"}

    @ray.remote(runtime_env={"env_vars": stale})
    def trial(config: dict[str, Any]) -> None:
        TrialRun(settings_from_config(config), {"lr": 1}, TrialContext("t", "t", "exp")).end(0)
        wandb.teardown()

    config: dict[str, Any] = {"wandb": WandbSettings(project="own", mode="offline", dir=tmp_path).to_config()}
    resolve_on_driver(config)
    ray.get(trial.remote(config))
    (run,) = read_runs(tmp_path).values()
    assert ("own", "t", "") == (run.project, run.id, sweep_of(run.files[0]))


def test_a_plain_script_is_the_agents_run(variables: dict[str, str], tmp_path: Path) -> None:
    """``setup_wandb`` outside of Ray opens the run that the agent has made, with its hyperparameters."""
    program = (
        "from typed_tune_wandb import setup_wandb; run = setup_wandb({'own': 1}, mode='offline'); "
        "run.log({'loss': 1}); run.finish()"
    )
    environ = {**os.environ, **variables, "WANDB_DIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[1])}
    subprocess.run([sys.executable, "-c", program], env=environ, check=True, timeout=120)
    (run,) = read_runs(tmp_path).values()
    assert (RUN, "sweeps-project", 100, 1) == (run.id, run.project, run.config["lr"], run.config["own"])


@pytest.mark.parametrize("way", [of_logger, of_function])
def test_sagemaker_gives_no_ids(way: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There wandb would give each run a random id, and each trial the hyperparameters of the whole job."""
    job = {"SM_TRAINING_ENV": '{"lr": 100}', "TRAINING_JOB_NAME": "job"}
    for name, value in job.items():
        monkeypatch.setenv(name, value)
    fit(way, WandbSettings(project="own", mode="offline", dir=tmp_path), {}, tmp_path)
    runs = read_runs(tmp_path).values()
    assert [1, 2] == sorted(run.config["lr"] for run in runs)
    assert not [run.id for run in runs if run.id.startswith("job")]
