"""The recorder online when things go wrong: every row is on the server once, or in a local file that is named."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from tests.support.offline import read_file, read_runs
from tests.support.online import FAST
from tests.support.processes import is_alive
from tests.support.recorder import services, wait_for, workers
from tests.wandb_server import WandbServer
from tests.wandb_server.faults import Fault
from typed_tune_wandb.payload import Payload
from typed_tune_wandb.recording._protocol import LoginChecked
from typed_tune_wandb.recording.client import Recorder
from typed_tune_wandb.settings import WandbInitKwargs


@pytest.fixture
def recorder(wandb_server: WandbServer) -> Iterator[Recorder]:
    """A recorder that is closed before the server is."""
    recorder = Recorder()
    yield recorder
    recorder.close(timeout=30)


def opens(recorder: Recorder, name: str, **more: object) -> None:
    """Open an online run."""
    init: dict[str, Any] = {"id": name, "name": name, "project": "p", "resume": "allow", **more}
    recorder.open(name, cast("WandbInitKwargs", init), FAST)


def logs(recorder: Recorder, name: str, first: int, last: int, pause: float = 0.0) -> None:
    """Log rows, steps first to last."""
    for step in range(first, last + 1):
        recorder.log(name, step, Payload({"training_iteration": step}))
        time.sleep(pause)


def steps_on(server: WandbServer, name: str) -> list[int]:
    """The rows of a run on the server, by their steps."""
    return [row["training_iteration"] for row in server.runs[name].history]


def follow(advice: str) -> None:
    """Do what a message advises: Upload it by: wandb sync ..."""
    arguments = shlex.split(advice.partition("wandb ")[2])
    subprocess.run([sys.executable, "-m", "wandb", *arguments], check=True, capture_output=True, timeout=60)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("file_stream", status=500, times=4),
        Fault("file_stream", status=429, retry_after=1, times=4),
        Fault("file_stream", drop=True, times=4),
        Fault("file_stream", lose_answer=True, times=4),
        Fault("file_stream", delay=3, times=2),
        Fault("UpsertBucket", status=500, times=2),
        Fault("UpsertBucket", status=429, retry_after=1, times=2),
    ],
    ids=lambda fault: (
        f"{fault.operation}-{fault.status or ('drop' * fault.drop) or ('lost' * fault.lose_answer) or 'slow'}"
    ),
)
def test_a_fault_that_passes_costs_no_row(fault: Fault, wandb_server: WandbServer, recorder: Recorder) -> None:
    """Errors, dropped connections, lost answers, slow answers: each row arrives once."""
    wandb_server.faults.add(fault)
    opens(recorder, "r")
    logs(recorder, "r", 1, 100, 0.03)
    recorder.finish("r", "finished")
    assert [] == recorder.close(timeout=60)
    assert fault.hits == fault.times
    assert [*range(1, 101)] == steps_on(wandb_server, "r")
    assert (0, "finished") == (wandb_server.runs["r"].exit_code, recorder.runs["r"].state)


def test_a_server_that_is_down_for_twenty_seconds_costs_no_row(wandb_server: WandbServer, recorder: Recorder) -> None:
    """In the middle of a run, with rows coming all the time."""
    opens(recorder, "r")
    logs(recorder, "r", 1, 20, 0.05)
    wandb_server.wait_until(lambda: "r" in wandb_server.runs and wandb_server.runs["r"].history, 30)
    wandb_server.go_down_for(20)
    logs(recorder, "r", 21, 120, 0.22)
    recorder.finish("r", "finished")
    assert [] == recorder.close(timeout=60)
    assert [*range(1, 121)] == steps_on(wandb_server, "r")


def test_a_run_that_opens_slowly_delays_no_other(wandb_server: WandbServer, recorder: Recorder) -> None:
    """What is logged while a run opens is recorded in it; meanwhile the others' rows arrive."""
    slow = wandb_server.faults.add(Fault("UpsertBucket", run="slow", delay=6, times=1))
    opens(recorder, "slow")
    opens(recorder, "quick")
    logs(recorder, "slow", 1, 30)
    logs(recorder, "quick", 1, 30)
    recorder.finish("quick", "finished")
    wait_for(lambda: recorder.runs["quick"].state == "finished")
    assert ("opening", 1) == (recorder.runs["slow"].state, slow.hits)
    assert [*range(1, 31)] == steps_on(wandb_server, "quick")
    recorder.finish("slow", "finished")
    assert [] == recorder.close(timeout=60)
    assert [*range(1, 31)] == steps_on(wandb_server, "slow")


@pytest.mark.parametrize("runs", [[], ["r"]], ids=["no run", "a run"])
def test_a_wandb_core_that_does_not_end_is_left(runs: list[str], wandb_server: WandbServer, recorder: Recorder) -> None:
    """As after a request to a server that is not there: wandb would wait for it forever, in close() and at exit."""
    assert recorder.check_login(None, None).problem is None
    for name in runs:
        opens(recorder, name)
        recorder.finish(name, "finished")
    wait_for(lambda: all(run.state == "finished" for run in recorder.runs.values()))
    wait_for(lambda: services(recorder) != [])
    (core,) = services(recorder)
    os.kill(core, signal.SIGSTOP)
    started = time.monotonic()
    recorder.close(timeout=200)
    assert time.monotonic() - started < 100
    wait_for(lambda: not is_alive(core))


