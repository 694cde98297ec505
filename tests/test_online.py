"""WandbLogger online: the real wandb client against a W&B server on this machine."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from ray import tune
from ray.tune.schedulers import PopulationBasedTraining

from tests.support.online import FAST_UPLOADS
from tests.support.trainables import Checkpointed
from tests.wandb_server import WandbServer
from tests.wandb_server.faults import Fault
from typed_tune_wandb import WandbLogger, WandbLoginError, WandbRunError

pytestmark = pytest.mark.usefixtures("small_ray")


def train(config: dict[str, Any]) -> None:
    for step in range(config.get("rows", 20)):
        tune.report({"loss": step})
        time.sleep(config.get("pause", 0.0))
    if config.get("fails"):
        raise ValueError("on purpose")


def fit(space: dict[str, Any], logger: WandbLogger, folder: Path) -> None:
    run_config = tune.RunConfig(callbacks=[logger], storage_path=str(folder / "ray"), name="exp", verbose=0)
    tune.Tuner(train, param_space=space, run_config=run_config).fit()


def test_every_trial_is_a_run_on_the_server_with_every_row_once(wandb_server: WandbServer, tmp_path: Path) -> None:
    """id, name, group, config, rows and exit code arrive; the logger knows the pages."""
    logger = WandbLogger(project="p", settings=FAST_UPLOADS)
    fit({"lr": tune.grid_search([1, 2, 3]), "fails": tune.grid_search([False, True])}, logger, tmp_path)
    assert 6 == len(wandb_server.runs) == len(logger.runs)
    for run_id, run in wandb_server.runs.items():
        assert list(range(20)) == [row["loss"] for row in run.history]
        trial_id = run_id.partition("-")[0]
        assert ("exp", f"train_{trial_id}") == (run.group, run.display_name)
        assert (1 if run.config["fails"] else 0) == run.exit_code
        info = logger.runs[trial_id]
        assert (run_id, True, 20) == (info.id, wandb_server.url in str(info.url), info.rows)


def test_a_server_that_is_down_for_a_while_costs_no_row(wandb_server: WandbServer, tmp_path: Path) -> None:
    """Down for 6 s in the middle: training goes on, every row arrives once."""
    logger = WandbLogger(project="p", settings=FAST_UPLOADS)
    wandb_server.faults.add(Fault("file_stream", status=500, times=2))

    def go_down() -> None:
        wandb_server.wait_until(lambda: any(run.history for run in wandb_server.runs.values()), 60)
        wandb_server.go_down_for(6)

    outage = threading.Thread(target=go_down)
    outage.start()
    fit({"pause": 0.1, "rows": 60}, logger, tmp_path)
    outage.join()
    (run,) = wandb_server.runs.values()
    assert list(range(60)) == [row["loss"] for row in run.history]
    assert ["finished"] == [record.state for record in logger.runs.values()]


def test_a_wrong_key_ends_the_experiment_before_it_trains(wandb_server: WandbServer, tmp_path: Path) -> None:
    """The message names the source of the key and the server, never the key."""
    key = "f" * 40
    wandb_server.refused_keys.add(key)
    started = time.monotonic()
    with pytest.raises(WandbLoginError) as caught:
        fit({}, WandbLogger(project="p", api_key=key), tmp_path)
    assert time.monotonic() - started < 90
    assert "does not take the API key from the field api_key" in str(caught.value)
    assert wandb_server.url in str(caught.value)
    assert key not in str(caught.value)
    assert {} == wandb_server.runs


def test_a_key_without_permission_is_not_a_wrong_one(wandb_server: WandbServer, tmp_path: Path) -> None:
    """By what the server says."""
    wandb_server.faults.add(Fault(status=403, message="permission denied", times=100))
    with pytest.raises(WandbLoginError, match="gives the API key from the variable WANDB_API_KEY no permission"):
        fit({}, WandbLogger(project="p"), tmp_path)


def test_a_password_in_the_servers_url_is_not_shown(wandb_server: WandbServer, tmp_path: Path) -> None:
    """Neither as the URL, nor in the text of wandb's own error."""
    key = "f" * 40
    wandb_server.refused_keys.add(key)
    url = wandb_server.url.replace("://", "://me:hunter2@")
    with pytest.raises(WandbLoginError) as caught:
        fit({}, WandbLogger(project="p", api_key=key, settings={"base_url": url}), tmp_path)
    assert "://me:***" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_no_server_ends_the_experiment_before_it_trains(wandb_server: WandbServer, tmp_path: Path) -> None:
    """Soon, and with the URL."""
    wandb_server.go_down()
    started = time.monotonic()
    with pytest.raises(WandbLoginError, match=f"no W&B server answers at {wandb_server.url}"):
        fit({}, WandbLogger(project="p"), tmp_path)
    assert time.monotonic() - started < 90
    wandb_server.come_back()


