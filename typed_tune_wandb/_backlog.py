"""What the recorder's process was told and may not have on disk yet: its successor is told it again.

A row is safe some seconds after it was logged, when wandb has flushed its file: then it is dropped here. If the process
or its wandb-core dies (the out-of-memory killer takes such), the runs that were live are opened again, and what was not
safe is replayed in its order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

from attrs import Factory, define, evolve

from typed_tune_wandb._messages import Command, Finish, Log, Open, RunCommand
from typed_tune_wandb.settings import WandbInitKwargs


@define
class _Stream:
    """What a trial's run was told since its last safe row, and where it stood then."""

    opened: Open | None = None
    next_step: int = 0
    rows: int = 0
    commands: deque[RunCommand] = Factory(deque)

    def pop(self) -> RunCommand:
        """Take the first command as done."""
        command = self.commands.popleft()
        if isinstance(command, Open):
            self.opened = command
            self.next_step = max(self.next_step, command.next_step)
        elif isinstance(command, Log):
            # As the process counts: what is replayed must come to the same steps.
            self.next_step = max(self.next_step, command.step) + 1
            self.rows += 1
        elif isinstance(command, Finish):
            self.opened = None
        return command


class Backlog:
    """The commands of all runs that are not safe yet.

    Example:
        >>> from typed_tune_wandb._backlog import Backlog
        >>> from typed_tune_wandb._messages import Log, Open
        >>> backlog = Backlog()
        >>> backlog.add([Open("t", {}, {}), Log("t", 1, {"loss": 2}), Log("t", 2, {"loss": 1})])
        >>> backlog.drop("t", rows=1)
        >>> [command.step for command in backlog.again({}) if isinstance(command, Log)]
        [2]
    """

    def __init__(self) -> None:
        self._streams: dict[str, _Stream] = {}

    def add(self, commands: Iterable[Command]) -> None:
        """Keep commands that are being sent."""
        for command in commands:
            if isinstance(command, Open):
                self._streams.setdefault(command.trial_id, _Stream()).commands.append(command)
            elif isinstance(command, RunCommand) and command.trial_id in self._streams:
                self._streams[command.trial_id].commands.append(command)

    def begins_at(self, trial_id: str, step: int) -> None:
        """Take in that an opened run goes on at a step: a continued one at a later step than was said."""
        stream = self._streams.get(trial_id)
        if stream is not None and stream.opened is None and stream.commands:
            stream.pop()
        if stream is not None:
            stream.next_step = max(stream.next_step, step)

    def drop(self, trial_id: str, rows: int) -> None:
        """Drop what a run was told up to and with its row of that number: it is safe."""
        stream = self._streams.get(trial_id)
        while stream is not None and stream.rows < rows and stream.commands:
            stream.pop()

    def finished(self, trial_id: str) -> None:
        """Drop what a run was told up to and with its end."""
        stream = self._streams.get(trial_id)
        while stream is not None and stream.commands and not isinstance(stream.pop(), Finish):
            pass
        if stream is not None and not stream.commands:
            del self._streams[trial_id]

    def forget(self, trial_id: str) -> None:
        """Drop all of a run: it is lost, and takes nothing more."""
        self._streams.pop(trial_id, None)

    def again(self, files: Mapping[str, tuple[str, ...]], folder: str | None = None) -> list[RunCommand]:
        """What a new process is told.

        Args:
            files: Trial id → the local files that the processes before it have written.
            folder: Where all runs are recorded from now on, if not where they were to be.
        """
        told: list[RunCommand] = []
        for trial_id, stream in self._streams.items():
            again = deque(stream.commands)
            opened = stream.opened or again.popleft()
            assert isinstance(opened, Open)
            # The run is there now, forked or rewound: it is only continued.
            init = WandbInitKwargs(**opened.init)
            init.pop("fork_from", None)
            init.pop("resume_from", None)
            init["resume"] = "allow"
            if folder is not None:
                init["dir"] = folder
            step = max(stream.next_step, opened.next_step)
            told += [
                evolve(opened, init=init, next_step=step, rows=stream.rows, earlier_files=files.get(trial_id, ())),
                *again,
            ]
        return told
