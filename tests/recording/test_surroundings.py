"""The recorder in a driver that is not as usual: many files, no standard streams, children, a full temporary folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import wandb

from tests.support.offline import read_runs
from tests.support.processes import descendants, is_alive
from tests.support.recorder import ROOT, ended, init, logs, opened, wait_for
from typed_tune_wandb.payload import Payload
from typed_tune_wandb.recording.client import Recorder

_PROGRAM = """
import os, sys, time
{before}
from typed_tune_wandb.payload import Payload
from typed_tune_wandb.recording.client import Recorder
recorder = Recorder()
recorder.open("r", {{"id": "r", "name": "r", "project": "p", "mode": "offline", "dir": sys.argv[1]}}, {{}})
for step in range(1, 101):
    recorder.log("r", step, Payload({{"loss": step}}), step)
{after}
recorder.finish("r", "finished")
recorder.close(60)
"""


def start(folder: Path, *, before: str = "", after: str = "", stdout: int | None = None) -> subprocess.Popen[bytes]:
    """Start a program that records 100 rows."""
    command = [sys.executable, "-c", _PROGRAM.format(before=before, after=after), str(folder)]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": ROOT}, stdout=stdout)


@pytest.mark.parametrize(
    "before",
    [
        "for fd in (0,): os.close(fd)",
        "for fd in (0, 1, 2): os.close(fd)",
        "import resource; limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]; "
        "resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit, 4096), limit)); "
        "files = [open(os.devnull) for _ in range(1100)]",
    ],
    ids=["no stdin", "no standard streams", "1100 open files"],
)
def test_a_drivers_descriptors_do_not_matter(before: str, tmp_path: Path) -> None:
    """A daemon has closed its standard streams; a driver of many trials has many files open."""
    assert 0 == start(tmp_path, before=before).wait(90)
    run = read_runs(tmp_path)["r"]
    assert ([*range(1, 101)], 0) == (run.rows("loss"), run.exit_code)


def test_a_forked_child_does_not_keep_the_run_alive(tmp_path: Path) -> None:
    """The run ends when the driver is killed, not when its child ends."""
    fork = "if os.fork() == 0: time.sleep(120); os._exit(0)\nprint('forked', flush=True); time.sleep(120)"
    driver = start(tmp_path, after=fork, stdout=subprocess.PIPE)
    assert driver.stdout is not None
    assert b"forked\n" == driver.stdout.readline()
    children = descendants(driver.pid)
    workers = descendants(driver.pid, b"recording.worker")
    driver.kill()
    driver.wait()
    wait_for(lambda: not any(map(is_alive, workers)), 30)
    for pid in filter(is_alive, children):
        os.kill(pid, signal.SIGKILL)
    run = read_runs(tmp_path)["r"]
    assert ([*range(1, 101)], 130) == (run.rows("loss"), run.exit_code)


@pytest.mark.parametrize("delay_s", [0.02, 0.4, 0.8, 1.2])
def test_a_job_that_is_ended_while_the_worker_starts_loses_no_row(delay_s: float, tmp_path: Path) -> None:
    """SIGTERM to every process: to a worker that only starts, to a wandb-core that only starts."""
    driver = start(tmp_path, after="print('reported', flush=True); time.sleep(60)", stdout=subprocess.PIPE)
    assert driver.stdout is not None
    assert b"reported\n" == driver.stdout.readline()
    time.sleep(delay_s)
    pids = [driver.pid, *descendants(driver.pid)]
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
    driver.wait()
    wait_for(lambda: not any(map(is_alive, pids)), 60)
    run = read_runs(tmp_path)["r"]
    assert ([*range(1, 101)], 130) == (run.rows("loss"), run.exit_code)


def test_a_wandb_core_that_is_killed_while_it_starts_loses_no_run(recorder: Recorder, tmp_path: Path) -> None:
    """Another one takes its place."""
    recorder.open("r", init(tmp_path, "r"), {})
    logs(recorder, "r", 1, 20)
    wait_for(lambda: descendants(os.getpid(), b"wandb-core") != [])
    os.kill(descendants(os.getpid(), b"wandb-core")[0], signal.SIGKILL)
    assert [*range(1, 21)] == ended(recorder, tmp_path)["r"].rows("_step")
    assert "finished" == recorder.runs["r"].state


class Key(str):
    """A text of the user's."""


class Hostile:
    """Whatever is asked of it raises."""

    def __getattr__(self, name: str) -> object:
        raise RuntimeError(name)


def test_no_key_and_no_value_harms_the_caller_or_another_run(
    recorder: Recorder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Keys of subclasses, of other types, of NumPy; values that raise; lists of lists of lists."""
    opened(recorder, tmp_path, "bad", "good")
    wide: object = [1.0]
    for _ in range(30):
        wide = [wide, wide]
    deep: object = 1
    for _ in range(5000):
        deep = [deep]
    image = wandb.Image(np.zeros((2, 2, 3), "uint8"))
    row: dict[object, object] = {Key("a"): 1, np.str_("b"): 2, 3: 3, "hostile": Hostile(), "wide": wide, "deep": deep}
    recorder.log("bad", 1, Payload(dict(row), {Key("image"): image}))  # type: ignore[arg-type]  # on purpose
    recorder.update_config("bad", dict(row))  # type: ignore[arg-type]  # on purpose
    recorder.log("bad", 2, Payload({"loss": 2}))
    logs(recorder, "good", 1, 20)
    runs = ended(recorder, tmp_path)
    assert [*range(1, 21)] == runs["good"].rows("_step")
    assert ([1, 2], [1], [2], [3]) == tuple(runs["bad"].rows(key) for key in ("_step", "a", "b", "3"))
    assert 1 == len(runs["bad"].rows("image"))
    for key in ("hostile", "wide", "deep"):
        assert f"{key!r} is left out" in caplog.text


def test_a_run_that_is_opened_again_without_an_end_is_interrupted_first(recorder: Recorder, tmp_path: Path) -> None:
    """Both have all of their rows."""
    for name in ("first", "second"):
        recorder.open("t", init(tmp_path, name), {})
        logs(recorder, "t", 1, 3)
    wait_for(lambda: recorder.runs["t"].rows == 3 and recorder.runs["t"].id == "second")
    recorder.finish("t", "finished")
    assert [] == recorder.close(timeout=60)
    runs = read_runs(tmp_path)
    assert {"first": (130, 3), "second": (0, 3)} == {
        name: (run.exit_code, len(run.history)) for name, run in runs.items()
    }


def test_a_run_of_another_project_is_another_run(recorder: Recorder, tmp_path: Path) -> None:
    """A restored experiment that records elsewhere passes no iteration over because of an old file."""
    for project in ("p", "q"):
        other = Recorder()
        other.open("t", {**init(tmp_path, "r"), "project": project}, {}, restored=True)
        logs(other, "t", 1, 5)
        other.finish("t", "finished")
        assert [] == other.close(timeout=60)
        assert 5 == other.runs["t"].rows
