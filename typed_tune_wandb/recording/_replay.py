"""Commands that were sent to the worker and are not known to be on disk yet.

They are replayed to the worker's replacement after a crash. A row leaves the log once it is in its run's local file,
which the worker reads; what came before it leaves with it.
"""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable, Mapping
from typing import IO, Final

from attrs import Factory, define, evolve

from typed_tune_wandb.recording._protocol import (
    FinishRun,
    LogRow,
    OpenRun,
    RunCommand,
    SaveCheckpoint,
    UpdateConfig,
    decode,
    encode,
)
from typed_tune_wandb.recording._steps import StepCounter

MAX_MEMORY_BYTES: Final = 64_000_000
"""Commands beyond it wait in a temporary file: a worker that hangs costs disk, not the driver's memory."""


@define(eq=False)
class Entry:
    """One command in the log.

    Attributes:
        seq: Its number.
        kind: Its class; None if it is not about a run.
        trial_id: Tune's id of the trial.
        generation: Number of the run's opening.
        data: Its encoded form; None while it waits to be encoded, or where it lies in the spill file.
        prepare: Encodes it, where that takes long: copies media files, pickles media.
        step: The step of a row.
        iteration: The ``training_iteration`` of a row.
        changes_config: Whether a row changes the run's config.
        place: Offset and length in the spill file.
        written: Whether a worker may have seen it.
        dropped: Whether it needs no sending any more.
    """

    seq: int
    kind: type[RunCommand] | None = None
    trial_id: str = ""
    generation: int = 0
    data: bytes | None = None
    prepare: Callable[[], bytes] | None = None
    step: int = 0
    iteration: int = 0
    changes_config: bool = False
    place: tuple[int, int] | None = None
    written: bool = False
    dropped: bool = False


class _SpillFile:
    """Keeps encoded commands in memory up to a bound, and in a temporary file beyond it."""

    def __init__(self, max_memory_bytes: int) -> None:
        self._max_memory_bytes = max_memory_bytes
        self._file: IO[bytes] | None = None
        self._spilled = 0
        self.memory_bytes = 0
        self.spilled_bytes = 0

    def store(self, entry: Entry, data: bytes) -> None:
        """Keep the content of an entry; the opening of a run, with its API key, is never written to a file."""
        if entry.kind is not OpenRun and self.memory_bytes + len(data) > self._max_memory_bytes:
            try:
                self._write(entry, data)
            except OSError:
                pass  # the disk is full: better in memory than lost
            else:
                return
        entry.data = data
        self.memory_bytes += len(data)

    def load(self, entry: Entry) -> bytes | None:
        """Give the content of an entry."""
        if entry.place is None or self._file is None:
            return entry.data
        offset, length = entry.place
        self._file.seek(offset)
        return self._file.read(length)

    def remove(self, entry: Entry) -> None:
        """Drop an entry and its content; the file shrinks when nothing in it is needed any more."""
        entry.dropped = True
        if entry.data is not None:
            self.memory_bytes -= len(entry.data)
            entry.data = None
        if entry.place is not None and self._file is not None:
            self.spilled_bytes -= entry.place[1]
            self._spilled -= 1
            entry.place = None
            if self._spilled == 0:
                self._file.truncate(0)

    def _write(self, entry: Entry, data: bytes) -> None:
        if self._file is None:
            # Without a name, readable by its owner alone, and gone with this process.
            self._file = tempfile.TemporaryFile(prefix="wandb-replay-", buffering=0)  # noqa: SIM115  # it stays open
        offset = self._file.seek(0, 2)
        if self._file.write(data) != len(data):
            self._file.truncate(offset)
            raise OSError("short write")
        entry.place = (offset, len(data))
        self.spilled_bytes += len(data)
        self._spilled += 1


