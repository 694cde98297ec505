"""Finds the command that kills the worker, so that it is skipped and the others are recorded."""

from __future__ import annotations

import signal
from typing import Final

from attrs import Factory, define

from typed_tune_wandb.recording._protocol import EXIT_SERVICE_LOST, LogRow, UpdateConfig, decode
from typed_tune_wandb.recording._replay import Entry, ReplayLog

MAX_DEATHS: Final = 2
"""A command during which the worker crashed so often is skipped."""
_KILLED_WEIGHT: Final = 0.5
"""Whoever kills the worker from outside may hit any command; the out-of-memory killer hits one that is too large."""


@define
class Suspects:
    """Counts the commands during which workers died.

    Example:
        >>> from typed_tune_wandb.recording._protocol import LogRow, OpenRun
        >>> from typed_tune_wandb.recording._replay import ReplayLog
        >>> log, suspects = ReplayLog(), Suspects()
        >>> opening, row = log.add(OpenRun("t", 1, {})), log.add(LogRow("t", 1, 1, 1, {"loss": 2}))
        >>> [len(suspects.convict(log, [row.seq], -11)) for death in range(2)]
        [0, 1]
    """

    _deaths: dict[int, float] = Factory(dict)

    def convict(self, log: ReplayLog, seqs: list[int], exit_code: int) -> list[Entry]:
        """Count what a dead worker was handling; give the commands that are to be skipped from now on.

        Args:
            log: The commands.
            seqs: Numbers of those that it was handling.
            exit_code: How it ended; negative: the signal.
        """
        suspects = [entry for seq in seqs if (entry := log.find(seq)) is not None]
        rows = [entry for entry in suspects if entry.kind in (LogRow, UpdateConfig)]
        killed = exit_code in (-signal.SIGKILL, EXIT_SERVICE_LOST)
        if not rows and (len(suspects) != 1 or killed):
            return []  # opening, uploading and ending take long: whoever kills a worker from outside often hits them
        convicted = []
        for entry in rows or suspects:
            self._deaths[entry.seq] = self._deaths.get(entry.seq, 0.0) + (_KILLED_WEIGHT if killed else 1.0)
            if self._deaths[entry.seq] >= MAX_DEATHS:
                convicted.append(entry)
        return convicted


def describe(log: ReplayLog, entry: Entry) -> str:
    """Name a command for a warning: its kind, run and keys, never a value."""
    data = log.content(entry)
    row = decode(data) if data is not None and entry.kind is LogRow else None
    if isinstance(row, LogRow):
        keys = ", ".join([*row.row, *row.media][:10])
        return f"the row of step {row.step} of trial {row.trial_id} ({keys})"
    what = "a change of the config" if entry.kind is UpdateConfig else "a checkpoint"
    return f"{what} of trial {entry.trial_id}"
