"""Log messages that must not repeat.

This module has the one process-wide state of this library's logging: which messages were logged already.
"""

from __future__ import annotations

import logging
from typing import Final

logger = logging.getLogger(__name__)

_MAX_WARNINGS: Final = 1_000


class OnceLogger:
    """Logs each message once, however often it is asked to.

    Example:
        >>> import logging
        >>> from typed_tune_wandb._logging import OnceLogger
        >>> once = OnceLogger()
        >>> [once.log(logging.getLogger("example"), logging.DEBUG, "read %s", name) for name in ("a", "a", "b")]
        [True, False, True]
    """

    def __init__(self) -> None:
        self._logged: set[tuple[str, str]] = set()

    def log(self, logger: logging.Logger, level: int, message: str, *args: object) -> bool:
        """Log a message, unless it was logged before with the same arguments; return whether it is logged now."""
        key = (logger.name, message % args if args else message)
        if key in self._logged:
            return False
        self._logged.add(key)
        logger.log(level, message, *args)
        return True

    def reset(self) -> None:
        """Forget what was logged."""
        self._logged.clear()


class WarnOnce:
    """Warns about each key once, in the log; after a thousand keys, about no further ones."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def __call__(self, key: str, reason: str) -> None:
        """Warn that the value of a key is left out."""
        if key in self._seen or len(self._seen) > _MAX_WARNINGS:
            return
        self._seen.add(key)
        if len(self._seen) > _MAX_WARNINGS:
            logger.warning("More than %d keys are left out of the W&B run: the others are not named.", _MAX_WARNINGS)
        else:
            logger.warning("%r is left out of the W&B run: %s", key, reason)


PROCESS_LOG: Final = OnceLogger()
"""For messages of which a process needs one; what belongs to one experiment has an :class:`OnceLogger` of its own."""
