"""The HTTP side: a W&B server on 127.0.0.1 that a test starts, asks and disturbs."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import re
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import unquote

from tests.wandb_server.backend import Backend
from tests.wandb_server.faults import Fault, Faults
from tests.wandb_server.records import ArtifactVersion, JsonObject, NotFoundError, Request, ServerRun
from tests.wandb_server.sweeps import ServerSweep

FILE_STREAM = re.compile(r"/files/([^/]+)/([^/]+)/([^/]+)/file_stream")
OPERATION = re.compile(r"(?:query|mutation)\s+(\w+)")
# W&B answers these to everyone, logged in or not.
OPEN_TO_ALL = {"Viewer", "ServerFeaturesQuery"}
# Elsewhere `name` is the name of something else.
NAMES_A_RUN = {"UpsertBucket", "RunResumeStatus"}
SHORTEST_KEY = 40


class WandbServer:
    """A W&B server in memory, listening on 127.0.0.1.

    ```python
    with WandbServer() as server:
        ...  # run the wandb client with WANDB_BASE_URL=server.url
        assert [{"loss": 1.0}] == server.runs["my-run"].history
    ```

    Args:
        entity: Entity of the user whom every key belongs to.
        port: Port to listen on; 0: a free one.

    Attributes:
        faults: What shall go wrong.
        accepted_keys: The only API keys to accept; None: every key of 40 or more characters.
        refused_keys: API keys to refuse although they would be accepted.
        requests: All requests, in the order of their arrival.
        unknown_operations: GraphQL operations that were asked for and that the server lacks.
        errors: Tracebacks of the server's own mistakes.
    """

    def __init__(self, entity: str = "test-entity", port: int = 0) -> None:
        self.faults = Faults()
        self.accepted_keys: set[str] | None = None
        self.refused_keys: set[str] = set()
        self.requests: list[Request] = []
        self.unknown_operations: list[str] = []
        self.errors: list[str] = []
        self._lock = threading.Lock()
        self._backend = Backend(entity, url=lambda: self.url)
        self._listener: _Listener | None = _Listener(self, port)
        self._port = self._listener.server_port

    def __enter__(self) -> WandbServer:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The server's address, for `WANDB_BASE_URL`."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def runs(self) -> dict[str, ServerRun]:
        """All runs by id.

        Raises:
            ValueError: Runs of two projects or entities share an id; see `all_runs`.
        """
        runs = {run.id: run for run in self.all_runs}
        if len(runs) < len(self.all_runs):
            raise ValueError("two projects have a run of the same id: take all_runs")
        return runs

    @property
    def all_runs(self) -> list[ServerRun]:
        """All runs in the order of their creation."""
        return list(self._backend.runs.values())

    @property
    def artifacts(self) -> dict[str, list[ArtifactVersion]]:
        """The versions of all artifacts by the artifact's name.

        Raises:
            ValueError: Two projects have an artifact of the same name; see `all_artifacts`.
        """
        named: dict[str, list[ArtifactVersion]] = {}
        for version in self.all_artifacts:
            known = named.setdefault(version.name, [])
            if known and known[0].project != version.project:
                raise ValueError("two projects have an artifact of the same name: take all_artifacts")
            known.append(version)
        return named

    @property
    def all_artifacts(self) -> list[ArtifactVersion]:
        """The versions of all artifacts in the order of their creation."""
        return self._backend.artifacts.versions.copy()

    @property
    def sweeps(self) -> list[ServerSweep]:
        """All sweeps in the order of their creation."""
        return self._backend.sweeps.sweeps.copy()

    @property
    def keys_seen(self) -> set[str]:
        """All API keys that came with requests."""
        return {request.key for request in self.requests.copy() if request.key}

    def requests_for(self, operation: str, run: str | None = None) -> list[Request]:
        """The requests for one operation, of one run or of all."""
        return [
            request for request in self.requests.copy() if request.operation == operation and run in (None, request.run)
        ]

    def wait_until(self, condition: Callable[[], Any], timeout: float = 20.0) -> None:
        """Wait until `condition()` holds.

        Raises:
            TimeoutError: It does not, after `timeout` seconds.
        """
        end = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"not so after {timeout} s; runs: {self.all_runs}")
            time.sleep(0.02)

    def go_down(self) -> None:
        """Stop listening and cut all connections; what was received is kept."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def come_back(self) -> None:
        """Listen again, on the same port."""
        if self._listener is None:
            self._listener = _Listener(self, self._port)

    def go_down_for(self, seconds: float) -> None:
        """Go down now and come back after `seconds`, without waiting for that."""
        self.go_down()
        timer = threading.Timer(seconds, self.come_back)
        timer.daemon = True
        timer.start()

    def close(self) -> None:
        """Stop for good. What was received can still be read."""
        self.go_down()

    def accepts(self, key: str | None) -> bool:
        """Whether this API key may do things."""
        if key is None or key in self.refused_keys:
            return False
        if self.accepted_keys is not None:
            return key in self.accepted_keys
        return len(key.rpartition("-")[2]) >= SHORTEST_KEY

    def _answer(self, request: Request, content: bytes) -> tuple[int, bytes | JsonObject]:
        """Do what `request` asks for; returns HTTP status and body."""
        if request.operation == "file_stream":
            if not self.accepts(request.key):
                return 401, {"error": "user is not logged in"}
            return 200, self._backend.file_stream(*_stream_of(request.path), request.variables)
        if request.operation == "upload":
            self._backend.upload(request.path, content)
            return 200, b""
        if request.operation == "download":
            return 200, self._backend.download(request.path)
        if not self._backend.knows(request.operation):
            self.unknown_operations.append(request.operation or request.path)
            return 400, _graphql_error(request, f"unknown operation {request.operation!r}")
        if not self.accepts(request.key):
            if request.operation == "Viewer":
                return 200, {"data": {"viewer": None}}
            if request.operation not in OPEN_TO_ALL:
                return 401, _graphql_error(request, "user is not logged in")
        return 200, {"data": self._backend.execute(request.operation, request.variables)}

    def _receive(self, request: Request, content: bytes) -> tuple[int, bytes | JsonObject]:
        with self._lock:
            try:
                return self._answer(request, content)
            except NotFoundError as error:
                return 404, _graphql_error(request, str(error))
            except Exception:
                self.errors.append(traceback.format_exc())
                return 500, _graphql_error(request, "a mistake in the test server: see its errors")


