"""Carries out commands on the live runs, each run's in order. Knows threads, and no wandb."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NoReturn

from typing_extensions import assert_never

from typed_tune_wandb.recording._protocol import (
    EXIT_RESTART,
    EXIT_SERVICE_LOST,
    CheckLogin,
    Command,
    DiskFull,
    Event,
    FinishRun,
    LogRow,
    MarkBest,
    OpenRun,
    Progress,
    RunCommand,
    SaveCheckpoint,
    SetMediaOptions,
    UpdateConfig,
    ValueSkipped,
)
from typed_tune_wandb.recording.worker._interface import Backend, FileRemovedError, ServiceLostError
from typed_tune_wandb.recording.worker._managed_run import ManagedRun

DURABLE_INTERVAL_S: Final = 1.0
"""How often the runs' files are looked at."""
_CONFIRM_S: Final = 10.0
"""So long a cautious worker makes sure after each row that wandb-core is still there."""
_ALONE_TIMEOUT_S: Final = 5.0
"""So long a cautious worker opens one run alone; then a slow server must not hold up the others."""
_TEARDOWN_TIMEOUT_S: Final = 10.0
_IDLE_TEARDOWN_TIMEOUT_S: Final = 1.0  # where there was no run
_MIN_FREE_BYTES: Final = 8_000_000  # the rows that are on their way still have room
_MAX_SLOTS: Final = 511


