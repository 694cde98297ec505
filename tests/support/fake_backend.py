"""A backend in memory: what a worker's manager does with it is seen within milliseconds."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Mapping
from typing import Any

from attrs import Factory, define

from typed_tune_wandb.recording._protocol import (
    BestMarked,
    CheckLogin,
    LoginChecked,
    MarkBest,
    OpenRun,
    SaveCheckpoint,
    SetMediaOptions,
)
from typed_tune_wandb.recording.worker._interface import ServiceLostError


@define(eq=False, slots=False)
class FakeRun:
    """A run whose rows are in a list.

    Attributes:
        refuse: A value that cannot be stored.
        flushed: Steps below it are in its file.
    """

    run_id: str
    calls: list[tuple[Any, ...]]
    name: str = "name"
    url: str | None = None
    path: str = ""
    problem: str | None = None
    next_step: int = 0
    recorded_iteration: int = 0
    persisted_below: int = 0
    refuse: object = object
    service_lost: bool = False
    flushed: int | None = None
    rows: dict[int, dict[str, object]] = Factory(dict)
    config: dict[str, object] = Factory(dict)

    def log(self, values: Mapping[str, object], step: int, *, commit: bool = True) -> None:
        if self.service_lost:
            raise ServiceLostError("gone")
        if self.refuse in values.values():
            raise TypeError("refused")
        self.rows.setdefault(step, {}).update(values)
        if commit:
            self.calls.append((self.run_id, "row", step))

    def update_config(self, values: Mapping[str, object]) -> None:
        if self.refuse in values.values():
            raise TypeError("refused")
        self.config.update(values)

    def update_summary(self, values: Mapping[str, object]) -> None:
        self.calls.append((self.run_id, "summary", dict(values)))

    def save_checkpoint(self, command: SaveCheckpoint, saved: Callable[[], None]) -> None:
        if command.location == "bad":
            raise OSError("bad")
        self.calls.append((self.run_id, "checkpoint", command.location))
        saved()

    def durable_below(self) -> int | None:
        if self.service_lost:
            raise ServiceLostError("gone")
        return self.flushed

    def check_service(self) -> None:
        if self.service_lost:
            raise ServiceLostError("gone")

    def finish(self, exit_code: int) -> str | None:
        self.calls.append((self.run_id, "finish", exit_code))
        return None


@define(eq=False, slots=False)
class FakeBackend:
    """Opens :class:`FakeRun` objects.

    Attributes:
        gates: Run id → an event that its opening waits for.
        prepared: Run id → attributes of the run.
        failing: Run ids that cannot be opened.
    """

    calls: list[tuple[Any, ...]] = Factory(list)
    runs: dict[str, FakeRun] = Factory(dict)
    gates: dict[str, threading.Event] = Factory(dict)
    prepared: dict[str, dict[str, Any]] = Factory(dict)
    failing: set[str] = Factory(set)
    restart_for: set[str] = Factory(set)
    start_error: Exception | None = None

    def start(self) -> None:
        if self.start_error is not None:
            raise self.start_error

    def open_run(self, command: OpenRun, skip: Callable[[str, str], None]) -> FakeRun:
        run_id = str(command.init["id"])
        if run_id in self.gates:
            assert self.gates[run_id].wait(30)
        if run_id in self.failing:
            raise ValueError("cannot be opened")
        self.calls.append((run_id, "open", command.generation))
        run = self.runs[run_id] = FakeRun(run_id, self.calls, **self.prepared.get(run_id, {}))
        return run

    def needs_restart(self, command: OpenRun) -> bool:
        return str(command.init["id"]) in self.restart_for

    def set_media_options(self, command: SetMediaOptions) -> None: ...

    def to_media(self, data: bytes) -> object:
        return pickle.loads(data)

    def check_login(self, command: CheckLogin) -> LoginChecked:
        return LoginChecked("url", None)

    def mark_best(self, command: MarkBest) -> BestMarked:
        return BestMarked(None)

    def stop(self, timeout_s: float) -> bool:
        return True
