"""The recorder: all live W&B runs of an experiment, recorded beside Tune's loop, which never waits for them."""

from __future__ import annotations

import logging
import os
import time
import weakref
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from attrs import define, evolve

from typed_tune_wandb._logging import WarnOnce
from typed_tune_wandb.payload import Payload
from typed_tune_wandb.recording._conversion import MediaEncoder, convert_init, convert_values, pickle_settings
from typed_tune_wandb.recording._protocol import (
    CheckLogin,
    FinishRun,
    LoginChecked,
    LogRow,
    MarkBest,
    OpenRun,
    RunCommand,
    SaveCheckpoint,
    SetMediaOptions,
    UnsendableError,
    UpdateConfig,
    encode,
    is_builtin_row,
    pickled,
)
from typed_tune_wandb.recording._supervisor import Supervisor
from typed_tune_wandb.recording.checkpoints import CheckpointArtifact, SnapshotFolders
from typed_tune_wandb.recording.state import EXIT_CODES, EndState, RecorderState, RunInfo, RunTable

logger = logging.getLogger(__name__)

_MAX_MARK_REQUESTS: Final = 3  # of the server's answers that are waited for in full
_NONE: Final[Mapping[str, Any]] = MappingProxyType({})
_QUIET_S: Final = 2.0  # a shorter wait for the server needs no line
_PROGRESS_INTERVAL_S: Final = 5.0  # between two lines about what is waited for
_FLUSH_TIMEOUT_S: Final = 0.5
_CLOSE_GRACE_S: Final = 30.0
_LATE_CLOSE_GRACE_S: Final = 5.0  # where runs have already used up their time


@define
class Position:
    """How far a run is, as far as the driver knows."""

    next_step: int = 0
    iteration: int = 0

    def move_on(self, step: int, iteration: int) -> None:
        """Count a row."""
        self.next_step = max(self.next_step, step) + 1
        self.iteration = max(self.iteration, iteration)

    def raise_to(self, next_step: int, iteration: int) -> None:
        """Take in where an earlier session stopped."""
        self.next_step, self.iteration = max(self.next_step, next_step), max(self.iteration, iteration)


