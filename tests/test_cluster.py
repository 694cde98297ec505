"""Several nodes: trials run anywhere, their runs are recorded from the driver, with nothing to configure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray import tune
from ray.cluster_utils import Cluster

from tests.support.offline import read_runs
from typed_tune_wandb import WandbLogger


@pytest.fixture
def three_nodes() -> Iterator[None]:
    """A cluster of a head that takes no trials, and of two nodes that do."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": 80_000_000})
    for _ in range(2):
        cluster.add_node(num_cpus=1, object_store_memory=80_000_000)
    ray.init(address=cluster.address, log_to_driver=False)
    yield
    ray.shutdown()
    cluster.shutdown()


@pytest.mark.usefixtures("three_nodes")
def test_trials_of_all_nodes_are_recorded_from_the_driver(tmp_path: Path) -> None:
    """Two nodes train, at least one of them not the driver's: each trial's run has every row, on the driver's disk."""

    # Defined here, it is sent to the nodes as it is: they do not know this file.
    def train(config: dict[str, Any]) -> None:
        for step in range(20):
            tune.report({"loss": step * config["lr"], "node": ray.get_runtime_context().get_node_id()})

    logger = WandbLogger(project="p", mode="offline", dir=tmp_path)
    tune.Tuner(
        train,
        param_space={"lr": tune.grid_search([1, 2, 3, 4])},
        run_config=tune.RunConfig(callbacks=[logger], storage_path=str(tmp_path / "ray"), verbose=0),
    ).fit()
    runs = read_runs(tmp_path)
    assert 4 == len(runs)
    for run in runs.values():
        assert [step * run.config["lr"] for step in range(20)] == run.rows("loss")
        assert ("finished", 0) == (logger.runs[run.trial_id].state, run.exit_code)
    nodes = {node for run in runs.values() for node in run.rows("node")}
    assert 2 == len(nodes)  # of three: which of them the driver is on, Ray chooses
