"""The recorder under faults: a random one every few seconds, while 16 trials report. No row may vanish unnamed.

Half of the trials are recorded offline, half online against the W&B server of the tests. A trial reports some hundred
rows, ends, and another one takes its place. At the end every row that was reported is looked for in the files and on
the server: it must be there once, or be named in a warning. Run it from the root of the repository:
``python -m benchmarks.soak``; it needs no Ray, and the right to mount a disk (else that fault is left out).
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import psutil
from attrs import Factory, define

from benchmarks.common import MEGABYTE, conditions, table
from tests.support.offline import read_runs
from tests.wandb_server import Fault, WandbServer
from tests.wandb_server.fixture import API_KEY

_TRIALS: Final = 16
_ROWS_PER_TRIAL: Final = 400
_PAUSE_S: Final = 0.05  # between two rows of a trial: 20 rows a second each
_WATCHDOG_S: Final = 8.0
_SETTINGS: Final = {
    "api_key": API_KEY,
    "x_file_stream_transmit_interval": 1,
    "init_timeout": 10,
    **{
        f"x_{kind}_retry_wait_{bound}_seconds": 1
        for kind in ("file_stream", "graphql", "file_transfer")
        for bound in ("min", "max")
    },
}


@define
class Sample:
    """What the recorder holds at one moment: its threads in the driver, its log there, its worker and wandb-core."""

    minutes: float
    driver_threads: int
    log_kb: float
    worker: tuple[int, int, float] = (0, 0, 0.0)
    """Threads, open files, MB."""
    core: tuple[int, int, float] = (0, 0, 0.0)
    """Threads, open files, MB."""


class Warnings(logging.Handler):
    """Keeps the messages of the library."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@define
