"""Drives a recorder without Ray: opens offline runs, logs rows, ends the runs and reads them back."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

from tests.support.offline import OfflineRun, read_runs
from tests.support.processes import descendants
from typed_tune_wandb._wandb_internals import flushes_rows
from typed_tune_wandb.payload import Payload
from typed_tune_wandb.recording.client import Recorder
from typed_tune_wandb.settings import WandbInitKwargs

ROOT = str(Path(__file__).parents[2])


def init(folder: Path, run_id: str, **more: object) -> WandbInitKwargs:
    """Arguments for an offline run."""
    arguments = {"id": run_id, "name": run_id, "project": "p", "mode": "offline", "dir": folder, **more}
    return cast("WandbInitKwargs", arguments)


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not hold in time"
        time.sleep(0.05)


def workers(recorder: Recorder) -> list[int]:
    """The process ids of the recorder's worker."""
    process = recorder._supervisor._process
    return [] if process is None or process.wait(0) is not None else [process.pid]


def services(recorder: Recorder) -> list[int]:
    """The process ids of its wandb-core."""
    return [core for worker in workers(recorder) for core in descendants(worker, b"wandb-core")]


def durable(recorder: Recorder) -> bool:
    """Whether all rows are in their files, or wandb-core may keep them for longer than a test takes."""
    return not flushes_rows() or recorder._supervisor._sender.log.memory_bytes == 0


def opened(recorder: Recorder, folder: Path, *names: str, **more: object) -> None:
    """Open offline runs, and wait until they are."""
    for name in names:
        recorder.open(name, init(folder, name, **more), {})
    wait_for(lambda: all(recorder.runs[name].state == "running" for name in names))


def logs(recorder: Recorder, name: str, first: int, last: int, pause: float = 0.0) -> None:
    """Log rows, steps first to last."""
    for step in range(first, last + 1):
        recorder.log(name, step, Payload({"training_iteration": step}), step)
        time.sleep(pause)


def ended(recorder: Recorder, folder: Path) -> dict[str, OfflineRun]:
    """End all runs as finished, close the recorder and read the runs back."""
    for name in recorder.runs:
        recorder.finish(name, "finished")
    recorder.close(timeout=60)
    return read_runs(folder)