class _Listener(ThreadingHTTPServer):
    """One time of listening, from start or come_back to go_down or close."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, server: WandbServer, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.wandb_server = server
        self.closing = threading.Event()
        self._connections: set[socket.socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep what went wrong, but for clients that went away in the middle of a request."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            self.wandb_server.errors.append(traceback.format_exc())

    def close(self) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()
        for connection in self._connections.copy():
            _cut(connection)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body go out in one packet: no waiting for delayed acknowledgements.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        self._handle()

    def do_PUT(self) -> None:
        self._handle()

    def do_GET(self) -> None:
        self._handle()

    def log_message(self, format: str, *args: Any) -> None:
        """The server keeps its own log: `requests`."""

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        content = self.rfile.read(length)
        if len(content) < length:
            raise ConnectionAbortedError("the client went away in the middle of a request")
        if self.headers.get("Content-Encoding") == "gzip":
            content = gzip.decompress(content)
        request = _read(self.command, self.path, self.headers.get("Authorization"), content)
        listener = self.server
        assert isinstance(listener, _Listener)
        server = listener.wandb_server
        server.requests.append(request)

        fault = server.faults.take(request) or Fault()
        if listener.closing.wait(fault.delay) or fault.drop:
            self._hang_up()
            return
        if fault.status is None:
            status, body = server._receive(request, content)
        else:
            status, body = fault.status, _refusal(request, fault)
        if fault.lose_answer:
            self._hang_up()
            return
        request.status = status
        self._send(status, body, fault.retry_after)

    def _send(self, status: int, body: bytes | JsonObject, retry_after: int | None) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if retry_after is not None:
            self.send_header("Retry-After", str(retry_after))
        self.end_headers()
        self.wfile.write(content)

    def _hang_up(self) -> None:
        self.close_connection = True
        _cut(self.connection)


def _read(method: str, path: str, authorization: str | None, content: bytes) -> Request:
    request = Request(time.time(), method, path, operation="", key=_key_in(authorization))
    if FILE_STREAM.fullmatch(path):
        request.operation = "file_stream"
        request.variables = json.loads(content)
        request.run = _stream_of(path)[2]
    elif path.startswith("/storage/"):
        request.operation = "upload" if method == "PUT" else "download"
        parts = [unquote(part) for part in path.split("/")]
        request.run = parts[5] if parts[2] == "run" else None
    elif path == "/graphql":
        asked = json.loads(content)
        named = OPERATION.search(asked["query"])
        # The check of a login has no name in older clients.
        request.operation = asked.get("operationName") or (named[1] if named else "Viewer")
        request.variables = asked.get("variables") or {}
        variables = request.variables | (request.variables.get("input") or {})
        field = "name" if request.operation in NAMES_A_RUN else "runName"
        request.run = variables.get(field) or variables.get("run")
    return request


def _key_in(authorization: str | None) -> str | None:
    scheme, _, credentials = (authorization or "").partition(" ")
    if scheme == "Basic":
        return base64.b64decode(credentials).decode().partition(":")[2]
    return credentials or None


def _stream_of(path: str) -> tuple[str, str, str]:
    entity, project, run = path.split("/")[2:5]
    return unquote(entity), unquote(project), unquote(run)


def _refusal(request: Request, fault: Fault) -> bytes | JsonObject:
    if request.path == "/graphql":
        return _graphql_error(request, fault.message)
    return {"error": fault.message}


def _graphql_error(request: Request, message: str) -> JsonObject:
    field = request.operation[:1].lower() + request.operation[1:]
    return {"data": {field: None}, "errors": [{"message": message, "path": [field]}]}


def _cut(connection: socket.socket) -> None:
    # The client may have been faster.
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