class Soak:
    """One run of the test.

    Attributes:
        folder: Where everything is written.
        server: Where half of the runs go.
        recorder: What is tested.
        reported: Run id → number of rows reported.
        hits: Fault → how often it was injected.
    """

    folder: Path
    server: WandbServer
    recorder: Any
    random: random.Random
    small_disk: Path | None
    reported: dict[str, int] = Factory(dict)
    bad_values: int = 0
    hits: Counter[str] = Factory(Counter)
    samples: list[Sample] = Factory(list)

    # --- trials -------------------------------------------------------------------------------------------------------

    def start_trial(self, slot: int, number: int) -> str:
        """Open the run of a new trial."""
        run_id = f"r{slot:02d}-{number:04d}"
        online = slot % 2 == 1
        folder = self.small_disk if slot == 0 and self.small_disk is not None else self.folder / f"disk{slot % 4}"
        init = {"id": run_id, "name": run_id, "project": "soak", "dir": str(folder), "resume": "allow"}
        self.recorder.open(run_id, {**init, "mode": "online" if online else "offline"}, _SETTINGS if online else {})
        self.reported[run_id] = 0
        return run_id

    def report(self, run_id: str) -> None:
        """Report a row."""
        from typed_tune_wandb.payload import Payload

        number = self.reported[run_id] = self.reported[run_id] + 1
        row: dict[str, object] = {
            "training_iteration": number,
            **{f"metric_{index}": number / (index + 1) for index in range(10)},
        }
        if self.random.random() < 0.0005:
            row["bad"] = threading.Lock()
            self.bad_values += 1
        self.recorder.log(run_id, number, Payload(row), number)

    def train(self, minutes: float) -> None:
        """Let all trials report, with a fault every few seconds."""
        trials = {slot: self.start_trial(slot, 0) for slot in range(_TRIALS)}
        numbers = dict.fromkeys(trials, 0)
        began = time.monotonic()
        next_fault, next_sample, turn = began + 5, began + 20, 0
        while (now := time.monotonic()) < began + minutes * 60:
            for slot, run_id in trials.items():
                self.report(run_id)
                if self.reported[run_id] == _ROWS_PER_TRIAL + 17 * slot:
                    self.recorder.finish(run_id, "finished")
                    numbers[slot] += 1
                    trials[slot] = self.start_trial(slot, numbers[slot])
            if now > next_fault:
                self.inject()
                next_fault = now + self.random.uniform(3, 7)
            if now > next_sample:
                self.sample((now - began) / 60)
                next_sample = now + max(20.0, minutes * 60 / 20)
            turn += 1
            time.sleep(max(0.0, began + turn * _PAUSE_S - time.monotonic()))
        for run_id in trials.values():
            self.recorder.finish(run_id, "finished")

    # --- faults -------------------------------------------------------------------------------------------------------

    def inject(self) -> None:
        """Inject one fault at random."""
        faults: list[Callable[[], None]] = [
            *(self.kill_worker, self.kill_wandb_core, self.stop_wandb_core, self.stop_worker),
            *(self.remove_folder, self.garble_commands, self.server_fails, self.server_fails, self.server_is_down),
        ]
        if self.small_disk is not None:
            faults.append(self.fill_disk)
        fault = self.random.choice(faults)
        with suppress(psutil.Error, OSError):  # the worker is being replaced
            fault()
            self.hits[fault.__name__] += 1

    def worker(self) -> psutil.Process:
        process = self.recorder._supervisor._process
        return psutil.Process(process.pid if process is not None else 0)

    def wandb_core(self) -> psutil.Process:
        cores = [child for child in self.worker().children() if "wandb-core" in child.name()]
        if not cores:
            raise psutil.NoSuchProcess(0)
        return cores[0]

    def kill_worker(self) -> None:
        self.worker().kill()

    def kill_wandb_core(self) -> None:
        self.wandb_core().kill()

    def stop_worker(self) -> None:
        self.worker().send_signal(signal.SIGSTOP)

    def stop_wandb_core(self) -> None:
        self.wandb_core().send_signal(signal.SIGSTOP)

    def remove_folder(self) -> None:
        folder = self.folder / f"disk{self.random.choice([0, 2])}"
        for run in self.recorder.runs.values():
            if run.live and folder in Path(run.path).parents:
                shutil.rmtree(Path(run.path).parent, ignore_errors=True)

    def garble_commands(self) -> None:
        os.write(self.recorder._supervisor._process.command_fd, b"what somebody else writes into the pipe" * 5)

    def server_fails(self) -> None:
        kinds: list[dict[str, Any]] = [
            *({"status": 500}, {"status": 429, "retry_after": 1}),
            *({"drop": True}, {"lose_answer": True}, {"delay": 3}),
        ]
        operation = self.random.choice(["file_stream", "file_stream", "UpsertBucket"])
        self.server.faults.add(Fault(operation, times=self.random.randint(1, 4), **self.random.choice(kinds)))

    def server_is_down(self) -> None:
        self.server.go_down_for(self.random.uniform(1, 5))

    def fill_disk(self) -> None:
        assert self.small_disk is not None
        (self.small_disk / "other").write_bytes(b"x" * 20_000_000)

    # --- what is left -------------------------------------------------------------------------------------------------

    def sample(self, minutes: float) -> None:
        """Look at what the processes hold."""
        threads = sum(thread.name.startswith("wandb-recorder") for thread in threading.enumerate())
        sample = Sample(minutes, threads, self.recorder._supervisor._sender.log.memory_bytes / 1000)
        with suppress(psutil.Error):
            sample.worker = _held_by(self.worker())
            sample.core = _held_by(self.wandb_core())
        self.samples.append(sample)

    def recorded(self) -> dict[str, Counter[int]]:
        """Run id → how often each row is there."""
        found: dict[str, Counter[int]] = {run_id: Counter() for run_id in self.reported}
        folders = [self.folder, *([self.small_disk] if self.small_disk else [])]
        folders += [Path(path).parents[1] for run in self.recorder.runs.values() for path in run.paths]
        for folder in {*folders}:
            if not folder.exists():
                continue
            for run_id, run in read_runs(folder).items():
                name = run_id.removesuffix("-offline")
                if int(name[1:3]) % 2 == 0 or name != run_id:
                    rows = Counter(run.rows("training_iteration"))
                    found[name] = Counter({row: max(found[name][row], rows[row]) for row in {*found[name], *rows}})
        for run_id, on_server in self.server.runs.items():
            found[run_id].update(row["training_iteration"] for row in on_server.history)
        return found

    def named(self, messages: list[str]) -> dict[str, int]:
        """Run id → up to which row warnings name its rows as lost."""
        rows: dict[str, int] = {}
        for message in messages:
            for trial_id, number in re.findall(r"rows of trial (\S+) up to number (\d+)", message):
                rows[trial_id] = max(rows.get(trial_id, 0), int(number))
        return rows


