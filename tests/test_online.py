"""WandbLogger online: the real wandb client against a W&B server on this machine."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from ray import tune

from tests.wandb_server import WandbServer
from tests.wandb_server.faults import Fault
from typed_tune_wandb import WandbLogger
from typed_tune_wandb.errors import WandbLoginError

pytestmark = pytest.mark.usefixtures("small_ray")

# wandb-core cuts seconds down to whole ones.
FAST: dict[str, object] = {
    "x_file_stream_transmit_interval": 1,
    "x_file_stream_retry_wait_min_seconds": 1,
    "x_file_stream_retry_wait_max_seconds": 1,
}


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
    logger = WandbLogger(project="p", settings=FAST)
    fit({"lr": tune.grid_search([1, 2, 3]), "fails": tune.grid_search([False, True])}, logger, tmp_path)
    assert 6 == len(wandb_server.runs) == len(logger.runs)
    for run_id, run in wandb_server.runs.items():
        assert list(range(20)) == [row["loss"] for row in run.history]
        assert ("exp", f"train_{run_id}") == (run.group, run.display_name)
        assert (1 if run.config["fails"] else 0) == run.exit_code
        assert (wandb_server.url in str(logger.runs[run_id].url), 20) == (True, logger.runs[run_id].rows)


def test_a_server_that_is_down_for_a_while_costs_no_row(wandb_server: WandbServer, tmp_path: Path) -> None:
    """Down for 6 s in the middle: training goes on, every row arrives once."""
    logger = WandbLogger(project="p", settings=FAST)
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
    assert time.monotonic() - started < 30
    assert "the field api_key" in str(caught.value)
    assert wandb_server.url in str(caught.value)
    assert key not in str(caught.value)
    assert {} == wandb_server.runs


def test_no_server_ends_the_experiment_before_it_trains(wandb_server: WandbServer, tmp_path: Path) -> None:
    """Within 30 seconds and with the URL."""
    wandb_server.go_down()
    started = time.monotonic()
    with pytest.raises(WandbLoginError, match=wandb_server.url):
        fit({}, WandbLogger(project="p"), tmp_path)
    assert time.monotonic() - started < 40
    wandb_server.come_back()


def test_rows_that_the_server_refuses_are_told_of(
    wandb_server: WandbServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """401 in mid-run: wandb stops uploading; the run is named, with its local file and the command that uploads it."""
    wandb_server.faults.add(Fault("file_stream", status=401, times=1000))
    logger = WandbLogger(project="p", settings=FAST)
    fit({"pause": 0.1}, logger, tmp_path)
    (run,) = logger.runs.values()
    assert "lost" == run.state
    assert "401" in str(run.problem)
    assert run.path in caplog.text
    assert f"wandb sync --no-skip-online --id {run.id}-synced {run.folder}" in caplog.text
