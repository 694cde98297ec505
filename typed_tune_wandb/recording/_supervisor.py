"""Keeps a worker running: its threads send commands, take events in, and replace a worker that is gone."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from typed_tune_wandb.recording._events import EventHandler
from typed_tune_wandb.recording._poll import readable, wait_writable
from typed_tune_wandb.recording._process import WorkerProcess
from typed_tune_wandb.recording._protocol import (
    EXIT_RESTART,
    Command,
    FrameDecoder,
    GarbledStreamError,
    RunCommand,
    SaveCheckpoint,
    decode,
)
from typed_tune_wandb.recording._replay import Entry, ReplayLog
from typed_tune_wandb.recording._sender import CommandSender
from typed_tune_wandb.recording._suspects import MAX_DEATHS, Suspects
from typed_tune_wandb.recording._watchdog import RestartBudget, Watchdog
from typed_tune_wandb.recording.state import RecorderState, RunTable

logger = logging.getLogger(__name__)

CAUTIOUS_AFTER_S: Final = 10.0
"""The replacement of a worker that died this soon looks for the command that kills it."""
_SERVICE_END_TIMEOUT_S: Final = 5.0
_MAX_SPAWN_DELAY_S: Final = 16.0  # between two tries to start a worker, each twice the one before
_POLL_INTERVAL_S: Final = 0.5
_READ_BYTES: Final = 262_144


class Supervisor:
    """The worker of a recorder, and whatever succeeds it.

    Its lock, ``changed``, is notified whenever something has changed.

    Args:
        table: The runs.
        warn: Called with a key and a reason where a value is left out.
        checkpoint_saved: Called with the location of a checkpoint that is uploaded.
    """

    def __init__(
        self, table: RunTable, warn: Callable[[str, str], None], checkpoint_saved: Callable[[str], None]
    ) -> None:
        self.changed = threading.Condition()
        self.state = RecorderState.IDLE
        self.fatal_error = ""
        """Why there is no worker any more."""
        self._table = table
        self._sender = CommandSender(ReplayLog())
        self.events = EventHandler(table, self._sender.log, warn, checkpoint_saved)
        self.watchdog = Watchdog(self.events, self._sender)
        self._first: list[Command] = []
        self._process: WorkerProcess | None = None
        self._threads: list[threading.Thread] = []
        self._restarts = RestartBudget()
        self._suspects = Suspects()
        self._owner_pid = os.getpid()

    # --- for the recorder; all but start and stop under the lock ------------------------------------------------------

    def start(self, first: list[Command]) -> None:
        """Start a worker and the threads, unless they run.

        Args:
            first: Commands that every worker gets before all others.
        """
        with self.changed:
            if self.state is not RecorderState.IDLE:
                return
            self.state, self.fatal_error, self._first = RecorderState.RUNNING, "", first
            self._restarts.clear()
            with suppress(OSError):  # the thread tries again
                self._spawn(cautious=False)
            for loop in (self._write_loop, self._read_loop):
                name = f"wandb-recorder-{loop.__name__.strip('_')}"
                thread = threading.Thread(target=self._guarded, args=(loop,), daemon=True, name=name)
                self._threads.append(thread)
                thread.start()

    def send(self, command: Command, *, urgent: bool = True) -> None:
        """Send a command; nothing where there is no worker any more.

        Raises:
            UnsendableError: It cannot be encoded.
        """
        if self.state is RecorderState.RUNNING:
            self._sender.send(command, urgent=urgent)
            if self._sender.behind:
                self.changed.notify_all()

    def send_later(self, command: RunCommand, prepare: Callable[[], bytes]) -> None:
        """Send a command that a thread encodes first."""
        if self.state is RecorderState.RUNNING:
            self._sender.send_later(command, prepare)
            self.changed.notify_all()

    def discard(self, trial_id: str) -> None:
        """Forget the commands of a run that is lost."""
        self._sender.log.discard(trial_id)

    def hurry(self) -> bool:
        """Ask the worker to read at once; tell whether everything was written."""
        self._sender.pump(urgent=True)
        return not self._sender.behind

    def stop(self, grace_s: float) -> None:
        """Let the worker end, kill it after ``grace_s`` seconds, and end the threads."""
        self.abandon()
        process = self._process
        if process is not None:
            if process.wait(grace_s) is None:
                process.kill()
            process.kill_service(grace_s=1.0)
        for thread in self._threads:
            thread.join(timeout=10)
        if process is not None:
            process.close()
        with self.changed:
            self._threads.clear()
            self._process = None
            self.state = RecorderState.IDLE

    def abandon(self) -> None:
        """Let the worker end by itself: nobody holds the recorder any more."""
        if os.getpid() != self._owner_pid:
            return  # a process that was forked from the driver
        with self.changed:
            if self.state is RecorderState.RUNNING:
                self.state = RecorderState.CLOSING
            self._sender.pump(urgent=True)
            self._sender.disconnect()
            self.changed.notify_all()

    # --- threads ------------------------------------------------------------------------------------------------------

    def _guarded(self, loop: Callable[[], None]) -> None:
        """Run a thread's loop; where it fails, the recorder ends in order, with every run named."""
        try:
            loop()
        except BaseException as error:
            with self.changed:
                self._fail(f"the recorder has an error of its own ({type(error).__name__}: {error})")
                self._sender.disconnect()

    def _write_loop(self) -> None:
        """Encode what takes long, and write what the pipe had no room for."""
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self._sender.behind or self.state is not RecorderState.RUNNING)
                if self.state is not RecorderState.RUNNING:
                    return
                entry, fd = self._sender.unprepared, self._sender.command_fd
            if entry is not None and entry.prepare is not None:
                self._prepare(entry, entry.prepare)
            elif fd is not None:
                wait_writable(fd, 0.1)
            with self.changed:
                self._sender.pump(urgent=entry is not None)

    def _prepare(self, entry: Entry, prepare: Callable[[], bytes]) -> None:
        """Encode a command, or leave it out if that fails."""
        data, reason = b"", ""
        try:
            data = prepare()
        except Exception as error:  # of a class that nobody here knows
            reason = f"it cannot be sent to the recorder's process ({type(error).__name__})."
        with self.changed:
            if reason:
                entry.prepare = None
                self._sender.log.drop(entry)
                what = "a checkpoint" if entry.kind is SaveCheckpoint else "a row with media"
                self.events.warn(f"{what} of trial {entry.trial_id}", reason)
            else:
                self._sender.log.fill(entry, data)

    def _read_loop(self) -> None:
        """Take events in, until the worker ends and needs no replacement."""
        while True:
            with self.changed:
                if self._process is None and not self._spawn_patiently(cautious=False):
                    return
                process = self._process
            if process is None:
                return
            self._read_events(process)
            code = process.wait(1.0)
            if code is None:  # it has closed its pipe, or what came through it made no sense
                code = process.kill()
            if self.state is not RecorderState.CLOSING:
                # What its wandb-core still writes or uploads must be over before anybody looks at what is there.
                process.kill_service(_SERVICE_END_TIMEOUT_S)
            with self.changed:
                if not self._respawn(process, code):
                    self.changed.notify_all()
                    return

    def _read_events(self, process: WorkerProcess) -> None:
        """Apply events until the pipe ends, or makes no sense. A worker that hangs is killed: then the pipe ends."""
        decoder, killed = FrameDecoder(), False
        while True:
            data = os.read(process.event_fd, _READ_BYTES) if readable([process.event_fd], _POLL_INTERVAL_S) else None
            if data == b"":
                return
            with self.changed:
                try:
                    for _, content in decoder.feed(data or b""):
                        self.events.apply(decode(content))
                    process.service_pid = self.events.service_pid
                except GarbledStreamError as error:
                    logger.warning("The recorder's process is replaced: %s.", error)
                    return
                running = self.state is RecorderState.RUNNING and not killed
                if running and (reason := self.watchdog.hangs(process.started_s)):
                    logger.warning("The recorder's process is replaced: %s.", reason)
                    process.kill()  # what it has sent up to then still counts
                    killed = True
                if data:
                    self.changed.notify_all()

    # --- one worker after the other, under the lock -------------------------------------------------------------------

    def _spawn(self, *, cautious: bool) -> None:
        """Start a worker, and send it what the earlier ones may not have made durable.

        Raises:
            OSError: It cannot be started.
        """
        self._process = process = WorkerProcess(cautious=cautious)
        self.events.worker_started()
        self._sender.connect(process.command_fd, process.urgent_fd, self._first)
        files = {run.trial_id: run.paths for run in self._table.unfinished()}
        self._sender.replay(files, self.events.folder)
        self.changed.notify_all()

    def _spawn_patiently(self, *, cautious: bool) -> bool:
        """Start a worker, some time later if the machine is out of memory or processes; tell whether it runs."""
        delay_s = 0.25
        while self.state is RecorderState.RUNNING:
            try:
                self._spawn(cautious=cautious)
            except OSError as error:
                if delay_s > _MAX_SPAWN_DELAY_S:
                    self._fail(f"the recorder's process cannot be started ({type(error).__name__}: {error.strerror})")
                    break
                self.changed.wait(delay_s)
                delay_s *= 2
            else:
                return True
        return False

    def _respawn(self, process: WorkerProcess, code: int) -> bool:
        """Replace a worker that has ended; tell whether there is another one."""
        ended = f"the recorder's process ended (exit code {code})"
        if self.state is not RecorderState.RUNNING:
            self.events.lose_all(ended)
            return False
        self._sender.disconnect()
        process.close()
        self._process = None
        now = time.monotonic()
        if code != EXIT_RESTART:
            if not self._restarts.spend(now):
                self._fail(ended)
                return False
            text = "The recorder's process ended (exit code %d). Another one takes over."
            logger.warning(text, code)
            for entry in self._suspects.convict(self._sender.log, process.handling(), code):
                self.events.skip(entry, f"the recorder's process has died of it {MAX_DEATHS} times")
        early = now - process.started_s < CAUTIOUS_AFTER_S
        return self._spawn_patiently(cautious=early and code != EXIT_RESTART)

    def _fail(self, reason: str) -> None:
        self.state, self.fatal_error = RecorderState.FAILED, reason
        self.events.lose_all(reason)
        self.changed.notify_all()