@define(eq=False)
class _RunLog:
    """Commands of one trial's run since its last durable row, and where the run stood then.

    Attributes:
        spill: Where the encoded commands are.
        opened: The opening of the run that is open, with all later changes of the config; None if none is.
        opened_seq: Its number.
        steps: The steps of the rows that are durable.
        rows: How many of these have a step.
        handled: How many there are.
        entries: The commands that are not durable.
        checkpoints: Commands of checkpoints that the worker has begun to upload.
    """

    spill: _SpillFile
    opened: OpenRun | None = None
    opened_seq: int = 0
    steps: StepCounter = Factory(StepCounter)
    rows: int = 0
    handled: int = 0
    entries: deque[Entry] = Factory(deque)
    checkpoints: list[Entry] = Factory(list)

    def is_open(self, generation: int) -> bool:
        """Tell whether the run is open, and this opening is the last one."""
        return self.opened is not None and self.opened.generation == generation

    def pop(self) -> None:
        """Take the first command as done."""
        entry = self.entries.popleft()
        if entry.kind is LogRow:
            self.handled += 1
            if self.steps.assign(entry.step, entry.iteration) is not None:
                self.rows += 1
        data = self.spill.load(entry) if entry.kind is not LogRow or entry.changes_config else None
        if data is not None:
            self._apply(entry, decode(data))
        if entry.kind is not SaveCheckpoint or entry not in self.checkpoints:
            self.spill.remove(entry)

    def _apply(self, entry: Entry, command: RunCommand) -> None:
        if isinstance(command, OpenRun):
            self.opened, self.opened_seq, self.checkpoints = command, entry.seq, []
            self.rows, self.handled = command.rows, command.handled
            self.steps = StepCounter(max(self.steps.next_step, command.next_step), command.recorded_iteration)
        elif isinstance(command, (UpdateConfig, LogRow)) and self.opened is not None:
            # wandb-core sends the config now and then: what it had not sent yet must not go with it.
            config = self.opened.init.get("config")
            merged = {**(config if isinstance(config, dict) else {}), **command.config}
            self.opened = evolve(self.opened, init={**self.opened.init, "config": merged})
        elif isinstance(command, SaveCheckpoint):
            self.checkpoints.append(entry)
        elif isinstance(command, FinishRun):
            self.opened = None

    def ack_checkpoint(self, location: str) -> None:
        """Discard a checkpoint that is uploaded."""
        self.checkpoints = [entry for entry in self.checkpoints if self._location(entry) != location]

    def _location(self, entry: Entry) -> str | None:
        data = self.spill.load(entry)
        return None if data is None else str(decode(data).location)

    def replay(self, files: tuple[str, ...], folder: str | None) -> list[Entry]:
        """Give the run's commands for a replacement worker; none where there is no opening (see :class:`ReplayLog`)."""
        again = [*self.checkpoints, *self.entries]
        if self.opened is not None:
            opened, seq = self.opened, self.opened_seq
        else:
            opening = next((entry for entry in again if entry.kind is OpenRun), None)
            data = None if opening is None else self.spill.load(opening)
            if opening is None or data is None:
                return []
            if not opening.written:
                return again
            again.remove(opening)
            opened, seq = decode(data), opening.seq
        opened = self._continued(opened, files, folder)
        return [Entry(seq, OpenRun, opened.trial_id, opened.generation, encode(opened)), *again]

    def _continued(self, opened: OpenRun, files: tuple[str, ...], folder: str | None) -> OpenRun:
        """Make the opening of a run that an earlier worker may have opened already."""
        # The run is there now, forked or rewound: it is only continued.
        init = {key: value for key, value in opened.init.items() if key not in ("fork_from", "resume_from")}
        init["resume"] = "allow"
        if folder is not None:
            init["dir"] = folder
        if self.opened is None:
            return evolve(opened, init=init, earlier_files=files)
        return evolve(
            opened,
            init=init,
            next_step=self.steps.next_step,
            recorded_iteration=self.steps.recorded_iteration,
            rows=self.rows,
            handled=self.handled,
            earlier_files=files,
            restored=False,  # what an earlier session had recorded is in these numbers
        )


