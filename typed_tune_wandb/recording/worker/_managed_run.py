"""One run of the worker: its state, and the commands that are carried out on it. Knows no wandb and no threads."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from attrs import Factory, define, evolve

from typed_tune_wandb.recording._protocol import (
    EXIT_INTERRUPTED,
    CheckpointSaved,
    Event,
    FinishRun,
    LogRow,
    OpenRun,
    RunCommand,
    RunFailed,
    RunFinished,
    RunOpened,
    SaveCheckpoint,
    ValueSkipped,
)
from typed_tune_wandb.recording._steps import StepCounter
from typed_tune_wandb.recording.worker._interface import (
    Backend,
    BackendRun,
    FileRemovedError,
    ServiceLostError,
    describe_error,
)
from typed_tune_wandb.recording.worker._kept import KeptCheckpoints

_NOTHING_REPORTED: Final = (-1, -1, -1)


@define(eq=False)
class ManagedRun:
    """The run of one trial: how far it is, what is carried out on it, and the commands that wait for that.

    Attributes:
        trial_id: Tune's id of the trial.
        backend: Opens its runs.
        emit: Takes the events.
        confirm_until_s: Make sure after each row, up to this monotonic time, that the backend's process is still there.
    """

    trial_id: str
    backend: Backend
    emit: Callable[[Event], None]
    confirm_until_s: float = 0.0
    generation: int = 0
    run: BackendRun | None = None
    steps: StepCounter = Factory(StepCounter)
    rows: int = 0
    handled: int = 0
    durable: int = 0
    reported: tuple[int, int, int] = _NOTHING_REPORTED
    opening: OpenRun | None = None
    current: RunCommand | None = None
    """What is being carried out, less a row that is counted already."""
    not_durable: deque[tuple[int, int, LogRow]] = Factory(deque)
    """Step, number and content of every row that is not known to be in the run's file."""
    kept: KeptCheckpoints = Factory(KeptCheckpoints)
    busy: bool = False
    pending: deque[tuple[int, RunCommand]] = Factory(deque)
    lock: threading.Lock = Factory(threading.Lock)

    # --- commands; all but log and update_config take long ------------------------------------------------------------

    def open(self, command: OpenRun) -> None:
        """Open the run, after the end of one that nobody has ended."""
        if self.run is not None:
            for checkpoint in self.kept.take():
                self._upload(checkpoint)
            self.run.finish(EXIT_INTERRUPTED)
        self.generation, self.run, self.opening = command.generation, None, command
        self.reported = _NOTHING_REPORTED
        self.rows, self.handled, self.durable = command.rows, command.handled, command.handled
        self.not_durable.clear()
        run = self.backend.open_run(command, self._skip)
        recorded = max(command.recorded_iteration, run.recorded_iteration)
        self.steps = StepCounter(max(command.next_step, run.next_step), recorded)
        self.run = run
        self.emit(
            RunOpened(
                *(command.trial_id, command.generation, run.run_id, run.name, run.url, run.path),
                *(self.steps.next_step, recorded, run.problem),
            )
        )

    def log(self, command: LogRow) -> None:
        """Record a row, unless it is recorded already."""
        if (run := self.run) is None:
            return
        step = self.steps.assign(command.step, command.iteration)
        self._note_row(step, command)
        self.current = None
        if command.config:
            self.update_config(command.config)
        if step is not None and step >= run.persisted_below:
            self._log_row(run, command, step)

    def update_config(self, config: dict[str, object]) -> None:
        """Change values in the run's config; one that cannot be stored is left out."""
        if (run := self.run) is None:
            return
        try:
            run.update_config(config)
        except ServiceLostError:
            raise
        except Exception:
            for key, value in config.items():
                with self._skip_on_error(key):
                    run.update_config({key: value})

    def save_checkpoint(self, command: SaveCheckpoint) -> None:
        """Upload a checkpoint, or keep it until the run ends if it is among the best."""
        if not command.keep:
            self._upload(command)
        elif (dropped := self.kept.add(command)) is not None:
            self.emit(CheckpointSaved(dropped.trial_id, dropped.generation, dropped.location))

    def _upload(self, command: SaveCheckpoint) -> None:
        saved = CheckpointSaved(command.trial_id, command.generation, command.location)
        try:
            if self.run is not None:
                self.run.save_checkpoint(command, lambda: self.emit(saved))
        except ServiceLostError:
            raise
        except Exception as error:
            self._skip(f"the checkpoint {command.location}", describe_error(error))
            self.emit(saved)

    def finish(self, command: FinishRun) -> RunFinished | None:
        """End the run; give the event, or None if it has ended or could not be opened, which the driver knows.

        Raises:
            FileRemovedError: Its local file is gone, and it has no page. It has not ended.
        """
        if (run := self.run) is None:
            return None
        if _is_removed(run):
            raise FileRemovedError
        for key, value in command.summary.items():
            with self._skip_on_error(key):
                run.update_summary({key: value})
        problem = None
        for checkpoint in self.kept.take():
            self._upload(checkpoint)
        try:
            problem = run.finish(command.exit_code)
        except ServiceLostError:
            raise
        except Exception as error:
            problem = describe_error(error)
        if _is_removed(run):  # in this moment
            self._skip(f"rows of trial {self.trial_id} up to number {self.handled}", f"{run.path} was removed.")
        self.run = None
        self.opening = None
        self.not_durable.clear()
        return RunFinished(command.trial_id, self.generation, problem)

    def fail(self, command: RunCommand, error: Exception) -> None:
        """Give the run up: a command has failed."""
        self.run = self.opening = None
        self.kept = KeptCheckpoints()
        self.emit(RunFailed(command.trial_id, command.generation, describe_error(error)))

    # --- progress -----------------------------------------------------------------------------------------------------

    def count_durable(self) -> None:
        """Look which rows are in the run's file.

        Raises:
            FileNotFoundError: The file is gone.
        """
        run = self.run
        if run is None or not self.not_durable:
            return
        try:
            below = run.durable_below()
        except FileNotFoundError:
            if self.run is not run:
                return  # it has just ended
            raise
        with self.lock:
            while self.not_durable and (below is None or self.not_durable[0][0] < below):
                self.durable = self.not_durable.popleft()[1]

    def unfinished_commands(self) -> list[RunCommand]:
        """Give what another process has to do for this run, if this one cannot go on."""
        with self.lock:
            return self._unfinished_commands()

    def _unfinished_commands(self) -> list[RunCommand]:
        opened = self.opening
        if opened is None:
            return [command for _, command in self.pending]
        rows = [(step, row) for step, _, row in self.not_durable if row.row or row.media]
        files = () if self.run is None or not self.run.path else (self.run.path,)
        reopening = evolve(
            opened,
            init={**opened.init, "resume": "allow"},
            next_step=rows[0][0] if rows else self.steps.next_step,
            recorded_iteration=0,
            earlier_files=(*opened.earlier_files, *files),
            restored=False,
        )
        current = [] if self.current is None or isinstance(self.current, OpenRun) else [self.current]
        # Their steps are known: each may have its own, whatever its iteration.
        replayed = [evolve(row, step=step, iteration=0) for step, row in rows]
        return [reopening, *replayed, *self.kept, *current, *(command for _, command in self.pending)]

    # --- a row --------------------------------------------------------------------------------------------------------

    def _note_row(self, step: int | None, row: LogRow) -> None:
        """Count a row: it is recorded in a step, or needs no recording."""
        with self.lock:
            self.handled += 1
            if step is not None:
                self.rows += 1
            if step is not None and self.run is not None and step >= self.run.persisted_below:
                self.not_durable.append((step, self.handled, row))
            elif self.not_durable:
                self.not_durable.append((self.not_durable[-1][0], self.handled, evolve(row, row={}, media={})))
            else:
                self.durable = self.handled

    def _log_row(self, run: BackendRun, command: LogRow, step: int) -> None:
        for key, data in command.media.items():
            with self._skip_on_error(key):
                run.log({key: self.backend.to_media(data)}, step, commit=False)
        try:
            run.log(command.row, step)
        except ServiceLostError:
            raise
        except Exception:
            # Find the value that cannot be stored: it alone is left out.
            for key, value in command.row.items():
                with self._skip_on_error(key):
                    run.log({key: value}, step, commit=False)
            run.log({}, step)
        if self.confirm_until_s and time.monotonic() < self.confirm_until_s:
            run.check_service()

    @contextmanager
    def _skip_on_error(self, key: str) -> Iterator[None]:
        """Let a failure cost one value and one warning."""
        try:
            yield
        except ServiceLostError:
            raise
        except Exception as error:
            self._skip(key, describe_error(error))

    def _skip(self, key: str, reason: str) -> None:
        self.emit(ValueSkipped(self.trial_id, key, reason))


def _is_removed(run: BackendRun) -> bool:
    """Tell whether the file of a run that has no other place is gone."""
    return bool(run.path) and run.url is None and not os.path.exists(run.path)  # noqa: PTH110
