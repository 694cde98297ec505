"""When a worker must be replaced because it hangs, and how often one may be. Knows no processes and no threads."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from typing import Final

from typed_tune_wandb._wandb_internals import FLUSH_SETTING, flushes_rows
from typed_tune_wandb.recording._events import EventHandler
from typed_tune_wandb.recording._sender import CommandSender

MAX_RESTARTS: Final = 5
RESTART_WINDOW_S: Final = 30.0
"""A worker that dies more than MAX_RESTARTS times within RESTART_WINDOW_S is not replaced any more."""
WATCHDOG_TIMEOUT_S: Final = 60.0
"""A worker that takes no command, or makes no row durable, for so long is killed and replaced."""
DEFAULT_INIT_TIMEOUT_S: Final = 90.0
"""That of ``wandb.Settings``."""
_START_TIMEOUT_S: Final = 120.0  # wandb is imported, perhaps from a slow disk


class Watchdog:
    """Tells whether a worker hangs. Not thread-safe: its owner holds a lock.

    Args:
        events: What the worker has answered.
        sender: What it was sent.
    """

    def __init__(self, events: EventHandler, sender: CommandSender) -> None:
        self.flush_interval_s = 0.0
        """The longest interval, in seconds, at which a run's file is written."""
        self.init_timeout_s = DEFAULT_INIT_TIMEOUT_S
        """The longest time, in seconds, after which wandb gives up to open a run."""
        self._flushes_rows = flushes_rows()
        self._events, self._sender = events, sender

    def allow_for(self, settings: Mapping[str, object]) -> None:
        """Wait as long as a run's own settings may take.

        Args:
            settings: Arguments of ``wandb.Settings``.
        """
        interval, timeout = settings.get(FLUSH_SETTING), settings.get("init_timeout")
        if isinstance(interval, (int, float)):
            self.flush_interval_s = max(self.flush_interval_s, interval)
        if isinstance(timeout, (int, float)):
            self.init_timeout_s = max(self.init_timeout_s, timeout)

    def hangs(self, started_s: float) -> str:
        """Give the reason why the worker must be replaced; empty if it need not be.

        Args:
            started_s: When it was started; monotonic.
        """
        now, events = time.monotonic(), self._events
        if not events.ready:
            return f"it was not ready after {_START_TIMEOUT_S:.0f} s" if now > started_s + _START_TIMEOUT_S else ""
        if events.taken >= self._sender.last_written:
            events.taken_s = now
        elif now > events.taken_s + WATCHDOG_TIMEOUT_S:
            return f"it has taken no command for {WATCHDOG_TIMEOUT_S:.0f} s"
        longest_wait_s = WATCHDOG_TIMEOUT_S + self.flush_interval_s
        if events.table.longest_wait_s(for_rows=self._flushes_rows) > longest_wait_s:
            return f"its rows have not reached a file for {longest_wait_s:.0f} s"
        longest_opening_s = WATCHDOG_TIMEOUT_S + self.init_timeout_s
        if events.table.longest_opening_s() > longest_opening_s:
            return f"it has opened no run for {longest_opening_s:.0f} s"
        return ""


class RestartBudget:
    """Counts replacements of workers that have died: at most MAX_RESTARTS within RESTART_WINDOW_S.

    Example:
        >>> from typed_tune_wandb.recording._watchdog import RestartBudget
        >>> budget = RestartBudget()
        >>> [budget.spend(now_s) for now_s in (0, 1, 2, 3, 4, 5, 31)]
        [True, True, True, True, True, False, True]
    """

    def __init__(self) -> None:
        self._restarts: deque[float] = deque()

    def spend(self, now_s: float) -> bool:
        """Count a replacement; tell whether it is within the budget."""
        while self._restarts and self._restarts[0] < now_s - RESTART_WINDOW_S:
            self._restarts.popleft()
        if len(self._restarts) >= MAX_RESTARTS:
            return False
        self._restarts.append(now_s)
        return True

    def clear(self) -> None:
        """Forget all replacements: another experiment begins."""
        self._restarts.clear()
