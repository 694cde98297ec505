"""What happens at the border to the worker: each value, message, process and folder that is bad costs itself alone."""

from __future__ import annotations

import functools
import gc
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import wandb

from tests.support.offline import read_runs
from tests.support.processes import descendants, is_alive
from tests.support.recorder import ROOT, durable, ended, init, logs, opened, services, wait_for, workers
from typed_tune_wandb._wandb_internals import flushes_rows
from typed_tune_wandb.payload import Payload
from typed_tune_wandb.recording import _process, _supervisor, _watchdog
from typed_tune_wandb.recording.checkpoints import CheckpointArtifact
from typed_tune_wandb.recording.client import Recorder


def fails_with(number: int) -> Callable[..., None]:
    """A function of the operating system that fails."""

    def function(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    return function


def run_script(folder: Path, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program that is no module of the tests: the worker cannot import its classes."""
    head = f"""
        import enum, sys, threading, time
        import numpy
        import wandb
        from typed_tune_wandb.payload import Payload
        from typed_tune_wandb.recording.client import Recorder
        folder = {str(folder)!r}
        recorder = Recorder()
        def opened(name, settings=None, **more):
            init = {{"id": name, "name": name, "project": "p", "mode": "offline", "dir": folder, **more}}
            recorder.open(name, init, settings or {{}})
    """
    program = textwrap.dedent(head) + textwrap.dedent(script)
    path = folder / "program.py"
    path.write_text(program)
    return subprocess.run(
        [sys.executable, str(path)],
        env={**os.environ, "PYTHONPATH": ROOT, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


def test_instances_of_a_programs_own_classes_are_recorded_as_what_they_are(tmp_path: Path) -> None:
    """Faults 1 and 2: an IntEnum, a float of the user's, a lambda, a lock: no run is lost, each bad value is named."""
    run = run_script(
        tmp_path,
        """
        class Stage(enum.IntEnum):
            TRAIN = 1
        class Loss(float):
            pass
        class Name(str):
            pass
        class Picture(wandb.Image):
            pass
        class Locked(wandb.Table):
            def __init__(self):
                super().__init__(columns=["a"], data=[[1]])
                self.lock = threading.Lock()
        opened("values", config={"stage": Stage.TRAIN, "bad": lambda: 1}, job_type=Name("train"))
        opened("media")
        opened("lambda", {"x_label": lambda: 1})
        for step in (1, 2):
            row = {"stage": Stage.TRAIN, "loss": Loss(0.5), "bad": threading.Lock(), "nested": [{"deep": Stage.TRAIN}]}
            recorder.log("values", step, Payload(row, config={"more": Loss(2)}))
            pixels = numpy.zeros((2, 2, 3), "uint8")
            media = {"image": wandb.Image(pixels), "picture": Picture(pixels), "locked": Locked()}
            recorder.log("media", step, Payload({"loss": step}, media))
        for name in recorder.runs:
            recorder.finish(name, "finished")
        started = time.monotonic()
        print(recorder.close(300))
        assert time.monotonic() - started < 100
        print({name: (run.state, run.problem) for name, run in recorder.runs.items()})
        """,
    )
    runs = read_runs(tmp_path)
    values, media = runs["values"], runs["media"]
    assert ([1, 1], [0.5, 0.5]) == (values.rows("stage"), values.rows("loss"))
    assert [[{"deep": 1}]] * 2 == values.rows("nested")
    assert (1, 2.0, "train") == (values.config["stage"], values.config["more"], values.job_type)
    assert [1, 2] == media.rows("loss")
    assert 2 == len(media.rows("image"))
    assert "'media': ('finished', None)" in run.stdout
    assert """'lambda': ('lost', "settings.x_label: it cannot be sent""" in run.stdout
    for key in ("bad", "locked", "picture"):
        assert 1 <= run.stderr.count(f"'{key}' is left out") <= 2, run.stderr


def test_what_is_printed_at_the_start_of_python_disturbs_nothing(tmp_path: Path) -> None:
    """Fault 4: by a sitecustomize, or a .pth file."""
    (tmp_path / "sitecustomize.py").write_text("print('hello from sitecustomize', flush=True)\n")
    run = run_script(
        tmp_path,
        """
        opened("r")
        recorder.log("r", 1, Payload({"loss": 1}))
        recorder.finish("r", "finished")
        print(recorder.close(60), recorder.runs["r"].state)
        """,
        PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}",
    )
    assert "[] finished" in run.stdout
    assert 1 == run.stdout.count("hello")
    assert [1] == read_runs(tmp_path)["r"].rows("loss")


def test_modules_in_the_current_folder_stand_in_for_none_of_pythons(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault 6: a copy.py of the user's beside the script must not be run by the worker."""
    for name in ("copy", "queue", "json", "sys", "typing"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('it was run')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    opened(recorder, tmp_path, "r")
    logs(recorder, "r", 1, 3)
    assert [1, 2, 3] == ended(recorder, tmp_path)["r"].rows("_step")


def test_wandb_core_holds_no_pipe_of_the_recorders(recorder: Recorder, tmp_path: Path) -> None:
    """Fault 5: or a dead worker would go unnoticed as long as its wandb-core lives."""
    opened(recorder, tmp_path, "r")
    process = recorder._supervisor._process
    assert process is not None
    (core,) = services(recorder)
    fds = (process.command_fd, process.urgent_fd, process.event_fd)
    # Only Linux tells which pipes a process holds; the flags that this tests are the same on macOS.
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("needs /proc to see another process' pipes")
    ours = {Path(f"/proc/self/fd/{fd}").readlink() for fd in fds}
    theirs = {path.readlink() for path in Path(f"/proc/{core}/fd").iterdir() if path.is_symlink()}
    assert set() == ours & theirs


def test_a_process_that_cannot_be_started_at_once_is_started_later(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault 3: no memory or no process left for a moment, as after the out-of-memory killer."""
    opened(recorder, tmp_path, "r")
    logs(recorder, "r", 1, 10)
    real, failures = _process._start, [OSError(12, "Cannot allocate memory")] * 2

    def start(*arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return real(*arguments)

    monkeypatch.setattr(_process, "_start", start)
    os.kill(workers(recorder)[0], signal.SIGKILL)
    logs(recorder, "r", 11, 20)
    wait_for(lambda: recorder.runs["r"].rows == 20)
    assert [] == failures
    assert [*range(1, 21)] == ended(recorder, tmp_path)["r"].rows("_step")


def test_a_process_that_can_never_be_started_loses_the_runs_at_once(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault 3: with the reason, and nobody waits for them; later runs are lost too and take no memory (fault 18)."""

    def start(*arguments: Any) -> Any:
        raise OSError(12, "Cannot allocate memory")

    opened(recorder, tmp_path, "r")
    monkeypatch.setattr(_process, "_start", start)
    monkeypatch.setattr(_supervisor, "_MAX_SPAWN_DELAY_S", 0.5)
    os.kill(workers(recorder)[0], signal.SIGKILL)
    wait_for(lambda: recorder.runs["r"].state == "lost")
    assert "cannot be started" in str(recorder.runs["r"].problem)
    opened_late = init(tmp_path, "late")
    recorder.open("late", opened_late, {})
    logs(recorder, "late", 1, 1000)
    assert "lost" == recorder.runs["late"].state
    assert 0 == recorder._supervisor._sender.log.memory_bytes
    assert [] == recorder.close(timeout=5)


def test_a_garbled_answer_costs_a_process_not_a_run(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is no event ends the worker; another one goes on with its runs."""
    opened(recorder, tmp_path, "r")
    logs(recorder, "r", 1, 10)
    (first,) = workers(recorder)
    real = os.read
    garbled: list[int] = []

    def read(fd: int, length: int) -> bytes:
        process = recorder._supervisor._process
        if not garbled and process is not None and fd == process.event_fd:
            garbled.append(fd)
            return b"a line of somebody's\n" * 3
        return real(fd, length)

    monkeypatch.setattr(os, "read", read)
    logs(recorder, "r", 11, 20, 0.05)
    wait_for(lambda: recorder.runs["r"].rows == 20 and workers(recorder) not in ([], [first]))
    assert [*range(1, 21)] == ended(recorder, tmp_path)["r"].rows("_step")


def test_garbled_commands_cost_a_process_not_a_run(recorder: Recorder, tmp_path: Path) -> None:
    """What is no command ends the worker; another one goes on with its runs."""
    opened(recorder, tmp_path, "r")
    logs(recorder, "r", 1, 10)
    process = recorder._supervisor._process
    assert process is not None
    os.write(process.command_fd, b"what somebody else writes into the pipe" * 3)
    logs(recorder, "r", 11, 20)
    wait_for(lambda: recorder.runs["r"].rows == 20)
    assert workers(recorder) != [process.pid]
    assert [*range(1, 21)] == ended(recorder, tmp_path)["r"].rows("_step")


@pytest.mark.parametrize("victim", [workers, services], ids=["worker", "wandb-core"])
def test_a_process_that_hangs_is_replaced(
    victim: Callable[[Recorder], list[int]], recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault 20: what neither dies nor answers is killed; every row is recorded once."""
    if victim is services and not flushes_rows():
        pytest.skip("before wandb 0.31 it is seen at the run's end, as in the test of that below")
    monkeypatch.setattr(_watchdog, "WATCHDOG_TIMEOUT_S", 5.0)
    opened(recorder, tmp_path, "r")
    logs(recorder, "r", 1, 20)
    stopped = victim(recorder)
    before = [*workers(recorder), *services(recorder)]
    os.kill(stopped[0], signal.SIGSTOP)
    logs(recorder, "r", 21, 40)
    wait_for(lambda: recorder.runs["r"].rows == 40 and before[0] not in workers(recorder))
    wait_for(lambda: not any(map(is_alive, before)))
    assert [*range(1, 41)] == ended(recorder, tmp_path)["r"].rows("_step")


def test_a_wandb_core_that_hangs_while_runs_are_opened_is_replaced(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No row can tell of it, and wandb itself would wait: all is recorded once all the same."""
    monkeypatch.setattr(_watchdog, "WATCHDOG_TIMEOUT_S", 5.0)
    recorder._supervisor.watchdog.init_timeout_s = 0.0
    opened(recorder, tmp_path, "first")
    recorder.finish("first", "finished")
    wait_for(lambda: recorder.runs["first"].state == "finished")
    os.kill(services(recorder)[0], signal.SIGSTOP)
    opened(recorder, tmp_path, "r")
    logs(recorder, "r", 1, 5)
    assert [*range(1, 6)] == ended(recorder, tmp_path)["r"].rows("_step")


def test_a_wandb_core_that_hangs_at_the_end_of_an_offline_run_is_replaced(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run ends as its trial did, and ``close`` does not wait for its whole timeout."""
    monkeypatch.setattr(_watchdog, "WATCHDOG_TIMEOUT_S", 5.0)
    opened(recorder, tmp_path, "r")
    logs(recorder, "r", 1, 5)
    wait_for(lambda: durable(recorder))
    os.kill(services(recorder)[0], signal.SIGSTOP)
    recorder.finish("r", "failed")
    assert [] == recorder.close(timeout=120)
    run = read_runs(tmp_path)["r"]
    assert ([*range(1, 6)], 1, "failed") == (run.rows("_step"), run.exit_code, recorder.runs["r"].state)


_KILLER = """
import os
import typed_tune_wandb.recording.worker._backend as backend
real = backend.WandbRun.log
def log(self, values, step, **options):
    if "killer" in values:
        os.abort()
    return real(self, values, step, **options)
backend.WandbRun.log = log
"""


def test_a_row_that_kills_the_worker_is_skipped(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """After the second time, with its keys named; all others are recorded."""
    monkeypatch.setattr(_process, "BOOT", _process.BOOT.replace("main(sys", f"exec({_KILLER!r}); main(sys"))
    opened(recorder, tmp_path, "r", "other")
    for step in range(1, 21):
        row: dict[str, object] = {"training_iteration": step, **({"killer": 1} if step == 7 else {})}
        recorder.log("r", step, Payload(row), step)
        logs(recorder, "other", step, step)
    wait_for(lambda: recorder.runs["r"].rows == 19)
    runs = ended(recorder, tmp_path)
    assert [step for step in range(1, 21) if step != 7] == runs["r"].rows("training_iteration")
    assert [*range(1, 21)] == runs["other"].rows("training_iteration")
    (skipped,) = [record.getMessage() for record in caplog.records if "is left out" in record.getMessage()]
    assert "killer" in skipped
    assert "died of it 2 times" in skipped


def test_a_folder_that_is_removed_costs_what_was_in_it(recorder: Recorder, tmp_path: Path, caplog: Any) -> None:
    """Fault 9: later rows go to a new file, and what is gone is named; rows that were not durable are not gone."""
    opened(recorder, tmp_path, "r")
    logs(recorder, "r", 1, 10)
    wait_for(lambda: durable(recorder))
    shutil.rmtree(tmp_path / "wandb")
    logs(recorder, "r", 11, 30, 0.1)
    wait_for(lambda: Path(recorder.runs["r"].path).exists() and recorder.runs["r"].rows == 30)
    recorded = ended(recorder, tmp_path)["r"].rows("_step")
    assert [*range(recorded[0], 31)] == recorded
    assert recorded[0] <= 11
    assert ("was removed" in caplog.text) == flushes_rows()


@pytest.mark.parametrize("durable", [True, False])
def test_a_folder_that_is_removed_before_the_end(
    durable: bool, recorder: Recorder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each row is in a file or named, and the run ends as its trial."""
    opened(recorder, tmp_path, "r")
    logs(recorder, "r", 1, 10)
    wait_for(lambda: recorder.runs["r"].rows == 10 and not (durable and recorder._supervisor._sender.log.memory_bytes))
    shutil.rmtree(tmp_path / "wandb")
    run = ended(recorder, tmp_path)["r"]
    named = max((int(number) for number in re.findall(r"rows of trial r up to number (\d+)", caplog.text)), default=0)
    assert {*range(1, 11)} == {*run.rows("_step"), *range(1, named + 1)}
    assert (0, "finished") == (run.exit_code, recorder.runs["r"].state)


def test_media_that_cannot_be_copied_cost_themselves(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Fault 8: a full disk under the temporary folder is no error of Tune's loop; the row is kept."""
    video = tmp_path / "video.gif"
    video.write_bytes(b"GIF89a")
    media = {"video": wandb.Video(str(video), format="gif")}

    threads: list[str] = []

    def full(*arguments: object) -> None:
        threads.append(threading.current_thread().name)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "link", fails_with(18))
    monkeypatch.setattr(shutil, "copyfile", full)
    opened(recorder, tmp_path, "r")
    recorder.log("r", 1, Payload({"loss": 1}, dict(media)), 1)
    logs(recorder, "r", 2, 3)
    run = ended(recorder, tmp_path)["r"]
    assert [1, 2, 3] == run.rows("_step")
    assert ["wandb-recorder-write_loop"] == threads
    assert "'video' is left out" in caplog.text


def test_rows_after_media_keep_their_order(recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow copy holds up the rows behind it, in the thread that sends them, and not the caller."""
    video = tmp_path / "video.gif"
    video.write_bytes(b"GIF89a")
    real = shutil.copyfile

    def slow(*arguments: Any) -> Any:
        time.sleep(0.3)
        return real(*arguments)

    monkeypatch.setattr(os, "link", fails_with(18))
    monkeypatch.setattr(shutil, "copyfile", slow)
    opened(recorder, tmp_path, "r")
    for step in (1, 3, 5):
        recorder.log("r", step, Payload({"loss": step}, {"video": wandb.Video(str(video), format="gif")}), step)
        recorder.log("r", step + 1, Payload({"loss": step + 1}), step + 1)
    run = ended(recorder, tmp_path)["r"]
    assert [1, 2, 3, 4, 5, 6] == run.rows("_step") == run.rows("loss")
    assert 3 == len(run.rows("video"))


@pytest.mark.parametrize("links", [True, False])
def test_snapshots_of_checkpoints_leave_nothing_behind(
    links: bool, recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault 17: neither with hard links nor without; the files are uploaded though Tune removes the originals."""
    if not links:
        monkeypatch.setattr(os, "link", fails_with(1))
    folder = tmp_path / "exp" / "trial" / "checkpoint_000001"
    folder.mkdir(parents=True)
    (folder / "weights.bin").write_bytes(b"123")
    recorder.open("r", init(tmp_path, "r"), {})
    recorder.save_checkpoint("r", CheckpointArtifact("c", str(folder)))
    if links:
        shutil.rmtree(folder)
    run = ended(recorder, tmp_path)["r"]
    assert ["weights.bin"] == [entry.path for entry in run.artifacts[0].manifest.contents]
    assert ["trial"] == os.listdir(tmp_path / "exp")
    assert ([] if links else ["checkpoint_000001"]) == os.listdir(tmp_path / "exp" / "trial")


def test_a_recorder_that_nobody_holds_ends_its_runs(tmp_path: Path) -> None:
    """As interrupted, with all rows; its process ends by itself."""
    recorder = Recorder()
    opened(recorder, tmp_path, "r")
    logs(recorder, "r", 1, 50)
    pids = [*workers(recorder), *services(recorder)]
    del recorder
    gc.collect()
    wait_for(lambda: not any(map(is_alive, pids)))
    run = read_runs(tmp_path)["r"]
    assert ([*range(1, 51)], 130) == (run.rows("_step"), run.exit_code)


def test_an_interpreter_that_exits_leaves_whole_runs(tmp_path: Path) -> None:
    """Without a close: an exception, a forgotten call."""
    run_script(tmp_path, "opened('r')\nfor step in range(50): recorder.log('r', step + 1, Payload({'loss': step}))\n")
    wait_for(lambda: "r" in read_runs(tmp_path) and read_runs(tmp_path)["r"].exit_code == 130)
    assert [*range(50)] == read_runs(tmp_path)["r"].rows("loss")


_DRIVER = """
import sys, time
from typed_tune_wandb.payload import Payload
from typed_tune_wandb.recording.client import Recorder
recorder = Recorder()
recorder.open("r", {"id": "r", "name": "r", "project": "p", "mode": "offline", "dir": sys.argv[1]}, {})
step = 0
while True:
    step += 1
    recorder.log("r", step, Payload({"loss": step}), step)
    print(step, flush=True)
    time.sleep(0.002)
"""


@pytest.mark.parametrize("kill", ["job", "driver"])
def test_every_row_that_was_reported_before_the_driver_is_killed_is_in_the_file(kill: str, tmp_path: Path) -> None:
    """Fault 19: SIGTERM to all processes of the job (SLURM, systemd), or SIGKILL to the driver alone."""
    driver = subprocess.Popen(
        [sys.executable, "-c", _DRIVER, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": ROOT},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert driver.stdout is not None
    last = 0
    started = time.monotonic()
    for line in driver.stdout:
        last = int(line)
        if last % 100 == 0 and time.monotonic() > started + 3 and [*tmp_path.rglob("*.wandb")]:
            break
    pids = descendants(driver.pid)
    assert 2 == len(pids)
    if kill == "driver":
        driver.send_signal(signal.SIGKILL)
    else:
        for pid in [driver.pid, *pids]:
            os.kill(pid, signal.SIGTERM)
    rest = driver.stdout.read()
    driver.wait()
    reported = int(rest.split()[-1]) if rest.split() else last
    wait_for(lambda: not any(map(is_alive, pids)))
    run = read_runs(tmp_path)["r"]
    assert [*range(1, len(run.history) + 1)] == run.rows("loss")
    assert len(run.history) >= reported
    assert run.exit_code in (130, 143)


def test_restarts_count_within_a_time_alone(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault 22: a week of training survives any number of kills, if there is time between them."""
    monkeypatch.setattr(_watchdog, "MAX_RESTARTS", 1)
    monkeypatch.setattr(_watchdog, "RESTART_WINDOW_S", 0.1)
    opened(recorder, tmp_path, "r")
    for number in range(3):
        wait_for(functools.partial(lambda rows: recorder.runs["r"].rows == rows, number * 10))
        (before,) = workers(recorder)
        logs(recorder, "r", number * 10 + 1, number * 10 + 10)
        os.kill(before, signal.SIGKILL)
        wait_for(functools.partial(lambda pid: workers(recorder) not in ([], [pid]), before))
    wait_for(lambda: recorder.runs["r"].rows == 30)
    assert [*range(1, 31)] == ended(recorder, tmp_path)["r"].rows("_step")


@pytest.mark.skipif(not flushes_rows(), reason="the setting is new in wandb 0.31")
def test_a_flush_setting_of_the_users_delays_what_is_durable_and_loses_nothing(
    recorder: Recorder, tmp_path: Path
) -> None:
    """Fault 13: rows stay in the replay log as long as they are not in the file, whatever the interval."""
    recorder.open("r", init(tmp_path, "r"), {"x_transaction_log_flush_interval": 3600.0})
    logs(recorder, "r", 1, 20)
    wait_for(lambda: recorder.runs["r"].rows == 20)
    time.sleep(5)
    os.kill(workers(recorder)[0], signal.SIGKILL)
    wait_for(lambda: recorder.runs["r"].rows == 20 and len(workers(recorder)) == 1)
    logs(recorder, "r", 21, 22)
    assert [*range(1, 23)] == ended(recorder, tmp_path)["r"].rows("_step")


def test_an_error_of_our_own_ends_the_recorder_in_order(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that fails names every run as lost: nothing hangs, nothing stays "running"."""
    opened(recorder, tmp_path, "r")

    def fails(*arguments: object) -> None:
        raise AssertionError("a fault of ours")

    monkeypatch.setattr(type(recorder._supervisor.events), "apply", fails)
    logs(recorder, "r", 1, 3)
    wait_for(lambda: recorder.runs["r"].state == "lost")
    assert "AssertionError" in str(recorder.runs["r"].problem)
    started = time.monotonic()
    recorder.close(timeout=200)
    assert time.monotonic() - started < 100


def test_a_late_run_is_not_replayed_in_another_experiment(recorder: Recorder, tmp_path: Path) -> None:
    """Fault 32: what close() gave up is forgotten."""
    opened(recorder, tmp_path, "r")
    os.kill(services(recorder)[0], signal.SIGSTOP)
    logs(recorder, "r", 1, 3)
    recorder.finish("r", "finished")
    assert ["r"] == [run.id for run in recorder.close(timeout=1)]
    assert [] == recorder._supervisor._sender.log.replay({})
    opened(recorder, tmp_path / "second", "s")
    assert ["s"] == list(ended(recorder, tmp_path / "second"))
