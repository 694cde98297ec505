"""A driver that is killed between a report and its checkpoint, and the session after it: one line in W&B's charts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.offline import read_runs
from tests.support.online import FAST
from tests.support.recorder import ROOT
from tests.wandb_server import WandbServer
from typed_tune_wandb.payload import Payload
from typed_tune_wandb.recording.client import Recorder

# Reports 34 iterations; its state was saved at the 30th.
_FIRST_SESSION = """
import json, sys, time
from typed_tune_wandb.payload import Payload
from typed_tune_wandb.recording.client import Recorder
init, settings = json.loads(sys.argv[1])
recorder = Recorder()
recorder.open("t", init, settings)
while recorder.runs["t"].state != "running":
    time.sleep(0.01)
for iteration in range(1, 35):
    recorder.log("t", iteration, Payload({"training_iteration": iteration, "session": 1}), iteration)
print("killed here", flush=True)
time.sleep(60)
"""


def first_session(init: dict[str, Any], settings: dict[str, object]) -> None:
    """Run it, and kill its driver."""
    import json

    command = [sys.executable, "-c", _FIRST_SESSION, json.dumps([init, settings])]
    driver = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": ROOT}, stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    assert "killed here\n" == driver.stdout.readline()
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()


def second_session(init: dict[str, Any], settings: dict[str, object], state: tuple[int, int]) -> Recorder:
    """Train again from the 30th iteration on."""
    recorder = Recorder()
    recorder.open("t", init, settings, state[0], recorded_iteration=state[1], restored=True)
    for iteration in range(31, 41):
        recorder.log("t", iteration, Payload({"training_iteration": iteration, "session": 2}), iteration)
        time.sleep(0.05)
    recorder.finish("t", "finished")
    assert [] == recorder.close(timeout=90)
    return recorder


@pytest.mark.parametrize("state", [(31, 30), (0, 0)], ids=["saved state", "no state"])
@pytest.mark.parametrize("mode", ["offline", "online"])
def test_no_iteration_is_recorded_twice(
    mode: str, state: tuple[int, int], wandb_server: WandbServer, tmp_path: Path
) -> None:
    """The first row of an iteration counts; steps and iterations only grow, each iteration is there once.

    The second session starts at once: the first one's worker may still be uploading.
    """
    init = {"id": "r", "name": "r", "project": "p", "mode": mode, "dir": str(tmp_path), "resume": "allow"}
    first_session(init, FAST)
    recorder = second_session(init, FAST, state)
    history = wandb_server.runs["r"].history if mode == "online" else read_runs(tmp_path)["r"].history
    assert [*range(1, 41)] == [row["training_iteration"] for row in history] == [row["_step"] for row in history]
    assert [1] * 34 + [2] * 6 == [row["session"] for row in history]
    assert ("finished", 6) == (recorder.runs["t"].state, recorder.runs["t"].rows)
    exit_code = wandb_server.runs["r"].exit_code if mode == "online" else read_runs(tmp_path)["r"].exit_code
    assert 0 == exit_code


def test_iterations_that_fall_back_after_the_restore_are_recorded(tmp_path: Path) -> None:
    """PBT may turn a trial back once it has gone on: those rows are new ones."""
    init = {"id": "r", "name": "r", "project": "p", "mode": "offline", "dir": str(tmp_path)}
    recorder = Recorder()
    recorder.open("t", init, {}, 4, recorded_iteration=3, restored=True)
    for iteration in (2, 3, 4, 2, 3):
        recorder.log("t", iteration, Payload({"training_iteration": iteration}), iteration)
    recorder.finish("t", "finished")
    assert [] == recorder.close(timeout=60)
    run = read_runs(tmp_path)["r"]
    assert ([4, 2, 3], [4, 5, 6]) == (run.rows("training_iteration"), run.rows("_step"))
