"""Faults on demand: what goes wrong, with which requests, how often."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from tests.wandb_server.records import Request


@dataclass
class Fault:
    """Something that goes wrong with the requests it matches.

    ```python
    server.faults.add(Fault("file_stream", status=500, times=3))
    server.faults.add(Fault("file_stream", status=429, retry_after=1, times=2))
    server.faults.add(Fault("UpsertBucket", run="slow", delay=5))
    server.faults.add(Fault("file_stream", lose_answer=True, times=1))
    ```

    Args:
        operation: GraphQL operation, `file_stream`, `upload` or `download`; None matches all.
        run: Id of a run; None matches all.
        key: API key; None matches all.
        status: Answer with this HTTP status and do nothing else.
        message: Text of that answer.
        retry_after: Seconds to name in the answer's `Retry-After` header.
        delay: Seconds to wait before anything else.
        drop: Close the connection, neither doing nor answering anything.
        lose_answer: Do what is asked, then close the connection without an answer.
        times: How many requests are hit; None: all from now on.
        skip: How many matching requests pass before the first is hit.

    Attributes:
        hits: How many requests were hit.
    """

    operation: str | None = None
    run: str | None = None
    key: str | None = None
    status: int | None = None
    message: str = "a fault the test asked for"
    retry_after: int | None = None
    delay: float = 0.0
    drop: bool = False
    lose_answer: bool = False
    times: int | None = None
    skip: int = 0
    hits: int = field(default=0, init=False)

    def matches(self, request: Request) -> bool:
        """Whether the fault is meant for this request."""
        return (
            self.operation in (None, request.operation)
            and self.run in (None, request.run)
            and self.key in (None, request.key)
        )


class Faults:
    """The faults in force. May be changed at any time, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        """Put `fault` in force and return it."""
        with self._lock:
            self._faults.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        """End `fault`."""
        with self._lock:
            self._faults.remove(fault)

    def clear(self) -> None:
        """End all faults."""
        with self._lock:
            self._faults.clear()

    def take(self, request: Request) -> Fault | None:
        """The first fault that hits `request`, counted as a hit."""
        with self._lock:
            for fault in self._faults:
                if not fault.matches(request) or fault.hits == fault.times:
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                fault.hits += 1
                return fault
        return None
