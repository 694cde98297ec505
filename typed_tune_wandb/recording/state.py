"""What the driver knows of the runs: one table, changed by the worker's events. No threads and no processes."""

from __future__ import annotations

import logging
import math
import os
import shlex
import time
from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Any, Final, Literal

from attrs import define, evolve, frozen
from typing_extensions import assert_never

from typed_tune_wandb.recording._protocol import (
    EXIT_INTERRUPTED,
    CheckpointSaved,
    RunEvent,
    RunFailed,
    RunFinished,
    RunOpened,
)

logger = logging.getLogger(__name__)

RunState = Literal["opening", "running", "finished", "failed", "interrupted", "lost"]
SyncState = Literal["none", "begun", "done"]
EndState = Literal["finished", "failed", "interrupted"]
OVERVIEW: Final = "overview"
"""In the place of a trial's id: the overview run of an experiment."""
UNSUCCESSFUL_STATES: Final[frozenset[RunState]] = frozenset({"failed", "interrupted", "lost"})
EXIT_CODES: Final[Mapping[EndState, int]] = {"finished": 0, "failed": 1, "interrupted": EXIT_INTERRUPTED}


class RecorderState(Enum):
    """The state of a recorder."""

    IDLE = auto()
    """It has no worker: it was not started yet, or it is closed."""
    RUNNING = auto()
    CLOSING = auto()
    """It waits for the worker's end, and starts no other."""
    FAILED = auto()
    """It could not be kept running: what is recorded from now on is lost."""


@frozen
class RunInfo:
    """What is known of a trial's run.

    Attributes:
        trial_id: Tune's id of the trial.
        id: The run's id.
        name: Its display name.
        state: ``"opening"``, ``"running"``, ``"finished"`` (exit code 0), ``"failed"`` (1), ``"interrupted"`` (130),
            or ``"lost"``: it could not be opened, or its process died.
        rows: Rows recorded so far.
        url: Its page, or None offline.
        path: Its local ``.wandb`` file, or ``""`` before it is open.
        earlier_paths: Local files that hold its earlier rows, if the recorder's process died over it.
        problem: Why it is lost, or why it is recorded offline although it should be online; or None.
        project: Its W&B project, or ``""`` where it is not known.
        entity: The user or team of the project; None for the key's default.
        sync: Whether its local files were uploaded after it had ended: ``"none"``, ``"begun"``, ``"done"``.
    """

    trial_id: str
    id: str
    name: str
    state: RunState = "opening"
    rows: int = 0
    url: str | None = None
    path: str = ""
    earlier_paths: tuple[str, ...] = ()
    problem: str | None = None
    project: str = ""
    entity: str | None = None
    sync: SyncState = "none"

    @property
    def exit_code(self) -> int | None:
        """Its exit code: 0 finished, 1 failed, 130 interrupted; None if it has not ended, or is lost."""
        return next((code for state, code in EXIT_CODES.items() if state == self.state), None)

    def following(self, earlier: RunInfo | None) -> RunInfo:
        """Return the run as it goes on after an earlier session, with the files and rows that it had then."""
        if earlier is None or not earlier.paths:
            return self
        sync: SyncState = "none" if earlier.url is None and earlier.sync == "none" else "begun"
        return evolve(self, path=earlier.path, earlier_paths=earlier.earlier_paths, rows=earlier.rows, sync=sync)

    @property
    def uploaded(self) -> bool:
        """Whether all of it is on the server: it has ended there, or its local files were uploaded."""
        return self.sync == "done" or (self.url is not None and self.problem is None and not self.live)

    @property
    def paths(self) -> tuple[str, ...]:
        """All its local files, in the order of their rows."""
        return (*self.earlier_paths, self.path) if self.path else self.earlier_paths

    @property
    def folder(self) -> str:
        """The folder of its local file, as ``wandb sync`` takes it."""
        return os.path.dirname(self.path)  # noqa: PTH120  # "" stays ""

    @property
    def sync_command(self) -> str:
        """The shell command that uploads its local files; ``""`` if it has none."""
        if not self.path:
            return ""
        # wandb sync passes over online runs unless told otherwise, and doubles the rows that an id already has.
        options = ["--no-skip-online", "--id", f"{self.id}-synced"] if self.url else []
        options = options or (["--id", self.id] if self.problem else [])
        folders = [os.path.dirname(path) for path in self.paths]  # noqa: PTH120  # as above
        return shlex.join(["wandb", "sync", *options, *folders])

    @property
    def how_to_upload(self) -> str:
        """How its local files get to the server, in a sentence; ``""`` if it has none."""
        return f"Upload it by: {self.sync_command}" if self.path else ""

    @property
    def where(self) -> str:
        """The run's page, or the folder of its local file."""
        return self.url or self.folder or "nowhere"

    @property
    def live(self) -> bool:
        """Whether rows may still come."""
        return self.state in ("opening", "running")


