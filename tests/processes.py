"""The processes below one, as Linux shows them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def descendants(pid: int, named: bytes = b"") -> list[int]:
    """The living processes below one, each before its own; those with something in their command line."""
    children: dict[int, list[int]] = {}
    commands: dict[int, bytes] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ends while it is read
            state, parent, *_ = (folder / "stat").read_text().rpartition(")")[2].split()
            if state != "Z":
                commands[int(folder.name)] = (folder / "cmdline").read_bytes()
                children.setdefault(int(parent), []).append(int(folder.name))

    def below(parent: int) -> list[int]:
        return [each for child in sorted(children.get(parent, [])) for each in (child, *below(child))]

    return [each for each in below(pid) if named in commands[each]]
