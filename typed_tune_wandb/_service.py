"""The end of wandb-core, the process that wandb starts beside every process with runs."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Final

TEARDOWN_TIMEOUT_S: Final = 10.0
"""For what ``run.finish()`` has left to write: it is milliseconds' work, unless uploads never end."""


def teardown() -> None:
    """Call ``wandb.teardown()``, and keep its traceback to ourselves; it waits for wandb-core's end."""
    import wandb

    with suppress(Exception, SystemExit):
        wandb.teardown()


def stop_service(timeout_s: float = TEARDOWN_TIMEOUT_S) -> bool:
    """Let wandb-core write the last of the files and end; whether it has, after at most ``timeout_s`` seconds.

    wandb itself waits without a limit, and wandb-core may never hear that it is to end: not where it has just given up
    a request to a server that is not there (seen in wandb 0.31, one time in ten).
    """
    ending = threading.Thread(target=teardown, daemon=True)
    ending.start()
    ending.join(timeout_s)
    return not ending.is_alive()
