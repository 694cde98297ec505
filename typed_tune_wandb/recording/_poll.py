"""Waiting for pipes, whatever the number of open files: ``select.select`` knows no descriptor above 1023."""

from __future__ import annotations

import select
from collections.abc import Iterable


def readable(fds: Iterable[int], timeout_s: float | None = None) -> set[int]:
    """Wait until one of some pipes can be read, or has ended; give those that can.

    Args:
        fds: Their descriptors.
        timeout_s: Longest wait, in seconds; None: without a limit.
    """
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    return {fd for fd, _ in poll.poll(None if timeout_s is None else max(0.0, timeout_s) * 1000)}


def wait_writable(fd: int, timeout_s: float) -> None:
    """Wait until a pipe can be written to, or its other end is gone; at most ``timeout_s`` seconds."""
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    poll.poll(timeout_s * 1000)
