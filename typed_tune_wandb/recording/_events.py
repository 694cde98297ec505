"""What the worker's events change: the runs, the replay log, and what is known of the worker itself."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable
from typing import Final

from attrs import define, evolve
from typing_extensions import assert_never

from typed_tune_wandb.payload import Redactor
from typed_tune_wandb.recording._protocol import (
    BestMarked,
    CheckpointSaved,
    DiskFull,
    Event,
    FinishRun,
    LoginChecked,
    OpenRun,
    Progress,
    RunEvent,
    RunFailed,
    RunFinished,
    RunOpened,
    ServiceStarted,
    ValueSkipped,
    WorkerReady,
)
from typed_tune_wandb.recording._replay import Entry, ReplayLog
from typed_tune_wandb.recording._suspects import describe
from typed_tune_wandb.recording.state import RunTable

logger = logging.getLogger(__name__)

_REDACTOR: Final = Redactor()


@define
class EventHandler:
    """Applies a worker's events. Not thread-safe: its owner holds a lock.

    Attributes:
        table: The runs.
        log: Their commands that are not durable yet.
        warn: Called with a key and a reason where a value was left out.
        checkpoint_saved: Called with the location of a checkpoint that is uploaded.
        ready: Whether the present worker reads its commands.
        service_pid: The process id of its wandb-core, once that is known.
        taken: Number of the last command that it has taken.
        taken_s: When that last changed; monotonic.
        login: The answer to the last :class:`CheckLogin`.
        marked: The answer to the last :class:`MarkBest`.
        folder: Where all runs are recorded since a disk was full.
    """

    table: RunTable
    log: ReplayLog
    warn: Callable[[str, str], None]
    checkpoint_saved: Callable[[str], None]
    ready: bool = False
    service_pid: int | None = None
    taken: int = 0
    taken_s: float = 0.0
    login: LoginChecked | None = None
    marked: BestMarked | None = None
    folder: str | None = None

    def worker_started(self) -> None:
        """Forget what was true of an earlier worker."""
        self.ready, self.service_pid = False, None
        self.taken, self.taken_s = 0, time.monotonic()
        self.table.restart_waits()

    def apply(self, event: Event) -> None:
        """Apply an event; texts of wandb or the server are redacted, as it is shown and logged."""
        event = _redacted(event)
        match event:
            case WorkerReady():
                self.ready, self.taken_s = True, time.monotonic()
                self.table.restart_waits()  # the worker's start is no wait of its runs
            case ServiceStarted():
                self.service_pid = event.pid
            case Progress():
                self._apply_progress(event)
            case RunOpened() | RunFailed() | RunFinished() | CheckpointSaved():
                self._apply_to_run(event)
            case ValueSkipped():
                self.warn(event.key, event.reason)
            case DiskFull():
                self.folder = tempfile.mkdtemp(prefix="wandb-")
                text = "The disk of %s is full: from here on, W&B runs are recorded in %s."
                logger.error(text, event.folder, self.folder)
            case LoginChecked():
                self.login = event
            case BestMarked():
                self.marked = event
            case _:
                assert_never(event)

    def lose(self, trial_id: str, reason: str) -> None:
        """Mark a run as lost, and forget its commands."""
        self.log.discard(trial_id)
        self.table.lose(trial_id, reason)

    def lose_all(self, reason: str) -> None:
        """Mark every run that has not ended as lost."""
        for run in self.table.unfinished():
            self.lose(run.trial_id, reason)

    def skip(self, entry: Entry, reason: str) -> None:
        """Skip a command from now on; a run that cannot be opened without it is lost."""
        if entry.kind is OpenRun:
            self.lose(entry.trial_id, reason)
        elif entry.kind is not FinishRun:
            self.warn(describe(self.log, entry), f"{reason}.")
            self.log.drop(entry)

    def _apply_progress(self, event: Progress) -> None:
        if event.taken != self.taken:
            self.taken, self.taken_s = event.taken, time.monotonic()
        for trial_id, generation, rows, handled, durable in event.runs:
            self.table.progress(trial_id, generation, rows, handled, durable)
            self.log.ack_rows(trial_id, generation, durable)

    def _apply_to_run(self, event: RunEvent) -> None:
        trial_id, generation = event.trial_id, event.generation
        match event:
            case RunOpened():
                self.log.ack_open(trial_id, generation, event.next_step, event.recorded_iteration)
            case RunFailed():
                if self.table.is_current(trial_id, generation):
                    self.log.discard(trial_id)
                else:
                    self.log.ack_finish(trial_id, generation)
            case RunFinished():
                self.log.ack_finish(trial_id, generation)
            case CheckpointSaved():
                self.log.ack_checkpoint(trial_id, event.location)
                self.checkpoint_saved(event.location)
            case _:
                assert_never(event)
        self.table.apply(event)


def _redacted(event: Event) -> Event:
    match event:
        case RunFailed() | ValueSkipped():
            return evolve(event, reason=_REDACTOR.redact_text(event.reason))
        case RunOpened() | RunFinished() | LoginChecked() | BestMarked() if event.problem is not None:
            return evolve(event, problem=_REDACTOR.redact_text(event.problem))
    return event
