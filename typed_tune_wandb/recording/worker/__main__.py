"""Runs the worker: reads commands from one pipe, and writes events to another.

When the driver is gone, the pipe for commands ends: what came is recorded, and the runs end as interrupted. When
wandb-core is gone, this process ends as well: the driver starts another, which gets what is not durable once more.
"""

from __future__ import annotations

import gc
import logging
import os
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final, NoReturn

from typed_tune_wandb.recording._poll import readable
from typed_tune_wandb.recording._process import HandlingTable
from typed_tune_wandb.recording._protocol import (
    EXIT_INTERRUPTED,
    EXIT_PROTOCOL,
    Command,
    Event,
    FrameDecoder,
    FrameEncoder,
    GarbledStreamError,
    ServiceStarted,
    WorkerReady,
    decode,
    encode,
)
from typed_tune_wandb.recording.worker._backend import WandbBackend
from typed_tune_wandb.recording.worker._manager import DURABLE_INTERVAL_S, RunManager
from typed_tune_wandb.recording.worker._orphan import is_orphan, start_anew, unread_commands
from typed_tune_wandb.recording.worker._services import watch_services

BATCH_INTERVAL_S: Final = 0.1
"""Rows are gathered this long before they are recorded: many at once cost less."""
ORPHAN_TIMEOUT_S: Final = 300.0
"""Longest wait for uploads when the driver is gone; what is not uploaded by then stays in the local files."""
ORPHAN_CHECK_S: Final = 0.5
"""Where wandb-core has ended, the driver may be about to end as well: the worker waits so long to see it."""
_PROGRESS_INTERVAL_S: Final = 0.5
_LOOK_PAUSES: Final = 10
"""After a look at the files of all runs, the next one waits for so many times as long as it took, and at most:"""
_MAX_LOOK_PAUSE_S: Final = 10.0
_READ_BYTES: Final = 1_048_576
_MANY_FILES: Final = 10_240


class _EventWriter:
    """Writes events to the driver; nothing where it is gone: its runs are ended all the same."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()
        self._frames = FrameEncoder()

    def __call__(self, event: Event) -> None:
        with self._lock, suppress(OSError):
            data = memoryview(self._frames.frame(0, encode(event)))
            while data:
                data = data[os.write(self._fd, data) :]


def wait_for_commands(command_fd: int, urgent_fd: int) -> None:
    """Wait until there are commands, and then a moment for more, unless they are urgent or the pipe has ended.

    Args:
        command_fd: The pipe for commands.
        urgent_fd: The pipe through which a byte says that commands are urgent.
    """
    if urgent_fd not in readable([command_fd, urgent_fd]):
        readable([urgent_fd], BATCH_INTERVAL_S)
    with suppress(BlockingIOError):
        os.read(urgent_fd, 4096)


def read_commands(fd: int) -> Iterator[bytes]:
    """Yield what is in the pipe for commands now; ``b""`` where it has ended."""
    with suppress(BlockingIOError):
        while True:
            data = os.read(fd, _READ_BYTES)
            yield data
            if not data:
                return


def serve(manager: RunManager, emit: _EventWriter, decoder: FrameDecoder, command_fd: int, urgent_fd: int) -> None:
    """Carry out commands until the pipe ends, then end the runs that are still live."""
    ended = threading.Event()
    for fd in (command_fd, urgent_fd):
        os.set_blocking(fd, False)

    def report() -> None:
        next_look_s = 0.0
        while not ended.wait(_PROGRESS_INTERVAL_S):
            with suppress(Exception):  # a mount is stale, say: the next look may tell more
                began_s = time.monotonic()
                look = began_s >= next_look_s
                if look:
                    next_look_s = began_s + DURABLE_INTERVAL_S
                    manager.check_disks()
                manager.report_progress(look_at_files=look)
                if look:  # with a thousand runs it takes half a second, in which rows wait
                    pause_s = _LOOK_PAUSES * (time.monotonic() - began_s)
                    next_look_s += min(pause_s, _MAX_LOOK_PAUSE_S)

    threading.Thread(target=report, daemon=True).start()
    manager.start()  # now, while the trials are still starting
    emit(WorkerReady())
    gc.freeze()  # what is imported stays: collections need not look at it

    open_pipe = True
    while open_pipe:
        wait_for_commands(command_fd, urgent_fd)
        with manager.taking:
            for data in read_commands(command_fd):
                open_pipe = bool(data)
                for seq, content in decoder.feed(data):
                    manager.handle(seq, decode(content))
    manager.finish_all(EXIT_INTERRUPTED, ORPHAN_TIMEOUT_S)
    ended.set()
    manager.report_progress(look_at_files=False)
    manager.stop()


def _exit(code: int) -> NoReturn:
    os._exit(code)


def allow_many_files() -> None:
    """Raise the limit of open files as far as the system allows: each run takes one, and the default is often 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in (most, _MANY_FILES):  # macOS takes no "infinity"
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, most))
            return


def main(options: str) -> None:
    """Run the worker.

    Args:
        options: File descriptors of the pipes for commands, urgency and events, of the handling table and of the
            console, and whether to be cautious; with commas between.
    """
    command_fd, urgent_fd, event_fd, handling_fd, console, cautious = map(int, options.split(","))
    for fd in (command_fd, urgent_fd, event_fd, handling_fd):
        os.set_inheritable(fd, False)
    for fd in (1, 2):
        os.dup2(console, fd)
    os.close(console)
    allow_many_files()
    # wandb goes on to write to a wandb-core that is gone. Until that is noticed, asyncio warns of each time, and
    # threads of wandb end by an exception; none of ours does.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    logging.raiseExceptions = False  # a full disk cannot take wandb's own log either: the console need not show it
    threading.excepthook = lambda arguments: None
    handling = HandlingTable(handling_fd)
    emit = _EventWriter(event_fd)
    watch_services(lambda pid: emit(ServiceStarted(pid)))
    decoder = FrameDecoder()

    def orphaned(unfinished: list[Command]) -> None:
        if is_orphan(command_fd, ORPHAN_CHECK_S):
            start_anew([*unfinished, *unread_commands(command_fd, decoder)], event_fd, handling_fd)

    manager = RunManager(WandbBackend(), emit, _exit, handling.set, cautious=bool(cautious), orphaned=orphaned)
    try:
        serve(manager, emit, decoder, command_fd, urgent_fd)
    except GarbledStreamError:
        _exit(EXIT_PROTOCOL)
    except BaseException:
        _exit(1)  # wandb's threads would keep this process alive
