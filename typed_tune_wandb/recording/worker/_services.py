"""Which wandb-core processes this worker has started.

wandb has no name for them; it starts wandb-core by ``subprocess.Popen``.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any, Final

from typed_tune_wandb._wandb_internals import is_service_command

_STARTED: Final[list[subprocess.Popen[bytes]]] = []


def watch_services(announce: Callable[[int], None]) -> None:
    """Note every wandb-core that is started in this process from now on.

    Args:
        announce: Called with its process id, so that the driver can kill one that hangs.
    """

    class WatchedPopen(subprocess.Popen):  # type: ignore[type-arg]  # in place of a generic class that anybody may call
        def __init__(self, args: Any, *more: Any, **options: Any) -> None:
            super().__init__(args, *more, **options)
            if is_service_command(args):
                _STARTED.append(self)
                announce(self.pid)

    subprocess.Popen = WatchedPopen  # type: ignore[misc]  # on purpose: this process is ours alone


def has_service_ended() -> bool:
    """Tell whether the wandb-core that was started last is gone."""
    return bool(_STARTED) and _STARTED[-1].poll() is not None