class ReplayLog:
    """The commands of all runs that are not durable yet, in their order.

    Not thread-safe: its owner holds a lock.

    Args:
        max_memory_bytes: Beyond it, commands are written to a temporary file (mode 0600) and read back when needed.

    Example:
        >>> from typed_tune_wandb.recording._protocol import LogRow, OpenRun
        >>> from typed_tune_wandb.recording._replay import ReplayLog
        >>> log = ReplayLog()
        >>> for command in (OpenRun("t", 1, {}), LogRow("t", 1, 1, 1, {"loss": 2}), LogRow("t", 1, 2, 2, {"loss": 1})):
        ...     _ = log.add(command)
        >>> log.ack_open("t", 1, next_step=0, recorded_iteration=0)
        >>> log.ack_rows("t", 1, handled=1)
        >>> [entry.step for entry in log.replay({}) if entry.kind is LogRow]
        [2]
    """

    def __init__(self, max_memory_bytes: int = MAX_MEMORY_BYTES) -> None:
        self._runs: dict[str, _RunLog] = {}
        self._spill = _SpillFile(max_memory_bytes)
        self._last_seq = 0

    @property
    def memory_bytes(self) -> int:
        """Bytes of encoded commands in this process' memory."""
        return self._spill.memory_bytes

    @property
    def spilled_bytes(self) -> int:
        """Bytes of encoded commands in the temporary file."""
        return self._spill.spilled_bytes

    def add(self, command: RunCommand) -> Entry:
        """Append a command.

        Raises:
            UnsendableError: It cannot be encoded.
        """
        data = encode(command)
        entry = self.reserve(command)
        self.fill(entry, data)
        return entry

    def reserve(self, command: RunCommand, prepare: Callable[[], bytes] | None = None) -> Entry:
        """Append a command whose encoded form follows by :meth:`fill`."""
        self._last_seq += 1
        kind, trial_id = type(command), command.trial_id
        entry = Entry(self._last_seq, kind, trial_id, command.generation, None, prepare)
        if isinstance(command, LogRow):
            entry.step, entry.iteration, entry.changes_config = command.step, command.iteration, bool(command.config)
        elif kind is OpenRun:
            self._runs.setdefault(trial_id, _RunLog(self._spill))
        if (run := self._runs.get(trial_id)) is None:
            entry.dropped = True  # the run is lost, or was never opened
        else:
            run.entries.append(entry)
        return entry

    def fill(self, entry: Entry, data: bytes) -> None:
        """Give an entry its encoded form."""
        entry.prepare = None
        if not entry.dropped:
            self._spill.store(entry, data)

    def content(self, entry: Entry) -> bytes | None:
        """Give an entry's encoded form; None if it has none yet."""
        return self._spill.load(entry)

    def drop(self, entry: Entry) -> None:
        """Remove one command: it is skipped from now on."""
        run = self._runs.get(entry.trial_id)
        if run is not None and entry in run.entries:
            run.entries.remove(entry)
        self._spill.remove(entry)

    def find(self, seq: int) -> Entry | None:
        """Find a command by its number."""
        return next((entry for run in self._runs.values() for entry in run.entries if entry.seq == seq), None)

    def ack_open(self, trial_id: str, generation: int, next_step: int, recorded_iteration: int) -> None:
        """Acknowledge that a run is open; the worker knows better where a continued one goes on."""
        run = self._runs.get(trial_id)
        if run is None:
            return
        while run.entries and run.entries[0].generation <= generation:
            if run.is_open(generation):
                break
            run.pop()
        if run.opened is not None and run.is_open(generation) and run.handled == run.opened.handled:
            run.steps = StepCounter(max(run.steps.next_step, next_step), recorded_iteration)

    def ack_rows(self, trial_id: str, generation: int, handled: int) -> None:
        """Discard a run's commands up to and including its row number ``handled``, which is durable."""
        run = self._runs.get(trial_id)
        if run is None or not run.is_open(generation):
            return
        while run.handled < handled and run.entries:
            run.pop()

    def ack_checkpoint(self, trial_id: str, location: str) -> None:
        """Discard a checkpoint that is uploaded."""
        if (run := self._runs.get(trial_id)) is not None:
            run.ack_checkpoint(location)

    def ack_finish(self, trial_id: str, generation: int) -> None:
        """Discard a run's commands up to and including its end."""
        run = self._runs.get(trial_id)
        if run is None:
            return
        while run.entries and run.entries[0].generation <= generation:
            run.pop()
        if not run.entries:
            self.discard(trial_id)

    def discard(self, trial_id: str) -> None:
        """Discard everything of a run that is lost."""
        run = self._runs.pop(trial_id, None)
        for entry in (*run.entries, *run.checkpoints) if run is not None else ():
            self._spill.remove(entry)

    def replay(self, files: Mapping[str, tuple[str, ...]], folder: str | None = None) -> list[Entry]:
        """Give the commands for a replacement worker, in the order in which they were given.

        Args:
            files: Trial id → local files that the workers before it have written.
            folder: Where all runs are recorded from now on, if not where they were to be.
        """
        runs = self._runs.items()
        found = [entry for trial_id, run in runs for entry in run.replay(files.get(trial_id, ()), folder)]
        return sorted(found, key=lambda entry: entry.seq)
