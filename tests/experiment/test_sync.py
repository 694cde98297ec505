"""Uploading an experiment's runs to a server that fails: each row is there once, whatever was there before."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import evolve

from tests.support.command_line import ROOT, call, call_for_json
from tests.support.recorder import init, logs, wait_for
from tests.wandb_server import WandbServer
from tests.wandb_server.faults import Fault
from typed_tune_wandb import ExperimentRuns
from typed_tune_wandb.experiment import sync_runs
from typed_tune_wandb.experiment._folder import Folder
from typed_tune_wandb.recording.client import Recorder

ROWS = 20


def record(folder: Path, names: list[str], mode: str = "offline", close_s: float = 60) -> ExperimentRuns:
    """Record runs, of which the second fails, and write the file of an experiment."""
    recorder = Recorder()
    for name in names:
        recorder.open(name, init(folder, name, config={"who": name}, group="g", mode=mode), {})
    for name in names:
        logs(recorder, name, 1, ROWS)
        recorder.finish(name, "failed" if [name] == names[1:2] else "finished")
    recorder.close(timeout=close_s)
    runs = ExperimentRuns(dict(recorder.runs), "exp", Folder.at(folder))
    runs.save()
    return runs


def assert_all_there(server: WandbServer, runs: ExperimentRuns) -> None:
    """Every row of every run once, and its end."""
    assert {run.id: [*range(1, ROWS + 1)] for run in runs.values()} == {
        run_id: sorted(row["_step"] for row in run.history) for run_id, run in server.runs.items()
    }
    for run in runs.values():
        there = server.runs[run.id]
        assert (run.exit_code, run.name) == (there.exit_code, there.config["who"])


def test_fifty_runs_through_faults(wandb_server: WandbServer, tmp_path: Path) -> None:
    """Answers that are late, lost or errors; then nothing is left, and a second call uploads nothing."""
    runs = record(tmp_path, [f"r{number}" for number in range(50)])
    for fault in (
        Fault("file_stream", status=500, times=5),
        Fault("file_stream", status=429, times=5, retry_after=1),
        Fault("file_stream", drop=True, times=3),
        Fault("UpsertBucket", status=502, times=3),
    ):
        wandb_server.faults.add(fault)
    done = call("sync", str(tmp_path))
    assert (0, "50 of 50 runs uploaded") == (done.returncode, done.stdout.splitlines()[-1])
    assert_all_there(wandb_server, runs)
    before = len(wandb_server.requests)
    assert 0 == call("sync", str(tmp_path)).returncode
    assert before == len(wandb_server.requests)
    loaded = ExperimentRuns.load(tmp_path)
    assert {} == loaded.not_uploaded
    assert all(str(run.url).endswith(f"/runs/{run.id}") for run in loaded.values())


def test_a_run_that_the_server_refuses_is_left(wandb_server: WandbServer, tmp_path: Path) -> None:
    """And named, and uploaded by a later call."""
    runs = record(tmp_path, ["a", "b", "c"])
    wandb_server.faults.add(Fault("UpsertBucket", run="b", status=403, message="permission denied", times=1000))
    content = call_for_json("sync", "--attempts", "1", "--timeout", "30", str(tmp_path), code=1)
    assert {"a", "c"} == {*wandb_server.runs}
    assert [True, False, True] == [run["uploaded"] for run in content["runs"]]
    wandb_server.faults.clear()
    assert 0 == call("sync", str(tmp_path)).returncode
    assert_all_there(wandb_server, runs)


def test_an_upload_that_was_killed_goes_on(wandb_server: WandbServer, tmp_path: Path) -> None:
    """Some runs were there, some in part, some not at all."""
    runs = record(tmp_path, ["a", "b", "c", "d"])
    wandb_server.faults.add(Fault("file_stream", run="b", status=500, times=1000))
    wandb_server.faults.add(Fault("UpsertBucket", run="d", delay=60, times=1000))
    command = [sys.executable, "-m", "typed_tune_wandb", "sync", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    wait_for(lambda: {"a", "b", "c"} <= {*wandb_server.runs} and len(wandb_server.runs["a"].history) == ROWS)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    wandb_server.faults.clear()
    left = sync_runs(ExperimentRuns.load(tmp_path)).not_uploaded
    assert {} == left
    assert_all_there(wandb_server, runs)


def test_a_run_that_was_online_in_part_is_resumed(wandb_server: WandbServer, tmp_path: Path) -> None:
    """The server went away in its middle: it gets what it lacks, in the same run."""
    recorder = Recorder()
    for name in ("a", "b"):
        recorder.open(
            name, init(tmp_path, name, config={"who": name}, mode="online"), {"x_file_stream_transmit_interval": 1}
        )
        logs(recorder, name, 1, 10)
    wait_for(lambda: {*wandb_server.runs} == {"a", "b"})
    wait_for(lambda: all(len(run.history) == 10 for run in wandb_server.runs.values()))
    wandb_server.faults.add(Fault("file_stream", status=500, times=1000))
    for name in ("a", "b"):
        logs(recorder, name, 11, ROWS)
        recorder.finish(name, "finished")
    assert 2 == len(recorder.close(timeout=5))
    runs = ExperimentRuns(dict(recorder.runs), "exp", Folder.at(tmp_path))
    runs.save()
    wandb_server.faults.clear()
    after = sync_runs(ExperimentRuns.load(tmp_path))
    assert {} == after.not_uploaded
    assert ["finished", "finished"] == [run.state for run in after.values()]
    assert_all_there(wandb_server, after)


def test_the_files_of_one_run_are_joined(wandb_server: WandbServer, tmp_path: Path) -> None:
    """A worker had died over it: its rows are in two files."""
    recorder = Recorder()
    recorder.open("a", init(tmp_path, "a", config={"who": "a"}), {})
    logs(recorder, "a", 1, 10)
    wait_for(lambda: recorder.runs["a"].rows == 10 and not recorder._supervisor._sender.log.memory_bytes)
    process = recorder._supervisor._process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    logs(recorder, "a", 11, ROWS)
    recorder.finish("a", "finished")
    recorder.close(timeout=60)
    runs = ExperimentRuns(dict(recorder.runs), "exp", Folder.at(tmp_path))
    assert 2 == len(runs["a"].paths)
    assert {} == sync_runs(runs).not_uploaded
    assert_all_there(wandb_server, runs)


def test_files_that_are_gone_are_named(wandb_server: WandbServer, tmp_path: Path) -> None:
    """The others are uploaded."""
    runs = record(tmp_path, ["a", "b"])
    Path(runs["b"].path).unlink()
    left = sync_runs(runs, attempts=1).not_uploaded
    assert {"b": f"{runs['b'].path} is not there"} == {trial_id: run.problem for trial_id, run in left.items()}
    assert {"a"} == {*wandb_server.runs}


def test_a_run_that_is_being_written_is_left_for_later(wandb_server: WandbServer, tmp_path: Path) -> None:
    """Until its file has not changed for a while: its driver is gone then."""
    runs = record(tmp_path, ["a"])
    live = runs.with_changes({"a": evolve(runs["a"], state="running")})
    assert ["a"] == [*sync_runs(live).not_uploaded]
    assert {} == wandb_server.runs
    os.utime(runs["a"].path, (0, 0))
    assert {} == sync_runs(live).not_uploaded


@pytest.mark.parametrize("arguments", [["sync"], ["runs"], ["sync", "--timeout", "long", "."]])
def test_a_wrong_call(arguments: list[str], tmp_path: Path) -> None:
    """Its exit code is 2, as for a folder that has no experiment."""
    assert 2 == call(*arguments).returncode
    assert 2 == call(arguments[0], str(tmp_path)).returncode


def test_the_table_of_runs(tmp_path: Path) -> None:
    """As text and as JSON; only some of them."""
    record(tmp_path, ["a", "b"])
    text = call("runs", str(tmp_path)).stdout.splitlines()
    assert ["run", "state", "rows", "where"] == text[0].split()
    assert ["a", "finished", "20"] == text[1].split()[:3]
    assert "2 runs: 1 finished, 1 failed; 40 rows" == text[-1]
    content = call_for_json("runs", "--not-uploaded", str(tmp_path))
    assert (["a", "b"], "exp") == ([run["id"] for run in content["runs"]], content["experiment"])
    content = call_for_json("runs", "--failed", str(tmp_path))
    assert [("b", 1)] == [(run["id"], run["exit_code"]) for run in content["runs"]]
