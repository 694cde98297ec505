"""Which keys are recorded."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final

_GLOB: Final = re.compile(r"[*?\[]")


class Excludes:
    """Which keys a user does not want recorded: exact keys, ``key`` for all of ``key/...``, and globs.

    Example:
        >>> from typed_tune_wandb.payload import Excludes
        >>> excludes = Excludes(["timers", "*/secret"])
        >>> [key for key in ("timers/sample", "loss", "a/secret") if key not in excludes]
        ['loss']
    """

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self._patterns = tuple(pattern.rstrip("/") for pattern in patterns)

    def __contains__(self, key: str) -> bool:
        return any(
            key == pattern or key.startswith(f"{pattern}/") or fnmatchcase(key, pattern) for pattern in self._patterns
        )


class Metrics:
    """Which metrics a user wants recorded, by patterns like those of :class:`Excludes`; without any, all.

    Args:
        patterns: The patterns.
        always: Keys that are recorded whatever the patterns are.

    Example:
        >>> from typed_tune_wandb.payload._selection import Metrics
        >>> metrics = Metrics(["eval", "train/loss"], always=["epoch"])
        >>> [key for key in ("eval/acc", "train/loss", "train/acc", "epoch") if key in metrics]
        ['eval/acc', 'train/loss', 'epoch']
        >>> metrics.may_hold("train"), metrics.may_hold("timers")
        (True, False)
    """

    def __init__(self, patterns: Iterable[str] = (), always: Iterable[str] = ()) -> None:
        wanted = tuple(patterns)
        self._all = not wanted
        self._always = frozenset(always)
        self._wanted = Excludes(wanted)
        # A pattern may match below a key that begins as the pattern does, up to its first special character.
        self._beginnings = tuple(_GLOB.split(pattern, maxsplit=1) for pattern in (*wanted, *self._always))

    def __contains__(self, key: str) -> bool:
        return self._all or key in self._always or key in self._wanted

    def may_hold(self, key: str) -> bool:
        """Return whether a key that is not recorded itself may be that of a dict with others that are."""
        inside = f"{key}/"
        return any(
            text.startswith(inside) or (bool(glob) and inside.startswith(text)) for text, *glob in self._beginnings
        )
