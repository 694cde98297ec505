"""The file through which the worker learns the id of the experiment's sweep."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

RESULT_FILE: Final = "result.json"
TIMEOUT_S: Final = 30.0
"""Longest time, in seconds, that the server has for an answer about a sweep."""
_WAIT_S: Final = 90.0  # the process that asks has to start, and gives up by itself
_POLL_S: Final = 0.05


def wait_for_sweep(file: str) -> str | None:
    """Wait until the experiment's sweep is created; give its id, or None if there is none.

    Args:
        file: The file with the result of a :class:`~typed_tune_wandb.recording.sweep.SweepProcess`.
    """
    deadline = time.monotonic() + _WAIT_S
    while time.monotonic() < deadline and Path(file).parent.is_dir():
        with suppress(OSError):
            found = json.loads(Path(file).read_text("utf-8")).get("id")
            return None if found is None else str(found)
        time.sleep(_POLL_S)
    return None
