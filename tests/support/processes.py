"""The processes below one."""

from __future__ import annotations

from contextlib import suppress

import psutil


def descendants(pid: int, named: bytes = b"") -> list[int]:
    """The living processes below one, each before its own; those with something in their command line."""
    found: list[int] = []
    with suppress(psutil.NoSuchProcess):
        for child in sorted(psutil.Process(pid).children(), key=lambda process: process.pid):
            with suppress(psutil.Error):  # it ends while it is read
                if child.status() != psutil.STATUS_ZOMBIE and named in "\0".join(child.cmdline()).encode():
                    found.append(child.pid)
            found += descendants(child.pid, named)
    return found


def is_alive(pid: int) -> bool:
    """Whether a process is there, and is no zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