class Recorder:
    """The runs of one experiment.

    They live in one process of their own, whatever their number. Every call but :meth:`check_login` and :meth:`close`
    returns at once. The commands of a run are carried out in order, those of different runs independently of each
    other. A row that :meth:`log` was given is recorded even if this process is killed right after. If the recorder's
    process dies, another one takes over: every row is recorded once.

    Not thread-safe: one thread calls it. A recorder that nobody holds any more ends its runs as interrupted.

    Args:
        image_kwargs: Arguments of ``wandb.Image`` for arrays that become images.
        video_kwargs: Arguments of ``wandb.Video`` for arrays that become videos.

    Example:
        >>> from typed_tune_wandb.payload import Payload
        >>> from typed_tune_wandb.recording.client import Recorder
        >>> recorder = Recorder()
        >>> recorder.open("trial_1", {"id": "trial_1", "project": "mnist", "mode": "offline"}, {})
        >>> recorder.log("trial_1", 1, Payload({"loss": 0.5}))
        >>> recorder.finish("trial_1", "finished")
        >>> recorder.close(timeout=60)
        []
    """

    def __init__(
        self, *, image_kwargs: Mapping[str, object] | None = None, video_kwargs: Mapping[str, object] | None = None
    ) -> None:
        self._warn = WarnOnce()
        self._media_options = SetMediaOptions(
            pickled(image_kwargs or {}, self._warn), pickled(video_kwargs or {}, self._warn)
        )
        self._media = MediaEncoder(self._warn)
        self._table = RunTable()
        self._snapshots = SnapshotFolders()
        self._supervisor = Supervisor(self._table, self._warn, self._snapshots.remove)
        self._changed = self._supervisor.changed
        self._positions: dict[str, Position] = {}
        weakref.finalize(self, self._supervisor.abandon)

    @property
    def runs(self) -> Mapping[str, RunInfo]:
        """Trial id → what is known of its run. A view that follows the changes."""
        return self._table.infos

    @property
    def positions(self) -> dict[str, tuple[int, int]]:
        """Trial id → the next step of its run, and the highest ``training_iteration`` that was logged."""
        return {trial_id: (at.next_step, at.iteration) for trial_id, at in self._positions.items()}

    def start(self) -> None:
        """Start the recorder's process. It takes a second or so to be ready: the earlier, the better."""
        self._supervisor.start([self._media_options])

    def is_open(self, trial_id: str) -> bool:
        """Tell whether a trial has a run that is not lost and whose end was not requested."""
        return self._table.is_open(trial_id)

    def check_login(
        self,
        key: str | None,
        base_url: str | None,
        timeout_s: int = 20,
        progress: Callable[[str], None] = logger.info,
    ) -> LoginChecked:
        """Ask the server whether it accepts a key, and wait for the answer.

        Args:
            key: The key, or None for the one that wandb finds by itself.
            base_url: The server, or None for wandb's own choice.
            timeout_s: Longest wait for the server, in seconds.
            progress: Called with a line if there is no answer within a second or so.
        """
        self.start()
        supervisor = self._supervisor
        with self._changed:
            supervisor.events.login = None
            supervisor.send(CheckLogin(key, base_url, timeout_s))
            # The worker itself may still be starting.
            url = base_url or os.environ.get("WANDB_BASE_URL") or "the W&B server"
            deadline = time.monotonic() + timeout_s + 10
            if not self._changed.wait_for(lambda: supervisor.events.login or supervisor.fatal_error, _QUIET_S):
                progress(f"W&B: waiting for the server to check the API key, at most {timeout_s} s")
                left = deadline - time.monotonic()
                self._changed.wait_for(lambda: supervisor.events.login or supervisor.fatal_error, left)
            return supervisor.events.login or LoginChecked(url, supervisor.fatal_error or "there was no answer in time")

    def open(
        self,
        trial_id: str,
        init: Mapping[str, Any],
        settings: Mapping[str, object],
        next_step: int = 0,
        *,
        recorded_iteration: int = 0,
        restored: bool = False,
        step_metric: str | None = None,
        sweep_file: str = "",
        aggregates: Mapping[str, str] = _NONE,
        earlier: RunInfo | None = None,
    ) -> None:
        """Open the run of a trial.

        Args:
            trial_id: Tune's id of the trial.
            init: Arguments of ``wandb.init``, with ``id`` and ``name`` among them.
            settings: Arguments of ``wandb.Settings``.
            next_step: Lowest step that its rows may have: where a restored experiment goes on.
            recorded_iteration: Rows up to this ``training_iteration`` were recorded in an earlier session: they are not
                recorded again.
            restored: Whether an earlier session may have recorded more than is known here. Then both numbers are raised
                to what the server and the local files have.
            step_metric: The metric that all others are drawn over; ``training_iteration`` if it is None.
            sweep_file: Where the id of its sweep will be (``SweepProcess.file``); the run waits for it.
            aggregates: Metric → ``"max"`` or ``"min"``: the run's summary has this of it, in place of the last value.
            earlier: What an earlier session recorded of the trial: its files and rows are the run's, too.
        """
        self.start()
        run_id = str(init.get("id", trial_id))
        with self._changed:
            name, project = str(init.get("name", run_id)), str(init.get("project") or "")
            info = RunInfo(trial_id, run_id, name, project=project, entity=init.get("entity")).following(earlier)
            generation = self._table.open(info)
            position = self._positions.setdefault(trial_id, Position())
            position.raise_to(next_step, recorded_iteration)
            if self._supervisor.state is RecorderState.FAILED:
                self._lose(trial_id, self._supervisor.fatal_error)
                return
            numbers = position.next_step, recorded_iteration
            opening = OpenRun(
                *(trial_id, generation, {}, {}, *numbers, info.rows),
                restored=restored,
                step_metric=step_metric or "",
                sweep_file=sweep_file,
                aggregates=dict(aggregates),
            )
            self._send_opening(opening, init, settings)

    def resume_upload(self, run: RunInfo, init: Mapping[str, Any], end: EndState, step_metric: str = "") -> None:
        """Upload what the server does not have of the rows in a run's local files, and end the run.

        Args:
            run: The run, which has ended.
            init: Arguments of ``wandb.init``.
            end: How it ended.
            step_metric: As the files have it.
        """
        self.start()
        with self._changed:
            info = RunInfo(run.trial_id, run.id, run.name, project=run.project, entity=run.entity)
            generation = self._table.open(info)
            opening = OpenRun(run.trial_id, generation, {}, {}, earlier_files=run.paths, step_metric=step_metric)
            self._send_opening(opening, init, {})
        self.finish(run.trial_id, end)

    def update_config(self, trial_id: str, config: Mapping[str, object]) -> None:
        """Change values in a run's config.

        Args:
            trial_id: Tune's id of the trial.
            config: The new values.
        """
        values = convert_values(config, self._warn)
        with self._changed:
            self._send("a change of the config", UpdateConfig(trial_id, self._table.generation(trial_id), values))

    def log(self, trial_id: str, step: int, payload: Payload, iteration: int = 0) -> None:
        """Record a row.

        Args:
            trial_id: Tune's id of the trial.
            step: The row's step; one that is too low is raised, so that steps never go backwards.
            payload: What to record.
            iteration: The row's ``training_iteration``, or 0 if it has none.
        """
        self._positions.setdefault(trial_id, Position()).move_on(step, iteration)
        row = payload.row if is_builtin_row(payload.row) else convert_values(payload.row, self._warn)
        config = payload.config
        if config and not is_builtin_row(config):
            config = convert_values(config, self._warn)
        with self._changed:
            command = LogRow(trial_id, self._table.generation(trial_id), step, iteration, row, {}, config)
            if payload.media:
                self._supervisor.send_later(command, self._media.prepare(command, payload.media))
            else:
                # Somebody waits for a run's first row.
                self._send("a row", command, urgent=self._table.is_empty(trial_id))

    def flush(self) -> None:
        """Make sure that what was logged has left this process; wait at most half a second if much is on its way."""
        with self._changed:
            self._changed.wait_for(self._supervisor.hurry, _FLUSH_TIMEOUT_S)

    def save_checkpoint(self, trial_id: str, artifact: CheckpointArtifact) -> None:
        """Upload a checkpoint, now or when the run ends, as the next version of an artifact of type ``model``."""
        checkpoint, location = artifact.to_download, artifact.location
        snapshot = None if checkpoint is not None or artifact.is_remote else self._snapshots.add(location)
        with self._changed:
            command = SaveCheckpoint(
                trial_id,
                self._table.generation(trial_id),
                artifact.name,
                snapshot or location,
                artifact.aliases,
                convert_values(artifact.metadata, self._warn),
                snapshot is not None,
                *(artifact.keep, float(artifact.score)),
            )
            if checkpoint is None:
                self._send("a checkpoint", command)
                return
            download = self._snapshots.download
            self._supervisor.send_later(
                command, lambda: encode(evolve(command, location=download(checkpoint), snapshot=True))
            )

    def finish(self, trial_id: str, state: EndState, summary: Mapping[str, object] = _NONE) -> None:
        """End the run of a trial as its trial ended: exit code 0, 1 or 130.

        Args:
            trial_id: Tune's id of the trial.
            state: How it ended.
            summary: Values of the run's summary that are set before.
        """
        with self._changed:
            if self._table.is_open(trial_id):
                self._table.request_end(trial_id, state)
                generation = self._table.generation(trial_id)
                self._supervisor.send(FinishRun(trial_id, generation, EXIT_CODES[state], dict(summary)))

    def mark_best(self, command: MarkBest) -> str | None:
        """Mark the best run and checkpoint on the server, and wait for that; return what went wrong, or None."""
        self.start()
        supervisor = self._supervisor
        with self._changed:
            supervisor.events.marked = None
            supervisor.send(command)
            wait = _MAX_MARK_REQUESTS * command.timeout_s
            self._changed.wait_for(lambda: supervisor.events.marked or supervisor.fatal_error, wait)
            answer = supervisor.events.marked
            return (supervisor.fatal_error or "there was no answer in time") if answer is None else answer.problem

    def close(
        self,
        timeout: float,
        progress: Callable[[str], None] = logger.info,
        when_uploaded: Callable[[], None] | None = None,
    ) -> list[RunInfo]:
        """Wait until every run is uploaded, and stop the process. A run that nobody has ended ends as interrupted.

        Args:
            timeout: Longest wait, in seconds.
            progress: Called with a line about what is waited for, every few seconds.
            when_uploaded: Called while the process is still there, once every run is uploaded.

        Returns:
            The runs that were not uploaded by then; they name their local files.
        """
        if self._supervisor.state is RecorderState.IDLE:
            return []
        for trial_id in self.runs:
            self.finish(trial_id, "interrupted")
        late = self._wait_for_ends(timeout, progress)
        if when_uploaded is not None and not late:
            when_uploaded()
        self._supervisor.stop(_LATE_CLOSE_GRACE_S if late else _CLOSE_GRACE_S)
        self._snapshots.close()
        self._media.close()
        return late

    def _wait_for_ends(self, timeout: float, progress: Callable[[str], None]) -> list[RunInfo]:
        """Wait for the runs that end; those that are late are lost from now on."""
        deadline = time.monotonic() + timeout
        next_line = time.monotonic() + _PROGRESS_INTERVAL_S
        with self._changed:
            while (waiting := self._table.unfinished()) and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(min(left, 0.5))
                if time.monotonic() > next_line:
                    next_line += _PROGRESS_INTERVAL_S
                    rows = sum(run.rows for run in waiting)
                    progress(f"W&B: uploading; runs left: {len(waiting)}, with {rows} rows, at most {left:.0f} s")
            for run in waiting:
                self._supervisor.discard(run.trial_id)
                self._table.lose(run.trial_id, f"it was not up after {timeout:.0f} s", log=False)
            return [self.runs[run.trial_id] for run in waiting]

    def _send_opening(self, command: OpenRun, init: Mapping[str, Any], settings: Mapping[str, object]) -> None:
        try:
            arguments = convert_init(init, self._warn)
            if self._supervisor.events.folder is not None:
                arguments["dir"] = self._supervisor.events.folder
            command = evolve(command, init=arguments, settings=pickle_settings(settings))
            self._supervisor.watchdog.allow_for(settings)
            self._supervisor.send(command)
        except UnsendableError as error:
            self._lose(command.trial_id, str(error))
        except Exception as error:  # of the class of an argument
            self._lose(command.trial_id, f"an argument of its opening cannot be read ({type(error).__name__})")

    def _send(self, what: str, command: RunCommand, *, urgent: bool = True) -> None:
        try:
            self._supervisor.send(command, urgent=urgent)
        except UnsendableError as error:
            self._warn(f"{what} of trial {command.trial_id}", error.reason)

    def _lose(self, trial_id: str, reason: str) -> None:
        self._supervisor.discard(trial_id)
        self._table.lose(trial_id, reason.rstrip("."))
