"""The checkpoints of a run that are uploaded when it ends, and not before: the best so far."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import Factory, define, evolve

from typed_tune_wandb.recording._protocol import SaveCheckpoint


@define
class KeptCheckpoints:
    """The best checkpoints of one run so far, in the order in which they were saved.

    Example:
        >>> from attrs import evolve
        >>> from typed_tune_wandb.recording._protocol import SaveCheckpoint
        >>> from typed_tune_wandb.recording.worker._kept import KeptCheckpoints
        >>> kept = KeptCheckpoints()
        >>> first = SaveCheckpoint("t", 1, "model", "/first", (), {}, keep=1, score=0.5)
        >>> kept.add(first)
        >>> kept.add(evolve(first, location="/second", score=0.7)).location
        '/first'
    """

    _commands: list[SaveCheckpoint] = Factory(list)

    def __iter__(self) -> Iterator[SaveCheckpoint]:
        return iter(self._commands)

    def add(self, command: SaveCheckpoint) -> SaveCheckpoint | None:
        """Keep a checkpoint; return one that is not kept any more. Of equal ones, the first goes."""
        self._commands.append(command)
        if len(self._commands) <= command.keep:
            return None
        worst = min(self._commands, key=lambda kept: kept.score)
        self._commands.remove(worst)
        return worst

    def take(self) -> Iterator[SaveCheckpoint]:
        """Yield each, and forget it when the next one is asked for. An alias of several is the last one's."""
        uploads, taken = [], set[str]()
        for command in reversed(self._commands):
            uploads.append(evolve(command, aliases=tuple(alias for alias in command.aliases if alias not in taken)))
            taken.update(command.aliases)
        for command in reversed(uploads):
            yield command
            del self._commands[0]