RunRecord = RunInfo
"""The name of :class:`RunInfo` in release 0.1.0."""


@define
class _Run:
    info: RunInfo
    generation: int
    requested_end: EndState | None = None
    handled: int = 0
    durable: int = 0
    last_durable_s: float = math.inf
    """When ``durable`` last changed, or rows began to wait for it; monotonic; infinite until a worker has the run."""
    end_requested_s: float = math.inf


class RunTable:
    """The runs of a recorder. Not thread-safe: its owner holds a lock.

    Example:
        >>> from typed_tune_wandb.recording._protocol import RunOpened
        >>> from typed_tune_wandb.recording.state import RunInfo, RunTable
        >>> table = RunTable()
        >>> generation = table.open(RunInfo("trial_1", "id_1", "first"))
        >>> table.apply(RunOpened("trial_1", generation, "id_1", "first", None, "run.wandb", 0, 0))
        >>> table.infos["trial_1"].state
        'running'
    """

    def __init__(self) -> None:
        self._runs: dict[str, _Run] = {}
        self._infos: dict[str, RunInfo] = {}
        self._generations = 0
        self._unopened: set[str] = set()
        """Live runs that the present worker has not opened yet."""
        self._last_opened_s = 0.0
        """When a worker last opened a run, or began to; monotonic."""

    @property
    def infos(self) -> Mapping[str, RunInfo]:
        """Trial id → what is known of its run. A view that follows the changes."""
        return MappingProxyType(self._infos)

    def open(self, info: RunInfo) -> int:
        """Add a run that is being opened, in place of an earlier one of the same trial; give its generation."""
        trial_id = info.trial_id
        self._generations += 1
        if not self._unopened:
            self._last_opened_s = time.monotonic()
        self._unopened.add(trial_id)
        self._runs[trial_id] = _Run(info, self._generations)
        self._infos[trial_id] = self._runs[trial_id].info
        return self._generations

    def generation(self, trial_id: str) -> int:
        """Give the number of a run's last opening; 0 if there was none."""
        run = self._runs.get(trial_id)
        return 0 if run is None else run.generation

    def is_open(self, trial_id: str) -> bool:
        """Tell whether a trial has a run that is not lost and whose end was not requested."""
        run = self._runs.get(trial_id)
        return run is not None and run.info.live and run.requested_end is None

    def is_empty(self, trial_id: str) -> bool:
        """Tell whether a trial has a run without a row."""
        run = self._runs.get(trial_id)
        return run is not None and run.info.rows == 0

    def is_current(self, trial_id: str, generation: int) -> bool:
        """Tell whether a message is about a run's present opening."""
        return self.generation(trial_id) == generation != 0

    def request_end(self, trial_id: str, state: EndState) -> None:
        """Note how a run is to end."""
        self._runs[trial_id].requested_end = state
        self._runs[trial_id].end_requested_s = time.monotonic()

    def unfinished(self) -> list[RunInfo]:
        """Give the runs that have not ended."""
        return [run.info for run in self._runs.values() if run.info.live]

    def apply(self, event: RunEvent) -> None:
        """Take in what happened to a run; an event about an earlier opening changes nothing."""
        if not self.is_current(event.trial_id, event.generation):
            return
        run = self._runs[event.trial_id]
        if isinstance(event, (RunOpened, RunFailed)):
            self._last_opened_s = time.monotonic()
            self._unopened.discard(event.trial_id)
        match event:
            case RunOpened():
                self._apply_opened(run, event)
            case RunFailed():
                self.lose(event.trial_id, event.reason)
            case RunFinished():
                if run.info.state == "lost":
                    return
                if event.problem is not None:
                    self.lose(event.trial_id, event.problem)
                else:
                    self._update(run, state=run.requested_end or "interrupted")
            case CheckpointSaved():
                pass  # concerns the replay log alone
            case _:
                assert_never(event)

    def progress(self, trial_id: str, generation: int, rows: int, handled: int, durable: int) -> None:
        """Take in how many rows of a run are recorded, and how many of them are durable."""
        if not self.is_current(trial_id, generation):
            return
        run = self._runs[trial_id]
        if durable != run.durable or run.durable == run.handled:
            run.last_durable_s = time.monotonic()
        run.handled, run.durable = handled, durable
        if rows != run.info.rows:
            self._update(run, rows=rows)

    def longest_wait_s(self, *, for_rows: bool = True) -> float:
        """Give for how many seconds a live run has waited for its local file: for rows in it, or for its end offline.

        Uploads may take any time: the end of an online run does not count.

        Args:
            for_rows: Whether rows count: not where wandb-core keeps them until there are many, or the run ends.
        """
        now = time.monotonic()
        live = [run for run in self._runs.values() if run.info.live and run.info.trial_id not in self._unopened]
        rows = [now - run.last_durable_s for run in live if for_rows and run.durable < run.handled]
        ends = [now - max(run.end_requested_s, self._last_opened_s) for run in live if run.info.url is None]
        return max(0.0, *rows, *ends, 0.0)

    def longest_opening_s(self) -> float:
        """Give for how many seconds no run was opened although one is to be; 0 if there is none."""
        return time.monotonic() - self._last_opened_s if self._unopened else 0.0

    def restart_waits(self) -> None:
        """Count waits from zero: another worker takes over, and has no run open yet."""
        self._last_opened_s = time.monotonic()
        self._unopened = {trial_id for trial_id, run in self._runs.items() if run.info.live}
        for run in self._runs.values():
            run.last_durable_s = math.inf

    def lose(self, trial_id: str, reason: str, *, log: bool = True) -> None:
        """Mark a run as lost.

        Args:
            trial_id: Tune's id of the trial.
            reason: Why.
            log: Whether to log an error.
        """
        run = self._runs[trial_id]
        self._unopened.discard(trial_id)
        self._update(run, state="lost", problem=reason)
        if log:
            info = run.info
            kept = f"What was recorded is in {info.path}." if info.path else "Nothing of it is recorded."
            text = "The W&B run of trial %s is lost: %s. %s %s"
            logger.error(text, trial_id, reason, kept, info.how_to_upload)

    def _apply_opened(self, run: _Run, event: RunOpened) -> None:
        if not run.info.live:
            return
        earlier = run.info.paths
        self._update(run, id=event.run_id, name=event.name, url=event.url, state="running")
        self._update(run, path=event.path, earlier_paths=earlier, problem=event.problem)
        run.last_durable_s = time.monotonic()
        if event.problem is not None:
            text = "The W&B run %s is recorded offline: %s. %s"
            logger.error(text, run.info.id, event.problem, run.info.how_to_upload)

    def _update(self, run: _Run, **changes: Any) -> None:
        run.info = evolve(run.info, **changes)
        self._infos[run.info.trial_id] = run.info