def _held_by(process: psutil.Process) -> tuple[int, int, float]:
    return process.num_threads(), process.num_fds(), process.memory_info().rss / MEGABYTE


@contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """A disk of 20 MB, or None where none can be mounted."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def run(minutes: float, seed: int, warnings: Warnings) -> tuple[Soak, list[str], float]:
    """Run the test; give it with what went wrong, and how long the end took (seconds)."""
    from typed_tune_wandb.recording import _watchdog
    from typed_tune_wandb.recording.client import Recorder

    # A minute is too long for a test.
    _watchdog.WATCHDOG_TIMEOUT_S = _WATCHDOG_S  # type: ignore[misc]
    _watchdog.DEFAULT_INIT_TIMEOUT_S = 10.0  # type: ignore[misc]
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    with WandbServer() as server, small_disk(folder / "small") as disk:
        os.environ.update(WANDB_BASE_URL=server.url, WANDB_ERROR_REPORTING="false", WANDB_SILENT="true")
        soak = Soak(folder, server, Recorder(), random.Random(seed), disk)
        soak.train(minutes)
        server.faults.clear()
        server.come_back()
        began = time.monotonic()
        late = soak.recorder.close(300, lambda line: None)
        seconds = time.monotonic() - began
        problems = [f"{run.id} was not up" for run in late]
        found, named = soak.recorded(), soak.named(warnings.messages)
        for run_id, count in soak.reported.items():
            missing = [row for row in range(1, count + 1) if row not in found[run_id] and row > named.get(run_id, 0)]
            twice = [row for row, times in found[run_id].items() if times > 1]
            if missing or twice:
                problems.append(f"{run_id}: missing {missing[:9]} ({len(missing)}), twice {twice[:9]} ({len(twice)})")
    shutil.rmtree(folder, ignore_errors=True)
    return soak, problems, seconds


def main() -> None:
    """Run the test and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    warnings = Warnings()
    library = logging.getLogger("typed_tune_wandb")
    library.addHandler(warnings)
    library.propagate = False
    soak, problems, seconds = run(options.minutes, options.seed, warnings)
    named = soak.named(warnings.messages)
    print(f"{conditions('benchmarks.soak')}; seed {options.seed}\n")
    print(
        f"- {len(soak.reported)} runs, {sum(soak.reported.values())} rows, {soak.bad_values} values that cannot be sent"
    )
    print(f"- faults: {', '.join(f'{name} {count}' for name, count in sorted(soak.hits.items()))}")
    print(f"- rows named in warnings as gone with a folder: at most {sum(named.values())}, of {len(named)} runs")
    print(f"- wait at the end: {seconds:.1f} s")
    print(f"- states: {dict(Counter(run.state for run in soak.recorder.runs.values()))}")
    print(f"- rows that are missing or there twice: {'none' if not problems else ''}")
    for problem in problems:
        print(f"  - {problem}")
    header = ["minute", "recorder's threads in the driver", "replay log (kB)"]
    header += [f"{who}: {what}" for who in ("worker", "wandb-core") for what in ("threads", "files", "MB")]
    cells = [
        [f"{s.minutes:.1f}", str(s.driver_threads), f"{s.log_kb:.0f}", *(f"{n:.0f}" for n in (*s.worker, *s.core))]
        for s in soak.samples
    ]
    print("\n" + table(header, cells))
    for message in sorted({re.sub(r"r\d\d-\d{4}|\d+", "#", message)[:160] for message in warnings.messages}):
        print(f"  {message}")
    raise SystemExit(1 if problems else 0)


if __name__ == "__main__":
    main()
