"""Which Ray and wandb this release was tested with; newer ones are taken, too."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from importlib.metadata import version
from typing import Final

from typed_tune_wandb._logging import PROCESS_LOG

NEWEST_TESTED: Final[Mapping[str, str]] = {"ray": "2.60", "wandb": "0.31"}
"""The newest minor releases that the tests have run with."""

logger = logging.getLogger(__name__)


def log_newer_versions() -> None:
    """Log a line, once in a process, if Ray or wandb is newer than what this release was tested with."""
    installed = {name: version(name) for name in NEWEST_TESTED}
    newer = [name for name, text in installed.items() if _minor(text) > _minor(NEWEST_TESTED[name])]
    if newer:
        PROCESS_LOG.log(
            logger,
            logging.INFO,
            "%s: newer than what typed-tune-wandb was tested with (%s). If something is amiss, try that first, or a "
            "release of docs/compatibility.md.",
            " and ".join(f"{name} {installed[name]}" for name in newer),
            ", ".join(f"{name} {NEWEST_TESTED[name]}" for name in newer),
        )


def _minor(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])
