"""One worker process: how it is started, what connects it to the driver, and how it ends."""

from __future__ import annotations

import fcntl
import mmap
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from typing import Final

from typed_tune_wandb.recording._child import child_environment, import_paths
from typed_tune_wandb.recording._poll import readable

# The driver's own sys.path takes the place of the worker's before anything is imported: nothing in the current folder
# may stand in for a module of the standard library.
BOOT: Final = (
    "import sys; sys.path[:] = sys.argv[2:]; "
    "from typed_tune_wandb.recording.worker.__main__ import main; main(sys.argv[1])"
)
_PIPE_BYTES: Final = 1_048_576  # what Linux lets everybody have; a tenth of a second of rows at full speed fits in


class HandlingTable:
    """Tells which commands a worker is handling, in memory that it shares with the driver.

    When the worker dies, these are the commands that may have killed it.

    Args:
        fd: A file of :attr:`SIZE_BYTES` bytes.
    """

    SIZE_BYTES: Final = 4096
    _SLOT: Final = struct.Struct("=Q")

    def __init__(self, fd: int) -> None:
        self._memory = mmap.mmap(fd, self.SIZE_BYTES)

    def set(self, slot: int, seq: int) -> None:
        """Note that a slot's thread handles a command; 0 if it handles none."""
        self._SLOT.pack_into(self._memory, slot % (self.SIZE_BYTES // 8) * 8, seq)

    def read(self) -> list[int]:
        """Give the numbers of the commands that are being handled; slot 0, that of rows, first."""
        return [seq for (seq,) in self._SLOT.iter_unpack(self._memory[:]) if seq]


class WorkerProcess:
    """A worker, and the driver's ends of its pipes.

    Args:
        cautious: Whether it opens runs one at a time and makes sure after each row that wandb-core is still there, so
            that a command which kills it is found.

    Raises:
        OSError: It cannot be started.
    """

    def __init__(self, *, cautious: bool = False) -> None:
        self.started_s = time.monotonic()
        self.service_pid: int | None = None
        """The process id of its wandb-core, once that is known."""
        commands, self.command_fd = _pipe()
        urgent, self.urgent_fd = _pipe()
        self.event_fd, events = _pipe()
        # wandb-core inherits the worker's standard input: this pipe is open as long as one of the two lives.
        self._life_fd, life = _pipe()
        console, shared = _console(), -1
        try:
            shared = _shared_memory(HandlingTable.SIZE_BYTES)
            self._handling = HandlingTable(shared)
            self._popen = _start((commands, urgent, events, shared), life, console, cautious)
        except OSError:
            self.close()
            os.close(self.command_fd)
            os.close(self.urgent_fd)
            raise
        finally:
            for fd in (commands, urgent, events, life, console, shared):
                if fd >= 0:
                    os.close(fd)
        for fd in (self.command_fd, self.urgent_fd):
            os.set_blocking(fd, False)
        with suppress(OSError, AttributeError):  # the user's pipes are used up; not Linux
            fcntl.fcntl(self.command_fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._popen.pid

    def wait(self, timeout_s: float) -> int | None:
        """Wait for its end; give its exit code (negative: the signal), or None if it is still there."""
        try:
            return self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def wait_for_service(self, timeout_s: float) -> bool:
        """Wait until the worker and its wandb-core have both ended; tell whether they have."""
        return bool(readable([self._life_fd], timeout_s))

    def kill(self) -> int:
        """Kill it and its wandb-core; give the exit code."""
        self._popen.kill()
        code = self._popen.wait()
        self.kill_service()
        return code

    def kill_service(self, grace_s: float = 0.0) -> None:
        """Kill a wandb-core that outlives the worker by more than ``grace_s`` seconds."""
        if self.service_pid is not None and not self.wait_for_service(grace_s):
            with suppress(ProcessLookupError):
                os.kill(self.service_pid, signal.SIGKILL)

    def handling(self) -> list[int]:
        """Give the numbers of the commands that it is handling, or was when it died."""
        return self._handling.read()

    def close(self) -> None:
        """Close the driver's ends of the pipes that come from it."""
        for fd in (self.event_fd, self._life_fd):
            if fd >= 0:
                os.close(fd)
        self.event_fd = self._life_fd = -1

    def __del__(self) -> None:
        with suppress(AttributeError, OSError):
            self.close()


def _above_standard(fd: int) -> int:
    """Move a descriptor out of the way: where the driver has closed its standard streams, new ones take their place."""
    if fd > 2:
        return fd
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(fd)
    return moved


def _pipe() -> tuple[int, int]:
    read, write = os.pipe()
    return _above_standard(read), _above_standard(write)


def _console() -> int:
    try:
        return fcntl.fcntl(2, fcntl.F_DUPFD_CLOEXEC, 3)
    except OSError:  # a daemon has none
        return _above_standard(os.open(os.devnull, os.O_WRONLY))


def _shared_memory(size_bytes: int) -> int:
    """Make a file in memory, or where there are no such files, on a disk that has room for it."""
    if hasattr(os, "memfd_create"):
        fd = _above_standard(os.memfd_create("wandb-handling"))
    else:
        with tempfile.TemporaryFile(prefix="wandb-handling-") as file:
            fd = fcntl.fcntl(file.fileno(), fcntl.F_DUPFD_CLOEXEC, 3)
    os.write(fd, bytes(size_bytes))  # touching memory of a file without room would kill this process
    return fd


def _start(theirs: tuple[int, ...], life: int, console: int, cautious: bool) -> subprocess.Popen[bytes]:
    options = ",".join([*map(str, (*theirs, console)), str(int(cautious))])
    # Ctrl-C is for the driver, which knows the runs that it interrupts. A job that is told to end (SLURM, systemd,
    # Kubernetes) tells all of its processes: the worker, from its first moment, ends after the driver.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        return subprocess.Popen(
            [sys.executable, "-c", BOOT, options, *import_paths()],
            stdin=life,
            # What sitecustomize and the like print at its start is of no use; later it prints where the driver does.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(*theirs, console),
            env=child_environment(),
            start_new_session=True,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
