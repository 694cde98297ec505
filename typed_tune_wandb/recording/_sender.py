"""Writes commands to the worker's pipe without ever waiting for it."""

from __future__ import annotations

import os
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from typed_tune_wandb.recording._protocol import Command, FrameEncoder, RunCommand, encode
from typed_tune_wandb.recording._replay import Entry, ReplayLog

_MAX_WRITE_BYTES: Final = 262_144
_SENDERS: Final[weakref.WeakSet[CommandSender]] = weakref.WeakSet()


class CommandSender:
    """Keeps the commands of all runs in order, and writes them to the worker as far as its pipe has room.

    A command that was written is in the kernel's hands: the worker reads it even if the driver is killed right after.
    Not thread-safe: its owner holds a lock.

    Args:
        log: Where commands stay until they are durable.
    """

    def __init__(self, log: ReplayLog) -> None:
        self.log = log
        self.last_written = 0
        """Number of the last command that was written."""
        self._unsent: deque[Entry] = deque()
        self._later: list[Entry] = []
        """Commands that are not about a run, given while there was no worker."""
        self._partial = b""
        """Framed commands that were taken from the queue, less what is written."""
        self._frames = FrameEncoder()
        self._command_fd: int | None = None
        self._urgent_fd: int | None = None
        _SENDERS.add(self)

    @property
    def behind(self) -> bool:
        """Whether commands wait to be written."""
        return self._command_fd is not None and bool(self._partial or self._unsent)

    @property
    def command_fd(self) -> int | None:
        """The pipe, or None while there is no worker."""
        return self._command_fd

    @property
    def unprepared(self) -> Entry | None:
        """The command that all others wait for, because it is not encoded yet; or None."""
        head = self._unsent[0] if self._unsent and not self._partial else None
        return head if head is not None and head.prepare is not None and not head.dropped else None

    def connect(self, command_fd: int, urgent_fd: int, first: list[Command]) -> None:
        """Send to a new worker from now on.

        Args:
            command_fd: The pipe for commands, not blocking.
            urgent_fd: A byte in this pipe asks the worker to read at once; not blocking.
            first: Commands that are not about a run, and come before all others.
        """
        self._command_fd, self._urgent_fd = command_fd, urgent_fd
        self._frames, self._partial = FrameEncoder(), b""
        self._unsent = deque(Entry(0, data=encode(command)) for command in first)
        self._unsent.extend(self._later)
        self._later.clear()
        self.last_written = 0

    def replay(self, files: Mapping[str, tuple[str, ...]], folder: str | None) -> None:
        """Queue what an earlier worker may not have made durable (see :meth:`ReplayLog.replay`)."""
        self._unsent.extend(self.log.replay(files, folder))
        self.pump(urgent=True)

    def disconnect(self) -> None:
        """Close the pipes: the worker records what it has, and ends."""
        for fd in (self._command_fd, self._urgent_fd):
            if fd is not None:
                with suppress(OSError):
                    os.close(fd)
        self._command_fd = self._urgent_fd = None
        self._unsent.clear()
        self._partial = b""

    def send(self, command: Command, *, urgent: bool = True) -> None:
        """Send a command after all earlier ones.

        Args:
            command: The command.
            urgent: Whether the worker is to read it at once. Rows are not urgent: many at a time cost less.

        Raises:
            UnsendableError: It cannot be encoded.
        """
        entry = self.log.add(command) if isinstance(command, RunCommand) else Entry(0, data=encode(command))
        self._queue(entry, urgent)

    def send_later(self, command: RunCommand, prepare: Callable[[], bytes]) -> None:
        """Send a command after all earlier ones, once another thread has encoded it by ``prepare``."""
        self._queue(self.log.reserve(command, prepare), urgent=False)

    def _queue(self, entry: Entry, urgent: bool) -> None:
        if self._command_fd is None:
            if entry.kind is None:
                self._later.append(entry)
        elif not entry.dropped:
            self._unsent.append(entry)
            self.pump(urgent=urgent)

    def pump(self, *, urgent: bool = False) -> None:
        """Write as much as the pipe takes, up to a command that is not encoded yet."""
        if self._command_fd is None:
            return
        full = False
        while not full and (data := self._partial or self._take_frames()):
            try:
                written = os.write(self._command_fd, data)
            except BlockingIOError:
                full, written = True, 0
            except OSError:  # the worker is gone: another one gets all of it again
                self._partial = b""
                self._unsent.clear()
                return
            self._partial = b"" if written == len(data) else data[written:]
        if (full or urgent) and self._urgent_fd is not None:
            with suppress(OSError):
                os.write(self._urgent_fd, b"!")

    def _take_frames(self) -> bytes:
        """Take the next commands that are encoded, framed and as one piece; empty if there are none."""
        frames: list[bytes] = []
        size = 0
        while self._unsent and size < _MAX_WRITE_BYTES:
            entry = self._unsent[0]
            data = None if entry.dropped else self.log.content(entry)
            if data is None and not entry.dropped:
                break  # it is being encoded
            self._unsent.popleft()
            if data is not None:
                entry.written = True
                frames.append(self._frames.frame(entry.seq, data))
                size += len(data)
                self.last_written = max(self.last_written, entry.seq)
        return b"".join(frames)


def _disconnect_all() -> None:
    for sender in [*_SENDERS]:
        sender.disconnect()


# A process that is forked from the driver must not hold the pipes: the driver's end would go unnoticed.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disconnect_all)
