"""WandbLogger(sweep=True): the experiment is a W&B sweep, and every trial's run belongs to it."""

from __future__ import annotations

import logging
import os
import re
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import wandb
from ray import tune

from tests.support.online import FAST_UPLOADS
from tests.wandb_server import Fault, WandbServer
from typed_tune_wandb import ExperimentRuns, WandbLogger, WandbRunError, WandbSettingsError, wandb_mixin, with_sweep
from typed_tune_wandb.experiment import sync_runs

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


def test_no_sweep_unless_asked_for(wandb_server: WandbServer, tmp_path: Path) -> None:
    """The server is not asked, and what is kept of the experiment says nothing of one."""
    logger = WandbLogger(project="p", settings=FAST_UPLOADS)
    tuner(logger, tmp_path, {"lr": 1}).fit()
    assert [] == wandb_server.requests_for("UpsertSweep")
    assert None is logger.runs.sweep
    assert '"sweep"' not in (tmp_path / "ray" / "exp" / "wandb_runs.json").read_text()


def test_a_server_that_refuses_sweeps_costs_the_sweep_alone(
    wandb_server: WandbServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning; the runs are recorded online, without a sweep. The sweep is created by a later sync."""
    fault = wandb_server.faults.add(Fault("UpsertSweep", status=400, message="no sweeps here"))
    logger = WandbLogger(project="p", settings=FAST_UPLOADS, sweep=True)
    with caplog.at_level(logging.WARNING):
        tuner(logger, tmp_path, {"lr": tune.grid_search([1, 2])}).fit()
    warnings = [record.getMessage() for record in caplog.records if "sweep" in record.getMessage()]
    assert 1 == len(warnings)
    assert "could not be created" in warnings[0]
    assert [(None, [0, 1, 2])] * 2 == [
        (run.sweep, [row["loss"] for row in run.history]) for run in wandb_server.all_runs
    ]
    assert {"finished"} == {run.state for run in logger.runs.values()}
    wandb_server.faults.remove(fault)
    synced = sync_runs(ExperimentRuns.load(tmp_path / "ray" / "exp"))
    (sweep,) = wandb_server.sweeps
    assert {*sweep.prior_runs} == {run.id for run in wandb_server.all_runs}
    assert synced.sweep is not None
    assert (sweep.id, None) == (synced.sweep.id, synced.sweep.problem)


def test_a_restored_experiment_goes_on_in_its_sweep(wandb_server: WandbServer, tmp_path: Path) -> None:
    """A trial that failed is tried again in a new session: its run belongs to the one sweep."""
    marker = tmp_path / "marker"
    space = {"fails": tune.grid_search([str(marker), ""])}
    first = tuner(WandbLogger(project="p", settings=FAST_UPLOADS, sweep=True), tmp_path, space).fit()
    assert 1 == len(first.errors)
    (sweep,) = wandb_server.sweeps
    assert "grid" == sweep.config["method"]
    marker.touch()
    seen = len(wandb_server.requests_for("UpsertBucket"))
    restored = tune.Tuner.restore(first.experiment_path, trainable=train, restart_errored=True)
    assert not restored.fit().errors
    later = [asked.variables.get("sweep") for asked in wandb_server.requests_for("UpsertBucket")[seen:]]
    assert sweep.id in later
    assert [sweep] == wandb_server.sweeps
    assert {sweep.id} == {run.sweep for run in wandb_server.all_runs}
    assert sweep.id == getattr(ExperimentRuns.load(first.experiment_path).sweep, "id", None)


def slow(config: dict[str, Any]) -> None:
    for step in range(40):
        tune.report({"loss": step})
        time.sleep(0.2)


def test_a_worker_that_is_killed_costs_no_second_sweep(wandb_server: WandbServer, tmp_path: Path) -> None:
    """Before the sweep is there: the next worker waits for the same one. No run and no row is lost."""
    wandb_server.faults.add(Fault("UpsertSweep", delay=3, times=1))
    logger = WandbLogger(project="p", settings=FAST_UPLOADS, sweep=True)

    def kill() -> None:
        wandb_server.wait_until(lambda: wandb_server.requests_for("UpsertSweep"), 120)
        process = logger._session.recorder._supervisor._process
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)

    killing = threading.Thread(target=kill)
    killing.start()
    run_config = tune.RunConfig(callbacks=[logger], storage_path=str(tmp_path / "ray"), name="exp", verbose=0)
    tune.Tuner(slow, param_space={"lr": tune.grid_search([1, 2])}, run_config=run_config).fit()
    killing.join()
    (sweep,) = wandb_server.sweeps
    assert [(sweep.id, [*range(40)])] * 2 == [
        (run.sweep, [row["loss"] for row in run.history]) for run in wandb_server.all_runs
    ]


def test_offline_the_sweep_is_created_by_sync(wandb_server: WandbServer, tmp_path: Path) -> None:
    """Its configuration is kept; sync uploads the runs, and then creates the sweep of them, once."""
    logger = WandbLogger(project="p", mode="offline", dir=tmp_path, sweep=True)
    tuner(logger, tmp_path, {"lr": tune.uniform(0, 1)}, num_samples=2, metric="loss", mode="max").fit()
    assert [] == wandb_server.requests
    folder = tmp_path / "ray" / "exp"
    kept = ExperimentRuns.load(folder)
    assert kept.sweep is not None
    assert (None, None, "p") == (kept.sweep.id, kept.sweep.url, kept.sweep.project)
    for _ in range(2):
        synced = sync_runs(ExperimentRuns.load(folder))
        (sweep,) = wandb_server.sweeps
        assert kept.sweep.config == sweep.config
        assert [*synced.not_uploaded] == []
        assert {run.id for run in synced.values()} == {*sweep.prior_runs} == {run.id for run in wandb_server.all_runs}
        assert synced.sweep is not None
        assert (sweep.id, True) == (synced.sweep.id, synced.sweep.finished)


def test_a_sweep_of_the_users_own_counts_more(wandb_server: WandbServer, tmp_path: Path) -> None:
    """What ``settings`` names is the run's sweep; none is made."""
    own = WandbLogger(project="p", settings={**FAST_UPLOADS, "sweep_id": "mine"}, sweep=True)
    tuner(own, tmp_path, {"lr": 1}).fit()
    assert (["mine"], []) == ([run.sweep for run in wandb_server.all_runs], wandb_server.sweeps)


def test_the_sweep_is_created_with_the_runs_key(
    wandb_server: WandbServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An explicit key is in no variable and no file; in W&B's configuration neither."""
    key = "fedcba9876543210" * 2 + "fedcba98"
    monkeypatch.delenv("WANDB_API_KEY")
    wandb_server.accepted_keys = {key}
    logger = WandbLogger(project="p", api_key=key, settings=FAST_UPLOADS, sweep=True)
    tuner(logger, tmp_path, {"api_key": key, "lr": tune.choice([1, 2])}).fit()
    (sweep,) = wandb_server.sweeps
    assert ("FINISHED", {key}) == (sweep.state, wandb_server.keys_seen)
    assert key not in str(sweep.config)
    assert key not in (tmp_path / "ray" / "exp" / "wandb_runs.json").read_text()


@wandb_mixin
def logs_itself(config: dict[str, Any]) -> None:
    wandb.log({"loss": config["lr"]})


def test_runs_of_the_mixin_belong_to_a_sweep(wandb_server: WandbServer, tmp_path: Path) -> None:
    """Which the program creates; project, groups and the entry's search values are as ever."""
    entry: dict[str, Any] = {"project": "p", "tags": tune.choice([["a"], ["b"]]), "settings": FAST_UPLOADS}
    space = {"lr": tune.grid_search([1, 2]), "wandb": entry}
    swept = with_sweep(space, name="mine", metric="loss", goal="minimize")
    assert "sweep_id" not in entry["settings"]
    run_config = tune.RunConfig(storage_path=str(tmp_path), name="exp", verbose=0)
    tune.Tuner(logs_itself, param_space=swept, run_config=run_config).fit()
    (sweep,) = wandb_server.sweeps
    assert ("mine", {"name": "loss", "goal": "minimize"}, {"lr": {"values": [1, 2]}}) == tuple(
        sweep.config[key] for key in ("name", "metric", "parameters")
    )
    assert [(sweep.id, "p", "exp")] * 2 == [(run.sweep, run.project, run.group) for run in wandb_server.all_runs]
    assert {"a", "b"} >= {tag for run in wandb_server.all_runs for tag in run.tags}
    wandb_server.faults.add(Fault("UpsertSweep", status=403, message="no permission"))
    with pytest.raises(WandbRunError, match="could not be created"):
        with_sweep(space)


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        ({"lr": 1}, "no W&B entry"),
        ({"wandb": {"project": tune.choice(["a", "b"])}}, "project: expected a value, got a search value"),
        ({"wandb": {"projct": "a"}}, 'projct: unknown key. Did you mean "project"'),
    ],
)
def test_mistakes_of_a_space_with_a_sweep(space: dict[str, Any], expected: str) -> None:
    """They are found before the server is asked."""
    with pytest.raises(WandbSettingsError, match=re.escape(expected)):
        with_sweep(space)
