"""The recorder with the real wandb, offline, its files read back row by row."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

import numpy as np
import psutil
import pytest

from tests.support.offline import OfflineRun, read_file, read_runs
from tests.support.processes import descendants, is_alive
from tests.support.recorder import ROOT, init, opened, wait_for
from typed_tune_wandb.payload import Payload
from typed_tune_wandb.recording._protocol import FinishRun, OpenRun, RunFinished, to_builtins
from typed_tune_wandb.recording.checkpoints import CheckpointArtifact
from typed_tune_wandb.recording.client import Recorder
from typed_tune_wandb.recording.worker._backend import WandbBackend
from typed_tune_wandb.recording.worker._manager import RunManager


def test_every_row_of_every_run_is_recorded_once_and_in_order(recorder: Recorder, tmp_path: Path) -> None:
    """Many runs at once, interleaved: each has all of its rows, in order, and its own exit code."""
    names = [f"r{number}" for number in range(8)]
    for name in names:
        recorder.open(name, init(tmp_path, name, config={"who": name}), {})
    for step in range(1, 101):
        for name in names:
            recorder.log(name, step, Payload({"training_iteration": step, "loss": step / 2}))
    for name in names:
        recorder.finish(name, "failed" if name == "r3" else "finished")
    assert [] == recorder.close(timeout=60)
    runs = read_runs(tmp_path)
    assert set(names) == set(runs)
    for name, run in runs.items():
        assert list(range(1, 101)) == run.rows("_step") == run.rows("training_iteration")
        assert {"who": name} == {key: value for key, value in run.config.items() if key != "_wandb"}
        assert (1 if name == "r3" else 0) == run.exit_code
        assert 100 == recorder.runs[name].rows
    assert "failed" == recorder.runs["r3"].state
    assert "training_iteration" == runs["r0"].metrics["*"]


def test_only_later_rows_are_gathered(recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What somebody waits for is sent at once: opening, first rows, what is flushed, the end."""
    monkeypatch.setattr("typed_tune_wandb.recording.worker.__main__.BATCH_INTERVAL_S", 3600)
    recorder.open("r", init(tmp_path, "r"), {})
    wait_for(lambda: recorder.runs["r"].state == "running")
    recorder.log("r", 1, Payload({"loss": 1}))
    wait_for(lambda: recorder.runs["r"].rows == 1)
    recorder.log("r", 2, Payload({"loss": 2}))
    recorder.flush()
    wait_for(lambda: recorder.runs["r"].rows == 2)
    recorder.log("r", 3, Payload({"loss": 3}))
    recorder.finish("r", "finished")
    wait_for(lambda: recorder.runs["r"].state == "finished")
    assert [] == recorder.close(timeout=60)
    assert [1, 2, 3] == read_runs(tmp_path)["r"].rows("loss")


def test_an_end_is_reported_once(tmp_path: Path) -> None:
    """The process may be closed while a run is ending: that is no second end, and the run is not lost."""
    events: list[object] = []
    manager = RunManager(WandbBackend(), events.append, _fail)
    manager.handle(1, OpenRun("r", 1, to_builtins(init(tmp_path, "r"))))
    manager.handle(2, FinishRun("r", 1, 0))
    manager.finish_all(130, timeout_s=60)
    assert [RunFinished("r", 1)] == [event for event in events if isinstance(event, RunFinished)]
    # wandb-core may still be writing when run.finish() returns (wandb 0.31, on a busy machine).
    wait_for(lambda: "r" in read_runs(tmp_path) and read_runs(tmp_path)["r"].exit_code == 0)