def test_a_check_does_not_wait_for_a_process_that_is_gone(wandb_server: WandbServer, recorder: Recorder) -> None:
    """It says so, and which server was to be asked."""
    wandb_server.faults.add(Fault(delay=60))
    answers: list[LoginChecked] = []
    lines: list[str] = []
    asking = threading.Thread(target=lambda: answers.append(recorder.check_login(None, None, progress=lines.append)))
    asking.start()

    wait_for(lambda: lines == ["W&B: waiting for the server to check the API key, at most 20 s"])

    def killed() -> bool:
        for pid in workers(recorder):
            os.kill(pid, signal.SIGKILL)
        return not asking.is_alive()

    wait_for(killed)
    assert [(wandb_server.url, "the recorder's process ended (exit code -9)")] == [(a.url, a.problem) for a in answers]


@pytest.mark.parametrize("victims", [workers, services])
def test_a_killed_process_costs_no_row(
    victims: Callable[[Recorder], list[int]], wandb_server: WandbServer, recorder: Recorder
) -> None:
    """The run is continued where the server has it: each row arrives once, and it ends as its trial."""
    opens(recorder, "r")
    logs(recorder, "r", 1, 60, 0.03)
    wait_for(lambda: recorder.runs["r"].rows > 0)
    wait_for(lambda: victims(recorder) != [])
    (pid,) = victims(recorder)
    os.kill(pid, signal.SIGKILL)
    logs(recorder, "r", 61, 120, 0.03)
    recorder.finish("r", "failed")
    assert [] == recorder.close(timeout=60)
    assert [*range(1, 121)] == steps_on(wandb_server, "r")
    assert (1, "failed") == (wandb_server.runs["r"].exit_code, recorder.runs["r"].state)


@pytest.mark.parametrize("status", [403, 404])
def test_a_run_that_the_server_refuses_is_recorded_offline(
    status: int, wandb_server: WandbServer, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    """No permission, no such project: its rows are in a local file, which ``wandb sync`` uploads as the same run."""
    wandb_server.faults.add(Fault("UpsertBucket", run="r", status=status, message="permission denied"))
    opens(recorder, "r")
    logs(recorder, "r", 1, 30)
    recorder.finish("r", "finished")
    assert [] == recorder.close(timeout=60)
    run = recorder.runs["r"]
    assert ("finished", None, 30) == (run.state, run.url, run.rows)
    assert "permission denied" in str(run.problem)
    assert f"wandb sync --id r {run.folder}" in caplog.text
    wandb_server.faults.clear()
    follow(run.how_to_upload)
    assert [*range(1, 31)] == steps_on(wandb_server, "r")


def test_a_retry_after_a_refused_run_is_online(wandb_server: WandbServer, recorder: Recorder) -> None:
    """Wandb holds the id of a failed init for taken: the same id is opened all the same, others are not harmed."""
    fault = wandb_server.faults.add(Fault("UpsertBucket", run="r", status=403))
    opens(recorder, "r")
    opens(recorder, "other")
    logs(recorder, "other", 1, 30, 0.02)
    recorder.finish("r", "failed")
    wait_for(lambda: recorder.runs["r"].state == "failed")
    assert recorder.runs["r"].problem is not None
    wandb_server.faults.remove(fault)
    opens(recorder, "r")
    logs(recorder, "r", 1, 30)
    logs(recorder, "other", 31, 60, 0.02)
    for name in ("r", "other"):
        recorder.finish(name, "finished")
    assert [] == recorder.close(timeout=60)
    assert [("finished", None)] * 2 == [(run.state, run.problem) for run in recorder.runs.values()]
    assert [*range(1, 31)] == steps_on(wandb_server, "r")
    assert [*range(1, 61)] == steps_on(wandb_server, "other")


def test_what_is_not_up_in_time_is_named(
    wandb_server: WandbServer, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    """The server takes no rows: the wait is bounded, a line tells of it, the file has every row."""
    wandb_server.faults.add(Fault("file_stream", status=500))
    opens(recorder, "r")
    logs(recorder, "r", 1, 30)
    recorder.finish("r", "finished")
    lines: list[str] = []
    started = time.monotonic()
    (late,) = recorder.close(timeout=7, progress=lines.append)
    assert time.monotonic() - started < 100
    assert ["W&B: uploading; runs left: 1, with 30 rows, at most 2 s"] == lines
    assert ("lost", "it was not up after 7 s") == (late.state, late.problem)
    runs: dict[str, Any] = {}
    read_file(Path(late.path), runs)
    assert [*range(1, 31)] == runs["r"].rows("training_iteration")
    wandb_server.faults.clear()
    follow(late.how_to_upload)
    assert [*range(1, 31)] == steps_on(wandb_server, "r-synced")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"a disk of its own needs the right to mount one: {mounted.stderr}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("mode", ["offline", "online"])
def test_a_full_disk_costs_no_row(
    mode: str, wandb_server: WandbServer, recorder: Recorder, small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Rows go on in the temporary folder, whose place is named."""
    opens(recorder, "r", mode=mode, dir=small_disk)
    logs(recorder, "r", 1, 50, 0.02)
    wait_for(lambda: recorder.runs["r"].rows == 50)
    (small_disk / "other").write_bytes(b"x" * 15_000_000)
    logs(recorder, "r", 51, 100, 0.05)
    recorder.finish("r", "finished")
    assert [] == recorder.close(timeout=60)
    assert f"The disk of {small_disk}" in caplog.text
    run = recorder.runs["r"]
    assert ("finished", 100) == (run.state, run.rows)
    assert str(small_disk) not in run.path
    if mode == "online":
        assert [*range(1, 101)] == steps_on(wandb_server, "r")
    else:
        runs = read_runs(small_disk)
        read_file(Path(run.path), runs)
        assert [*range(1, 101)] == runs["r"].rows("training_iteration")
