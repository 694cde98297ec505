"""The worker's run manager on a backend in memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from tests.support.fake_backend import FakeBackend
from typed_tune_wandb.recording._protocol import Event, LogRow, OpenRun, RunOpened
from typed_tune_wandb.recording.worker._manager import RunManager

E = TypeVar("E")


class ProcessExitError(BaseException):
    """Stands for the end of the process."""


class Worker:
    """A manager with a fake backend, and the events that it has sent."""

    def __init__(self, **options: Any) -> None:
        self.backend = FakeBackend()
        self.events: list[Event] = []
        self.exit_codes: list[int] = []
        self.handling: list[tuple[int, int]] = []
        note = lambda slot, seq: self.handling.append((slot, seq))  # noqa: E731
        self.manager = RunManager(self.backend, self.events.append, self._exit, note, **options)
        self.seq = 0

    def _exit(self, code: int) -> NoReturn:
        self.exit_codes.append(code)
        raise ProcessExitError

    def do(self, *commands: Any) -> None:
        for command in commands:
            self.seq += 1
            self.manager.handle(self.seq, command)

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    def until(self, condition: Callable[[], Any]) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline, self.events
            time.sleep(0.001)

    def opened(self, name: str = "t", **options: Any) -> None:
        self.do(opening(name, **options))
        self.until(lambda: any(event.trial_id == name for event in self.of(RunOpened)))
        self.until(lambda: not self.manager._runs[name].busy)


def opening(name: str = "t", generation: int = 1, **more: Any) -> OpenRun:
    return OpenRun(name, generation, {"id": name}, **more)


def row(number: int, name: str = "t", **more: Any) -> LogRow:
    return LogRow(name, 1, number, number, {"loss": number}, **more)