class RunManager:
    """Carries out commands.

    Rows are recorded at once, one after the other; what takes long (opening, checkpoints, ending) runs in a thread of
    its own, and the run's later commands wait for it in order. So no run ever waits for another.

    Args:
        backend: Records the runs.
        emit: Takes the events.
        exit_process: Ends this process at once, with an exit code.
        handling: Notes that a slot (0 for the thread that calls :meth:`handle`) handles a command, or none (0).
        cautious: Open one run at a time, and make sure after each row that the backend's process is still there.
        orphaned: Called when the backend's process is gone, with what another process has to do; it comes back if the
            driver is still there to start one.
    """

    def __init__(
        self,
        backend: Backend,
        emit: Callable[[Event], None],
        exit_process: Callable[[int], NoReturn],
        handling: Callable[[int, int], None] = lambda slot, seq: None,
        *,
        cautious: bool = False,
        orphaned: Callable[[list[Command]], None] = lambda unfinished: None,
    ) -> None:
        self._backend, self._emit, self._exit, self._handling = backend, emit, exit_process, handling
        self._orphaned = orphaned
        self.taking = threading.RLock()
        """Held while commands are taken from the pipe and handled: each is in one place then, whoever looks."""
        self._runs: dict[str, ManagedRun] = {}
        self._threads: set[threading.Thread] = set()
        self._slots = set(range(1, _MAX_SLOTS))
        self._progress_lock = threading.Lock()
        self._taken = self._reported_taken = 0
        self._cautious = cautious
        self._opening = threading.Lock()
        self._confirm_until_s = time.monotonic() + _CONFIRM_S if cautious else 0.0
        self._snapshot_roots: set[Path] = set()
        self._options: list[Command] = []

    def start(self) -> None:
        """Start the backend. Where that fails, so does the opening of runs, which says why."""
        try:
            self._backend.start()
        except ServiceLostError:
            self._end_without_service()
        except Exception:
            return

    def handle(self, seq: int, command: Command) -> None:
        """Carry out a command, now or as soon as its run is free.

        Args:
            seq: Its number; 0 for a command that is not about a run.
            command: The command.
        """
        self._taken = max(self._taken, seq)
        match command:
            case SetMediaOptions():
                self._options = [command]
                self._backend.set_media_options(command)
            case CheckLogin():
                threading.Thread(target=self._check_login, args=(command,), daemon=True).start()
            case MarkBest():
                threading.Thread(target=lambda: self._emit(self._backend.mark_best(command)), daemon=True).start()
            case OpenRun() | LogRow() | UpdateConfig() | SaveCheckpoint() | FinishRun():
                self._handle_for_run(seq, command)
            case _:
                assert_never(command)

    def report_progress(self, *, look_at_files: bool = True) -> None:
        """Report new row counts, and how many rows are durable.

        Args:
            look_at_files: Whether to look how many are.
        """
        with self._progress_lock:
            changed = []
            for managed in list(self._runs.values()):
                if look_at_files:
                    try:
                        managed.count_durable()
                    except FileNotFoundError:
                        # Rows that are not durable go to a new file; the others are named then.
                        self._exit_for_restart()
                    except ServiceLostError:
                        self._end_without_service()
                counts = managed.rows, managed.handled, managed.durable
                if counts != managed.reported:
                    managed.reported = counts
                    changed.append((managed.trial_id, managed.generation, *counts))
            if changed or self._taken != self._reported_taken:
                self._reported_taken = self._taken
                self._emit(Progress(self._taken, tuple(changed)))

    def check_disks(self) -> None:
        """End this process where a disk of its runs is full and that of the temporary folder is not."""
        paths = [managed.run.path for managed in list(self._runs.values()) if managed.run is not None]
        for folder in filter(_is_full, {os.path.dirname(path) for path in paths if path}):  # noqa: PTH120
            if not _is_full(tempfile.gettempdir()):
                self._emit(DiskFull(folder))
                self._exit_for_restart()
            self._emit(ValueSkipped("", f"what is reported from now on, to runs in {folder}", "the disk is full."))

    def finish_all(self, exit_code: int, timeout_s: float) -> None:
        """End every live run, and wait until all have ended, at most ``timeout_s`` seconds."""
        deadline = time.monotonic() + timeout_s
        for managed in list(self._runs.values()):
            if managed.run is not None or managed.busy:
                self._handle_for_run(0, FinishRun(managed.trial_id, managed.generation, exit_code))
        for thread in list(self._threads):
            thread.join(max(0.0, deadline - time.monotonic()))
        for root in self._snapshot_roots:
            shutil.rmtree(root, ignore_errors=True)

    def stop(self) -> None:
        """End the backend's process, and this one where that takes too long."""
        if not self._backend.stop(_TEARDOWN_TIMEOUT_S if self._runs else _IDLE_TEARDOWN_TIMEOUT_S):
            self._exit(0)

    # --- one run ------------------------------------------------------------------------------------------------------

    def _handle_for_run(self, seq: int, command: RunCommand) -> None:
        if isinstance(command, OpenRun) and self._backend.needs_restart(command):
            self._exit_for_restart()
        managed = self._runs.get(command.trial_id)
        if managed is None:
            managed = self._runs[command.trial_id] = self._new_run(command.trial_id)
        with managed.lock:
            if managed.busy:
                managed.pending.append((seq, command))
                return
            if not isinstance(command, (LogRow, UpdateConfig)):
                managed.busy = True
                thread = threading.Thread(target=self._work, args=(managed, seq, command), daemon=True)
                self._threads.add(thread)
                thread.start()
                return
        self._handling(0, seq)
        self._carry_out(managed, command)
        self._handling(0, 0)

    def _new_run(self, trial_id: str) -> ManagedRun:
        # Not self._emit itself: it changes before a restart.
        return ManagedRun(trial_id, self._backend, lambda event: self._emit(event), self._confirm_until_s)

    def _work(self, managed: ManagedRun, seq: int, command: RunCommand) -> None:
        """Carry out what takes long, then all that has come meanwhile."""
        slot = self._slots.pop() if self._slots else _MAX_SLOTS
        todo: tuple[int, RunCommand] | None = (seq, command)
        while todo is not None:
            seq, command = todo
            with self._alone(command):
                self._handling(slot, seq)
                self._carry_out(managed, command)
                self._handling(slot, 0)
            with managed.lock:
                todo = managed.pending.popleft() if managed.pending else None
                managed.busy, managed.current = todo is not None, todo[1] if todo else None
        self._slots.add(slot)
        self._threads.discard(threading.current_thread())

    @contextmanager
    def _alone(self, command: RunCommand) -> Iterator[None]:
        """Let a cautious worker open one run at a time, unless that takes long."""
        alone = self._cautious and isinstance(command, OpenRun) and self._opening.acquire(timeout=_ALONE_TIMEOUT_S)
        try:
            yield
        finally:
            if alone:
                self._opening.release()

    def _carry_out(self, managed: ManagedRun, command: RunCommand) -> None:
        managed.current = command
        try:
            match command:
                case OpenRun():
                    managed.open(command)
                case LogRow():
                    managed.log(command)
                case UpdateConfig():
                    managed.update_config(command.config)
                case SaveCheckpoint():
                    if command.snapshot:
                        self._snapshot_roots.add(Path(command.location).parent)
                    managed.save_checkpoint(command)
                case FinishRun():
                    if (finished := managed.finish(command)) is not None:
                        self.report_progress(look_at_files=False)
                        self._emit(finished)
                case _:
                    assert_never(command)
        except ServiceLostError:
            self._end_without_service()
        except FileRemovedError:
            self._exit_for_restart()
        except Exception as error:
            # One run's misfortune, whatever it is, must not become the others'.
            managed.fail(command, error)
        managed.current = None

    def _end_without_service(self) -> NoReturn:
        """End this process: wandb cannot start another wandb-core in it."""
        self.taking.acquire()  # for good: the first thread that gets here ends the process
        unfinished = [command for managed in list(self._runs.values()) for command in managed.unfinished_commands()]
        self._orphaned([*self._options, *unfinished])
        self._exit(EXIT_SERVICE_LOST)

    # --- the rest -----------------------------------------------------------------------------------------------------

    def _check_login(self, command: CheckLogin) -> None:
        self._emit(self._backend.check_login(command))

    def _exit_for_restart(self) -> NoReturn:
        """Exit cleanly so that the driver starts a replacement, which resumes the runs."""
        self._emit = lambda event: None  # the runs end here, for the driver they do not
        self._backend.stop(_TEARDOWN_TIMEOUT_S)
        self._exit(EXIT_RESTART)


def _is_full(folder: str) -> bool:
    try:
        return shutil.disk_usage(folder).free < _MIN_FREE_BYTES
    except OSError:
        return False
