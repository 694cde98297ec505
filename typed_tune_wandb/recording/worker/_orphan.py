"""Goes on when the driver and wandb-core are both gone, as after SIGTERM to every process of a job.

The driver cannot start a replacement then. The worker replaces itself: it starts again in the same process, with what
was not durable as its commands, and ends the runs as interrupted.
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterable

from typed_tune_wandb._wandb_internals import without_service
from typed_tune_wandb.recording._process import BOOT
from typed_tune_wandb.recording._protocol import Command, FrameDecoder, FrameEncoder, decode, encode


def is_orphan(command_fd: int, timeout_s: float) -> bool:
    """Tell whether the driver is gone, or goes within ``timeout_s`` seconds."""
    poll = select.poll()
    poll.register(command_fd, 0)  # the pipe's end is always reported
    return any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll(timeout_s * 1000))


def unread_commands(command_fd: int, decoder: FrameDecoder) -> list[Command]:
    """Read what the driver had still written; its pipe has ended."""
    os.set_blocking(command_fd, True)
    commands = [decode(content) for _, content in decoder.feed(b"")]
    while data := os.read(command_fd, 1_048_576):
        commands += [decode(content) for _, content in decoder.feed(data)]
    return commands


def start_anew(commands: Iterable[Command], event_fd: int, handling_fd: int) -> None:
    """Replace this process by a worker that carries out these commands, and then ends all runs.

    It comes back only where memory cannot be handed on as a file (not Linux): an API key may be among the commands,
    which must be in no file on a disk.

    Args:
        commands: What is to be done.
        event_fd: The pipe for events, which nobody reads any more.
        handling_fd: The handling table.
    """
    if not hasattr(os, "memfd_create"):
        return
    frames = FrameEncoder()
    file = os.memfd_create("wandb-orphan")
    with open(file, "wb", buffering=0, closefd=False) as writer:  # a descriptor, no path
        writer.writelines(frames.frame(seq, encode(command)) for seq, command in enumerate(commands, start=1))
    os.lseek(file, 0, os.SEEK_SET)
    urgent, _ = os.pipe()
    fds = [file, urgent, event_fd, handling_fd, os.dup(2)]
    for fd in fds:
        os.set_inheritable(fd, True)
    options = ",".join(map(str, [*fds, 0]))
    os.execve(sys.executable, [sys.executable, "-c", BOOT, options, *sys.path], without_service(os.environ))
