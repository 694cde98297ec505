"""The mixin and setup_wandb online, on a cluster of several nodes, against a W&B server on this machine."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
import wandb
from ray import tune
from ray.cluster_utils import Cluster
from ray.tune import PlacementGroupFactory, ResultGrid

from tests.support.online import FAST_UPLOADS
from tests.wandb_server import WandbServer
from tests.wandb_server.fixture import API_KEY
from typed_tune_wandb import WandbSettings, setup_wandb, wandb_mixin

NODES = ("near", "far", "farther")


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """Three nodes, started before any test has a server or a key: their environment has neither."""
    cluster = Cluster()
    for node in NODES:
        cluster.add_node(num_cpus=1, resources={node: 1}, object_store_memory=100_000_000, include_dashboard=False)
    ray.init(address=cluster.address, log_to_driver=False)
    yield
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture
def login(wandb_server: WandbServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """`wandb login` on the driver: the key is in its netrc alone."""
    monkeypatch.delenv("WANDB_API_KEY")
    netrc = Path(os.environ["NETRC"])
    host = wandb_server.url.removeprefix("http://")
    netrc.write_text(f"machine {host} login user password {API_KEY}\n")
    netrc.chmod(0o600)


def fit(trainable: Any, space: dict[str, Any], folder: Path, **run_config: Any) -> ResultGrid:
    """Run an experiment with each trial on the node that its config names."""

    def on_its_node(config: dict[str, Any]) -> PlacementGroupFactory:
        return PlacementGroupFactory([{"CPU": 1, config["node"]: 1}])

    return tune.Tuner(
        tune.with_resources(trainable, on_its_node),
        param_space=space,
        run_config=tune.RunConfig(name="exp", storage_path=str(folder / "ray"), verbose=0, **run_config),
    ).fit()


@pytest.mark.usefixtures("login")
def test_the_drivers_login_serves_every_node(wandb_server: WandbServer, tmp_path: Path) -> None:
    """No node knows key or server; every run has each row once, and the exit code of its trial."""

    @wandb_mixin
    def train(config: dict[str, Any]) -> None:
        assert "WANDB_API_KEY" not in os.environ
        assert not Path(os.environ["NETRC"]).exists()
        for step in range(20):
            wandb.log({"loss": step, "node": ray.get_runtime_context().get_node_id()})
        if config["node"] == "far":
            raise ValueError("on purpose")

    fit(train, {"node": tune.grid_search([*NODES]), "wandb": {"project": "p", "settings": FAST_UPLOADS}}, tmp_path)
    runs = wandb_server.runs.values()
    assert {"near": 0, "far": 1, "farther": 0} == {run.config["node"]: run.exit_code for run in runs}
    assert [[*range(20)]] * 3 == [[row["loss"] for row in run.history] for run in runs]
    assert 3 == len({row["node"] for run in runs for row in run.history})
    assert {API_KEY} == wandb_server.keys_seen


@pytest.mark.usefixtures("login")
def test_a_killed_trial_goes_on_in_its_run(wandb_server: WandbServer, tmp_path: Path) -> None:
    """What the killed process had sent stays, and the retry's rows follow it under the same id."""

    @wandb_mixin
    def train(config: dict[str, Any]) -> None:
        marker = Path(config["marker"])
        start = 3 if marker.exists() else 0
        for step in range(start, start + 3):
            wandb.log({"loss": step})
        while not marker.exists():
            time.sleep(0.1)
        if start == 0:
            os.kill(os.getpid(), 9)

    marker = tmp_path / "marker"

    def mark() -> None:
        wandb_server.wait_until(lambda: any(len(run.history) == 3 for run in wandb_server.runs.values()), 60)
        marker.touch()

    watcher = threading.Thread(target=mark)
    watcher.start()
    space = {"node": "far", "marker": str(marker), "wandb": {"project": "p", "settings": FAST_UPLOADS}}
    grid = fit(train, space, tmp_path, failure_config=tune.FailureConfig(max_failures=1))
    watcher.join()
    (run,) = wandb_server.runs.values()
    assert [] == grid.errors
    assert ([0, 1, 2, 3, 4, 5], 0) == ([row["loss"] for row in run.history], run.exit_code)


def test_setup_wandb_with_a_hidden_key(
    wandb_server: WandbServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``to_config()`` takes the key to a node that has none, as no text in any file of the experiment."""
    monkeypatch.delenv("WANDB_API_KEY")

    def train(config: dict[str, Any]) -> None:
        run = setup_wandb(config)
        for step in range(20):
            run.log({"loss": step})
        run.finish()

    settings = WandbSettings(
        project="p", dir=tmp_path, api_key=API_KEY, settings={**FAST_UPLOADS, "base_url": wandb_server.url}
    )
    grid = fit(train, {"node": "farther", "wandb": settings.to_config()}, tmp_path)
    (run,) = wandb_server.runs.values()
    assert ([], [*range(20)], 0) == (grid.errors, [row["loss"] for row in run.history], run.exit_code)
    assert {API_KEY} == wandb_server.keys_seen
    assert [] == [path for path in tmp_path.rglob("*") if path.is_file() and API_KEY.encode() in path.read_bytes()]
