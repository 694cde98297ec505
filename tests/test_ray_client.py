"""An experiment by Ray Client: Tune runs in another process, the caller's logger knows the runs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.offline import read_runs

SERVER = """
import sys, time
from ray.util.client.server.server import init_and_serve
server = init_and_serve("127.0.0.1", int(sys.argv[1]), num_cpus=4, include_dashboard=False, log_to_driver=False,
                        object_store_memory=100_000_000, address="local")
print("serving", flush=True)
sys.stdin.read()
"""

PROGRAM = """
import os, sys
import ray
from ray import tune
from typed_tune_wandb import WandbLogger

def train(config):
    tune.report({"loss": config["lr"]})

if __name__ == "__main__":
    folder = sys.argv[2]
    ray.init(f"ray://127.0.0.1:{sys.argv[1]}", runtime_env={"env_vars": {"PYTHONPATH": os.environ["PYTHONPATH"]}})
    logger = WandbLogger(project="p", mode="offline", dir=folder)
    for number in (1, 2):
        space = {"lr": number}
        run_config = tune.RunConfig(callbacks=[logger], storage_path=f"{folder}/ray", name=f"exp{number}", verbose=0)
        if number == 1:
            grid = tune.Tuner(train, param_space=space, run_config=run_config).fit()
            trial_ids = {result.metrics["trial_id"] for result in grid}
        else:
            analysis = tune.run(train, config=space, callbacks=[logger], storage_path=f"{folder}/ray", verbose=0)
            trial_ids = {trial.trial_id for trial in analysis.trials}
        assert logger.runs.keys() == trial_ids, (logger.runs, trial_ids)
        for trial_id, run in logger.runs.items():
            print("run", number, trial_id, run.id, run.state, run.rows, run.path)
    ray.shutdown()
    assert 1 == len(logger.runs)
"""


@pytest.fixture
def port() -> Iterator[int]:
    """A server of Ray Client on this machine, in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = int(free.getsockname()[1])
    command = [sys.executable, "-c", SERVER, str(number)]
    environ = {**os.environ, "RAY_AUTH_MODE": "disabled", "PYTHONPATH": str(Path(__file__).parents[1])}
    server = subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    while "serving" not in (line := server.stdout.readline()):
        assert line, "the server has ended"
    yield number
    server.communicate("", timeout=60)


@pytest.mark.timeout(600)
def test_the_callers_logger_knows_the_runs(port: int, tmp_path: Path) -> None:
    """After ``Tuner.fit`` and after ``tune.run``: those of the last experiment, also when the client is gone."""
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, str(tmp_path / "program.py"), str(port), str(tmp_path)]
    environ = {**os.environ, "RAY_AUTH_MODE": "disabled", "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=500)
    assert 0 == done.returncode, done.stderr
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("run ")]
    runs = read_runs(tmp_path)
    assert 2 == len(lines) == len(runs)
    for _, _, trial_id, run_id, state, rows, path in lines:
        assert (trial_id, "finished", 1) == (runs[run_id].trial_id, state, int(rows))
        assert [Path(path)] == runs[run_id].files
