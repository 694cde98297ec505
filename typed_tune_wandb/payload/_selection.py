"""Which keys are recorded."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase


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