@pytest.mark.parametrize("said", [None, "3"])
def test_wandb_core_has_one_core_by_default(
    said: str | None, recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By Go's own variable, in that process alone; a user's value counts."""
    monkeypatch.delenv("GOMAXPROCS", raising=False)
    if said:
        monkeypatch.setenv("GOMAXPROCS", said)
    recorder.open("r", init(tmp_path, "r"), {})
    wait_for(lambda: recorder.runs["r"].state == "running")
    (pid,) = _recorders(b"wandb-core")
    assert (said or "1") == psutil.Process(pid).environ()["GOMAXPROCS"]
    assert said == os.environ.get("GOMAXPROCS")


def test_a_run_that_nobody_ended_ends_as_interrupted(recorder: Recorder, tmp_path: Path) -> None:
    """``close`` does not wait for more rows that will never come."""
    recorder.open("r", init(tmp_path, "r"), {})
    recorder.log("r", 1, Payload({"loss": 1}))
    assert [] == recorder.close(timeout=60)
    assert "interrupted" == recorder.runs["r"].state
    assert (130, [1]) == (read_runs(tmp_path)["r"].exit_code, read_runs(tmp_path)["r"].rows("loss"))


def test_a_run_that_cannot_be_opened_costs_itself_alone(recorder: Recorder, tmp_path: Path) -> None:
    """The others are recorded; the lost one says why."""
    recorder.open("bad", init(tmp_path, "bad") | {"project": "no/such"}, {})
    recorder.open("good", init(tmp_path, "good"), {})
    for name in ("bad", "good"):
        recorder.log(name, 1, Payload({"loss": 1}))
        recorder.finish(name, "finished")
    recorder.close(timeout=60)
    assert "lost" == recorder.runs["bad"].state
    assert "Invalid project name" in str(recorder.runs["bad"].problem)
    assert [1] == read_runs(tmp_path)["good"].rows("loss")


def test_one_bad_value_costs_itself_alone(recorder: Recorder, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A value that wandb cannot take is named once; the rest of the row and the run stay."""
    recorder.open("r", init(tmp_path, "r"), {})
    for step in (1, 2):
        row: dict[str, object] = {"loss": step, "bad": {1: {2}}}
        recorder.log("r", step, Payload(row, media={"image": np.zeros((2, 2, 2, 2, 2, 2))}))
    recorder.finish("r", "finished")
    recorder.close(timeout=60)
    assert [1, 2] == read_runs(tmp_path)["r"].rows("loss")
    assert 2 == recorder.runs["r"].rows
    named = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert 1 == len([text for text in named if "image" in text])


def test_steps_never_go_backwards(recorder: Recorder, tmp_path: Path) -> None:
    """An iteration that falls back (PBT, a restore) keeps its row, under the next step."""
    recorder.open("r", init(tmp_path, "r"), {})
    for iteration in (1, 2, 3, 2, 3, 4, 9):
        recorder.log("r", iteration, Payload({"training_iteration": iteration}))
    recorder.finish("r", "finished")
    recorder.close(timeout=60)
    run = read_runs(tmp_path)["r"]
    assert [1, 2, 3, 2, 3, 4, 9] == run.rows("training_iteration")
    assert [1, 2, 3, 4, 5, 6, 9] == run.rows("_step")


def test_a_restart_waits_for_the_former_run_and_writes_a_file_of_its_own(recorder: Recorder, tmp_path: Path) -> None:
    """The same id opened again, within a second: both files are whole, the steps go on."""
    for value in (1, 2):
        recorder.open("r", init(tmp_path, "r"), {})
        recorder.log("r", 1, Payload({"loss": value}))
        recorder.finish("r", "finished")
    recorder.close(timeout=60)
    run = read_runs(tmp_path)["r"]
    assert 2 == len(run.files)
    assert [1, 2] == run.rows("loss") == run.rows("_step")


def test_an_unwritable_folder_costs_the_run_and_says_so(recorder: Recorder, tmp_path: Path) -> None:
    """Wandb would quietly record elsewhere: here the run is lost, with the reason."""
    (tmp_path / "file").write_text("no folder")
    recorder.open("r", init(tmp_path / "file" / "below", "r"), {})
    wait_for(lambda: recorder.runs["r"].state == "lost")
    assert "Error" in str(recorder.runs["r"].problem)


def test_the_recorder_is_one_process_and_wandb_core_whatever_the_number_of_runs(
    recorder: Recorder, tmp_path: Path
) -> None:
    """32 open runs: two processes more, two threads more here."""
    before = len(descendants(os.getpid()))
    for number in range(32):
        recorder.open(f"r{number}", init(tmp_path, f"r{number}"), {})
    wait_for(lambda: all(run.state == "running" for run in recorder.runs.values()))
    assert 2 == len(descendants(os.getpid())) - before


def test_more_runs_than_the_limit_of_open_files(recorder: Recorder, tmp_path: Path) -> None:
    """The worker raises the limit, which is often 1,024, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    names = [f"run{index}" for index in range(60)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (psutil.Process().num_fds() + 30, hard))
    try:
        opened(recorder, tmp_path, "first")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    opened(recorder, tmp_path, *names)
    assert [] == recorder.close(timeout=60)
    assert {"interrupted"} == {recorder.runs[name].state for name in names}


def test_a_hundred_restarts_leave_nothing_behind(recorder: Recorder, tmp_path: Path) -> None:
    """100 ended runs later, the process has about as many open files and threads as after the first."""

    def held() -> tuple[int, int]:
        processes = [psutil.Process(pid) for pid in descendants(os.getpid())]
        return sum(process.num_fds() for process in processes), processes[0].num_threads()

    def one(number: int) -> None:
        recorder.open("r", init(tmp_path, f"r{number}"), {})
        recorder.log("r", 1, Payload({"loss": 1}))
        recorder.finish("r", "finished")
        wait_for(lambda: recorder.runs["r"].state == "finished")

    for number in range(3):
        one(number)
    files, threads = held()
    for number in range(3, 103):
        one(number)
    more_files, more_threads = held()
    # wandb-core closes a run's own log when Go collects it: a few are open, never one per run.
    assert more_files <= files + 50
    assert more_threads <= threads + 1


def test_checkpoints_become_versions_of_a_model_artifact(recorder: Recorder, tmp_path: Path) -> None:
    """A folder is uploaded with its metadata and aliases, a URI becomes a reference, a missing folder a warning."""
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(b"123")
    recorder.open("r", init(tmp_path, "r"), {})
    for location, aliases in ((str(folder), ("latest", "iteration-1")), ("hdfs://bucket/c", ("latest",))):
        recorder.save_checkpoint("r", CheckpointArtifact("checkpoint_r", location, aliases, {"loss": 1}))
    recorder.save_checkpoint("r", CheckpointArtifact("checkpoint_r", str(tmp_path / "none")))
    recorder.log("r", 1, Payload({"loss": 1}))
    recorder.finish("r", "finished")
    recorder.close(timeout=60)
    run = read_runs(tmp_path)["r"]
    uploaded, referred = run.artifacts
    assert ("checkpoint_r", "model", {"loss": 1}) == (uploaded.name, uploaded.type, json.loads(uploaded.metadata))
    assert {"latest", "iteration-1"} == set(uploaded.aliases)
    assert [entry.path for entry in uploaded.manifest.contents] == ["weights.bin"]
    assert [entry.digest for entry in referred.manifest.contents] == ["hdfs://bucket/c"]
    assert [1] == run.rows("loss")


def test_runs_of_a_driver_that_is_killed_are_kept_and_end_as_interrupted(tmp_path: Path) -> None:
    """SIGKILL to the driver: what it had logged is in the file, the run ends with exit code 130, no process stays."""
    script = (
        "import sys, time\n"
        "from typed_tune_wandb.payload import Payload\n"
        "from typed_tune_wandb.recording.client import Recorder\n"
        "recorder = Recorder()\n"
        f"recorder.open('r', {{'id': 'r', 'project': 'p', 'mode': 'offline', 'dir': {str(tmp_path)!r}}}, {{}})\n"
        "for step in range(50): recorder.log('r', step + 1, Payload({'loss': step}))\n"
        "while recorder.runs['r'].rows < 50: time.sleep(0.05)\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)\n"
    )
    driver = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": ROOT}
    )
    assert driver.stdout is not None
    assert driver.stdout.readline() == b"ready\n"
    children = descendants(driver.pid)
    assert 2 == len(children)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    wait_for(lambda: not any(map(is_alive, children)))
    run = read_runs(tmp_path)["r"]
    assert list(range(50)) == run.rows("loss")
    assert 130 == run.exit_code


@pytest.mark.parametrize("victim", [b"recording.worker", b"wandb-core"])
def test_a_killed_process_costs_no_row(
    victim: bytes, recorder: Recorder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The recorder's process or wandb-core is killed twice: another goes on, every row is there once and in order."""
    rows = range(1, 401)
    for name in ("a", "b"):
        recorder.open(name, init(tmp_path, name), {})
    recorder.open("ended", init(tmp_path, "ended"), {})
    recorder.finish("ended", "finished")
    for step in rows:
        for name in ("a", "b"):
            recorder.log(name, step, Payload({"training_iteration": step}, config={"last": step}))
        time.sleep(0.02)
        if step in (100, 300):
            wait_for(lambda: recorder.runs["a"].rows > 50)
            # The one before may still be read back, by a wandb-core of its own.
            wait_for(lambda: len(_recorders(victim)) == 1)
            os.kill(_recorders(victim)[0], signal.SIGKILL)
    recorder.finish("a", "finished")
    recorder.finish("b", "failed")
    assert [] == recorder.close(timeout=60)
    runs = read_runs(tmp_path)
    assert {"a": ("finished", 400), "b": ("failed", 400), "ended": ("finished", 0)} == {
        name: (run.state, run.rows) for name, run in recorder.runs.items()
    }
    for name, exit_code in (("a", 0), ("b", 1)):
        assert [*rows] == runs[name].rows("training_iteration") == runs[name].rows("_step")
        assert (exit_code, 400) == (runs[name].exit_code, runs[name].config["last"])
        record = recorder.runs[name]
        assert {str(path) for path in runs[name].files if _rows_in(path)} <= {*record.earlier_paths, record.path}
    assert 2 == len([record for record in caplog.records if "takes over" in record.getMessage()])


def test_a_process_that_dies_again_and_again_loses_its_runs(
    recorder: Recorder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """In the end a message names what is lost and where the rest is; nobody waits for it, later runs are lost too."""
    recorder.open("r", init(tmp_path, "r"), {})
    wait_for(lambda: recorder.runs["r"].state == "running")
    path = recorder.runs["r"].path

    def killed() -> bool:
        for pid in descendants(os.getpid(), b"recording.worker"):
            os.kill(pid, signal.SIGKILL)
        return recorder.runs["r"].state == "lost"

    wait_for(killed)
    assert "exit code -9" in str(recorder.runs["r"].problem)
    recorder.log("r", 1, Payload({"loss": 1}))
    recorder.open("late", init(tmp_path, "late"), {})
    assert "lost" == recorder.runs["late"].state
    assert [] == recorder.close(timeout=5)
    assert path in caplog.text


def _fail(code: int) -> NoReturn:
    raise AssertionError(f"the process would end with exit code {code}")


def _rows_in(path: Path) -> int:
    runs: dict[str, OfflineRun] = {}
    read_file(path, runs)
    return sum(len(run.history) for run in runs.values())


def _recorders(named: bytes) -> list[int]:
    """The recorder's process or its wandb-core: another test may have left this process a wandb-core of its own."""
    recorders = descendants(os.getpid(), b"recording.worker")
    return (
        recorders if named == b"recording.worker" else [core for pid in recorders for core in descendants(pid, named)]
    )
