"""How the worker reads its commands, and what it does when everybody else is gone."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from pathlib import Path
from typing import NoReturn

import pytest

from tests.support.fake_backend import FakeRun
from tests.support.fake_worker import ProcessExitError, Worker, opening, row
from tests.support.offline import read_runs
from tests.support.recorder import init
from typed_tune_wandb.recording._process import HandlingTable
from typed_tune_wandb.recording._protocol import (
    FinishRun,
    FrameDecoder,
    FrameEncoder,
    LogRow,
    OpenRun,
    SetMediaOptions,
    encode,
    to_builtins,
)
from typed_tune_wandb.recording.worker import __main__ as worker_main
from typed_tune_wandb.recording.worker._backend import WandbBackend
from typed_tune_wandb.recording.worker._manager import RunManager
from typed_tune_wandb.recording.worker._orphan import is_orphan, unread_commands


def test_commands_are_gathered_unless_they_are_urgent(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not urgent waits for more; a byte in the other pipe ends the wait, the pipe's end is seen."""
    monkeypatch.setattr(worker_main, "BATCH_INTERVAL_S", 60.0)
    (commands, to_commands), (urgent, to_urgent) = os.pipe(), os.pipe()
    for fd in (commands, urgent):
        os.set_blocking(fd, False)
    waiting = threading.Thread(target=worker_main.wait_for_commands, args=(commands, urgent))
    waiting.start()
    os.write(to_commands, b"one ")
    waiting.join(0.1)
    assert waiting.is_alive()
    os.write(to_commands, b"two")
    os.write(to_urgent, b"!")
    waiting.join(30)
    assert [b"one two"] == list(worker_main.read_commands(commands))
    os.close(to_commands)
    assert [b""] == list(worker_main.read_commands(commands))
    for fd in (commands, urgent, to_urgent):
        os.close(fd)


def test_the_driver_sees_which_commands_are_handled() -> None:
    """In memory that both processes have; a slot's number may be any."""
    with tempfile.TemporaryFile() as file:
        file.truncate(HandlingTable.SIZE_BYTES)
        theirs, ours = HandlingTable(file.fileno()), HandlingTable(file.fileno())
        theirs.set(0, 7)
        theirs.set(511, 2**63)
        theirs.set(3, 5)
        theirs.set(3, 0)
        assert [7, 2**63] == ours.read()


def test_a_worker_is_an_orphan_once_nobody_can_write_to_it() -> None:
    """Whatever is still in the pipe: that is read to its end, from where the decoder stopped."""
    commands, to_commands = os.pipe()
    frames, decoder = FrameEncoder(), FrameDecoder()
    for number in (1, 2, 3):
        os.write(to_commands, frames.frame(number, encode(row(number))))
    assert not is_orphan(commands, 0.01)
    first = next(decoder.feed(os.read(commands, 200)))  # the first, and a part of the second
    assert 1 == first[0]
    os.close(to_commands)
    assert is_orphan(commands, 0.01)
    assert [row(2), row(3)] == unread_commands(commands, decoder)
    os.close(commands)


def test_what_is_unfinished_is_handed_on_as_commands() -> None:
    """Rows that are not in the file, with the steps that they had; what is waiting; and how arrays become media."""
    given: list[object] = []
    worker = Worker(orphaned=given.extend)
    options = SetMediaOptions({}, {})
    worker.do(options)
    worker.backend.prepared["t"] = {"path": "file"}
    worker.opened()
    run = worker.backend.runs["t"]
    run.flushed = 0
    worker.do(row(5), row(3), row(9))
    run.flushed = 6
    worker.manager.report_progress()
    run.service_lost = True
    with pytest.raises(ProcessExitError):
        worker.do(row(10))
    expected = OpenRun("t", 1, {"id": "t", "resume": "allow"}, next_step=6, earlier_files=("file",))
    rows = [LogRow("t", 1, step, 0, {"loss": loss}) for step, loss in ((6, 3), (9, 9), (10, 10))]
    assert [options, expected, *rows] == given


@pytest.mark.process
def test_unfinished_commands_come_to_the_same_run(tmp_path: Path) -> None:
    """By the real wandb: each row is there once, under its own step."""

    def carried_out(commands: list[object]) -> None:
        manager = RunManager(WandbBackend(), lambda event: None, worker_exit)
        for seq, command in enumerate(commands, 1):
            manager.handle(seq, command)  # type: ignore[arg-type]  # run commands alone
        manager.finish_all(130, timeout_s=60)

    def worker_exit(code: int) -> NoReturn:
        raise AssertionError(code)

    arguments = to_builtins(init(tmp_path, "r"))
    carried_out([OpenRun("r", 1, arguments), *(LogRow("r", 1, step, step, {"loss": step}) for step in (1, 2, 7))])
    (first,) = tmp_path.rglob("*.wandb")
    again = OpenRun("r", 1, {**arguments, "resume": "allow"}, next_step=2, earlier_files=(str(first),))
    rows = [LogRow("r", 1, step, 0, {"loss": step}) for step in (2, 7, 8)]
    carried_out([again, *rows, FinishRun("r", 1, 0)])
    deadline = time.monotonic() + 30
    while read_runs(tmp_path)["r"].exit_code != 0 and time.monotonic() < deadline:
        time.sleep(0.1)
    run = read_runs(tmp_path)["r"]
    assert ([1, 2, 7, 8], 0) == (run.rows("_step"), run.exit_code)


def test_the_fake_run_is_one_of_the_kind_that_the_manager_takes() -> None:
    """It has what the real one has."""
    from typed_tune_wandb.recording.worker._interface import BackendRun

    run: BackendRun = FakeRun("r", [])
    assert "r" == run.run_id
    assert opening().init == {"id": "t"}