def test_rows_that_the_server_refuses_are_reported(
    wandb_server: WandbServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """401 in mid-run: wandb stops uploading; the run is named, with its local file and the command that uploads it."""
    wandb_server.faults.add(Fault("file_stream", status=401, times=1000))
    logger = WandbLogger(project="p", settings=FAST_UPLOADS)
    fit({"pause": 0.1}, logger, tmp_path)
    (run,) = logger.runs.values()
    assert "lost" == run.state
    assert "401" in str(run.problem)
    assert run.path in caplog.text
    assert f"wandb sync --no-skip-online --id {run.id}-synced {run.folder}" in caplog.text


def test_pbt_goes_on_in_one_run_per_trial(wandb_server: WandbServer, tmp_path: Path) -> None:
    """Pauses and exploits: each result that Tune saw is a row of its trial's run, once."""
    seen: dict[str, list[int]] = {}

    class Observer(tune.Callback):
        def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **info: Any) -> None:
            seen.setdefault(trial.trial_id, []).append(result["training_iteration"])

    scheduler = PopulationBasedTraining(
        time_attr="training_iteration", perturbation_interval=2, hyperparam_mutations={"lr": [0.1, 1.0, 10.0]}
    )
    tune.Tuner(
        Checkpointed,
        param_space={"lr": tune.grid_search([0.1, 10.0])},
        tune_config=tune.TuneConfig(scheduler=scheduler, metric="score", mode="max"),
        run_config=tune.RunConfig(
            callbacks=[WandbLogger(project="p", settings=FAST_UPLOADS), Observer()],
            stop={"training_iteration": 6},
            storage_path=str(tmp_path / "ray"),
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=2),
            verbose=0,
        ),
    ).fit()
    assert seen == {
        run_id.partition("-")[0]: [row["training_iteration"] for row in run.history]
        for run_id, run in wandb_server.runs.items()
    }
    assert [0, 0] == [run.exit_code for run in wandb_server.runs.values()]


def test_a_restored_experiment_resumes_its_runs(wandb_server: WandbServer, tmp_path: Path) -> None:
    """``Tuner.restore`` continues the run of the server: one run, steps that go on, the last end counts."""

    class Fails(Checkpointed):
        def step(self) -> dict[str, Any]:
            if self.count == 3 and not (tmp_path / "failed").exists():
                (tmp_path / "failed").touch()
                raise ValueError("on purpose")
            return super().step()

    run_config = tune.RunConfig(
        callbacks=[WandbLogger(project="p", settings=FAST_UPLOADS)],
        stop={"training_iteration": 6},
        storage_path=str(tmp_path / "ray"),
        name="exp",
        checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=1),
        verbose=0,
    )
    tune.Tuner(Fails, param_space={"lr": 1.0}, run_config=run_config).fit()
    (run,) = wandb_server.runs.values()
    assert ([1, 2, 3], 1) == ([row["training_iteration"] for row in run.history], run.exit_code)
    tune.Tuner.restore(str(tmp_path / "ray" / "exp"), Fails, resume_errored=True).fit()
    (run,) = wandb_server.runs.values()
    assert (
        [1, 2, 3, 4, 5, 6]
        == [row["training_iteration"] for row in run.history]
        == [row["_step"] for row in run.history]
    )
    assert 0 == run.exit_code


def test_checkpoints_arrive_byte_for_byte(wandb_server: WandbServer, tmp_path: Path) -> None:
    """Each is a version of the artifact, with its files' bytes, aliases and metrics."""
    run_config = tune.RunConfig(
        callbacks=[WandbLogger(project="p", settings=FAST_UPLOADS, upload_checkpoints=True)],
        stop={"training_iteration": 2},
        storage_path=str(tmp_path / "ray"),
        checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=1),
        verbose=0,
    )
    tune.Tuner(Checkpointed, param_space={"lr": 2.0}, run_config=run_config).fit()
    (versions,) = [
        versions for name, versions in wandb_server.artifacts.items() if name.startswith("checkpoint_Checkpointed")
    ]
    assert [b"1", b"2"] == [version.files["count"] for version in versions]
    assert ["model", "model"] == [version.type for version in versions]
    assert {"latest", "iteration-2"} <= set(versions[-1].aliases)
    assert [2.0, 4.0] == [version.metadata["score"] for version in versions]


def test_experiments_one_after_the_other_and_at_the_same_time(wandb_server: WandbServer, tmp_path: Path) -> None:
    """In one process: each experiment's runs have all their rows, also under an id that another has used before."""

    def one(name: str, **entry: Any) -> None:
        config = tune.RunConfig(
            callbacks=[WandbLogger(project="p", settings=FAST_UPLOADS, **entry)],
            storage_path=str(tmp_path / name),
            name=name,
            verbose=0,
        )
        tune.Tuner(train, param_space={"rows": 10, "pause": 0.3}, run_config=config).fit()

    one("first", id="same", resume="never")
    with pytest.raises(WandbRunError):
        one("refused", id="same", resume="never", on_error="raise")
    one("second", id="same", resume="allow")
    assert [*range(10), *range(10)] == [row["loss"] for row in wandb_server.runs["same"].history]
    third = threading.Thread(target=one, args=("third",), kwargs={"id": "third"})
    third.start()
    wandb_server.wait_until(lambda: "third" in wandb_server.runs, 60)  # Ray itself cannot start two in one moment
    one("fourth", id="fourth")
    third.join()
    for name in ("third", "fourth"):
        assert (name, list(range(10))) == (
            wandb_server.runs[name].group,
            [row["loss"] for row in wandb_server.runs[name].history],
        )
