"""Messages between Tune's driver and the recorder's worker process, and how they cross the pipes.

Commands go to the worker, events come back. Each is encoded to bytes before a pipe is touched, and only exact builtins
cross: None, bool, int, float, str, bytes, and lists, tuples and dicts of them. Whatever else belongs to a message (W&B
media, arguments of ``wandb.Settings``) is a pickle of its own, so that one value that cannot be read costs that value.
"""

from __future__ import annotations

import marshal
import os
import pickle
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from operator import attrgetter
from typing import Any, Final, TypeAlias, TypeVar, cast, get_args

import attrs
from attrs import Factory, define, field, frozen

EXIT_INTERRUPTED: Final = 130
"""Exit code of a run whose trial neither finished nor failed: 128 + SIGINT, as shells count."""
EXIT_SERVICE_LOST: Final = 70
"""The worker ended because wandb-core was gone; EX_SOFTWARE."""
EXIT_RESTART: Final = 75
"""The worker ended in order to be replaced, because wandb allows no other way; EX_TEMPFAIL."""
EXIT_PROTOCOL: Final = 76
"""The worker could not read its commands; EX_PROTOCOL."""

PROTOCOL_VERSION: Final = 1
MAX_FRAME_BYTES: Final = 2**30


# --- commands ---------------------------------------------------------------------------------------------------------


@frozen
class OpenRun:
    """Open the run of a trial.

    Attributes:
        trial_id: Tune's id of the trial.
        generation: Number of this opening; events of an earlier one are out of date.
        init: Arguments of ``wandb.init``.
        settings: Arguments of ``wandb.Settings``, each pickled; the API key may be among them.
        next_step: Lowest step that the next row may have.
        recorded_iteration: Rows up to this ``training_iteration`` were recorded before: they are not recorded again.
        rows: Rows that this opening has already recorded.
        handled: Rows of this opening that were recorded or passed over.
        earlier_files: Local files of workers that died over this run. Which of the rows that follow are in them, or on
            the server, the new worker has to find out.
        restored: Whether an earlier session may have recorded rows of this run.
        step_metric: The metric that all others are drawn over; ``training_iteration`` if it is empty.
        sweep_file: Where the id of the run's sweep will be; ``""`` if it has none, or the id is among the settings.
        aggregates: Metric → ``"max"`` or ``"min"``: what of it the run's summary has.
    """

    trial_id: str
    generation: int
    init: dict[str, Any]
    settings: dict[str, bytes] = field(factory=dict, repr=False)
    next_step: int = 0
    recorded_iteration: int = 0
    rows: int = 0
    handled: int = 0
    earlier_files: tuple[str, ...] = ()
    restored: bool = False
    step_metric: str = ""
    sweep_file: str = ""
    aggregates: dict[str, str] = field(factory=dict)


@frozen
class LogRow:
    """Record one row.

    Attributes:
        trial_id: Tune's id of the trial.
        generation: Number of the run's opening.
        step: Lowest step that the row may have.
        iteration: The row's ``training_iteration``, or 0.
        row: Metrics.
        media: Key → pickled W&B value or array.
        config: Values of the run's config that changed with the row.
    """

    trial_id: str
    generation: int
    step: int
    iteration: int
    row: dict[str, object]
    media: dict[str, bytes] = Factory(dict)
    config: dict[str, object] = Factory(dict)


@frozen
class UpdateConfig:
    """Change values in a run's config."""

    trial_id: str
    generation: int
    config: dict[str, object]


@frozen
class SaveCheckpoint:
    """Upload a checkpoint as a version of an artifact of type ``model``.

    Attributes:
        trial_id: Tune's id of the trial.
        generation: Number of the run's opening.
        artifact_name: Name of the artifact.
        location: Local folder, or URI that becomes a reference.
        aliases: Aliases of the version.
        metadata: Metrics of the result it belongs to.
        snapshot: Whether ``location`` is a copy that is removed after the upload.
    """

    trial_id: str
    generation: int
    artifact_name: str
    location: str
    aliases: tuple[str, ...]
    metadata: dict[str, object]
    snapshot: bool = False
    keep: int = 0
    score: float = 0.0


@frozen
class FinishRun:
    """End the run of a trial.

    Attributes:
        trial_id: Tune's id of the trial.
        generation: Number of the run's opening.
        exit_code: Its exit code.
        summary: Values of its summary that are set before.
    """

    trial_id: str
    generation: int
    exit_code: int
    summary: dict[str, object] = Factory(dict)


@frozen
class CheckLogin:
    """Ask the server whether it accepts the API key.

    Attributes:
        key: The key, or None for the one that wandb finds by itself.
        base_url: The server, or None for wandb's own choice.
        timeout_s: Longest wait, in whole seconds.
    """

    key: str | None = field(repr=False)
    base_url: str | None
    timeout_s: int


@frozen
class SetMediaOptions:
    """Set how arrays become media: pickled arguments of ``wandb.Image`` and ``wandb.Video``."""

    image_kwargs: dict[str, bytes]
    video_kwargs: dict[str, bytes]


@frozen
class MarkBest:
    """Tag the run of the experiment's best trial ``best``, and its best checkpoint ``best-of-experiment``.

    Attributes:
        key: The API key, or None for the one that wandb finds by itself.
        base_url: The server, or None for wandb's own choice.
        run: The run's entity, project and id, with slashes between.
        artifact: The artifact of its checkpoints, or ``""``.
        others: The same of runs that may be marked and are not the best any more: run → artifact.
        timeout_s: Longest wait for an answer of the server, in whole seconds.
    """

    key: str | None = field(repr=False)
    base_url: str | None
    run: str
    artifact: str
    others: dict[str, str]
    timeout_s: int


# --- events -----------------------------------------------------------------------------------------------------------


@frozen
class WorkerReady:
    """The worker reads commands from now on."""


@frozen
class ServiceStarted:
    """The worker has started a wandb-core, whose process id is ``pid``."""

    pid: int


@frozen
class RunOpened:
    """A run is open.

    Attributes:
        trial_id: Tune's id of the trial.
        generation: Number of the opening.
        run_id: The run's id.
        name: Its display name.
        url: Its page, or None offline.
        path: Its local file, or ``""`` if it has none.
        next_step: Lowest step that its next row may have.
        recorded_iteration: Rows up to this ``training_iteration`` are not recorded again.
        problem: Why it is recorded offline although it should be online; or None.
    """

    trial_id: str
    generation: int
    run_id: str
    name: str
    url: str | None
    path: str
    next_step: int
    recorded_iteration: int
    problem: str | None = None


@frozen
class RunFailed:
    """A run could not be opened, or is lost."""

    trial_id: str
    generation: int
    reason: str


@frozen
class RunFinished:
    """A run has ended: its rows are uploaded, or in its local file."""

    trial_id: str
    generation: int
    problem: str | None = None


@frozen
class CheckpointSaved:
    """A checkpoint is uploaded, or its artifact is in the local file of an offline run."""

    trial_id: str
    generation: int
    location: str


@frozen
class Progress:
    """How far the worker is.

    Attributes:
        taken: Sequence number of the last command that the worker has taken from the pipe.
        runs: For every run that moved on: Tune's id of the trial, the generation of the opening, the number of rows
            recorded, of rows recorded or passed over, and of those that are in the run's local file, so that no crash
            loses them.
    """

    taken: int
    runs: tuple[tuple[str, int, int, int, int], ...]


@frozen
class ValueSkipped:
    """One value could not be stored."""

    trial_id: str
    key: str
    reason: str


@frozen
class DiskFull:
    """No space is left below a folder: the worker ends, and its replacement records elsewhere."""

    folder: str


@frozen
class LoginChecked:
    """The answer to :class:`CheckLogin`: ``problem`` is None if the server accepts the key."""

    url: str
    problem: str | None


@frozen
class BestMarked:
    """The answer to :class:`MarkBest`: ``problem`` is None if it is done."""

    problem: str | None


RunCommand: TypeAlias = OpenRun | LogRow | UpdateConfig | SaveCheckpoint | FinishRun
Command: TypeAlias = RunCommand | SetMediaOptions | CheckLogin | MarkBest
RunEvent: TypeAlias = RunOpened | RunFailed | RunFinished | CheckpointSaved
WorkerEvent: TypeAlias = WorkerReady | ServiceStarted | Progress | ValueSkipped | DiskFull | LoginChecked | BestMarked
Event: TypeAlias = RunEvent | WorkerEvent
Message: TypeAlias = Command | Event

M = TypeVar("M", Command, Event)


# --- encoding ---------------------------------------------------------------------------------------------------------


class UnsendableError(ValueError):
    """A value cannot cross to the other process; the text names its type, never the value.

    Attributes:
        key: Where it stands in the message.
    """

    def __init__(self, key: str, reason: str) -> None:
        self.key, self.reason = key, reason
        super().__init__(f"{key}: {reason}")


# The base class' own conversions: a subclass may have others.
_OF_SUBCLASS: Final[Mapping[type, Callable[[Any], Any]]] = {
    int: int.__int__,
    float: float.__float__,
    str: str.__str__,
    bytes: lambda value: bytes(memoryview(value)),
}
MAX_ITEMS: Final = 1_000_000
"""Items of one value that are sent; lists that hold the same list again and again come to more."""
_MARSHAL_VERSION: Final = 2
"""Binary floats, and no table of the objects that were seen: a row has hardly two alike, and takes less time."""
_TEXT: Final = frozenset({str})
_PLAIN: Final = frozenset({type(None), bool, int, float, str, bytes})
_TYPES: Final[tuple[type[Any], ...]] = (*get_args(Command), *get_args(Event))
_CODES: Final = {cls: code for code, cls in enumerate(_TYPES)}


_KEY_SEPARATOR: Final = "\0"
_MAX_KEY_SETS: Final = 1_000
_KEY_SETS: Final[dict[str, list[str]]] = {}
"""The keys of rows by their joined text: a run has the same in nearly every row, and so they are read once."""


def _pack_row(row: dict[str, object]) -> object:
    """Return a row with its keys as one text, unless a key has the separator in it."""
    keys = _KEY_SEPARATOR.join(row)
    return (keys, tuple(row.values())) if keys.count(_KEY_SEPARATOR) == len(row) - 1 else row


def _unpack_row(packed: Any) -> dict[str, object]:
    if type(packed) is dict:
        return packed
    joined, values = packed
    keys = _KEY_SETS.get(joined)
    if keys is None:
        if len(_KEY_SETS) >= _MAX_KEY_SETS:
            _KEY_SETS.clear()
        keys = _KEY_SETS[joined] = joined.split(_KEY_SEPARATOR)
    return dict(zip(keys, values, strict=True))


def _fields_of_row(row: LogRow) -> tuple[Any, ...]:
    packed = _pack_row(row.row)
    return row.trial_id, row.generation, row.step, row.iteration, packed, row.media, row.config


def _row_of(trial_id: str, generation: int, step: int, iteration: int, packed: object, *more: Any) -> LogRow:
    return LogRow(trial_id, generation, step, iteration, _unpack_row(packed), *more)


def _fields_of(cls: type[Any]) -> Callable[[Any], tuple[Any, ...]]:
    names = [attribute.name for attribute in attrs.fields(cls)]
    if len(names) < 2:
        return lambda message: tuple(getattr(message, name) for name in names)
    return attrgetter(*names)


_FIELDS: Final[dict[type[Any], Callable[[Any], tuple[Any, ...]]]] = {cls: _fields_of(cls) for cls in _TYPES}
_FIELDS[LogRow] = _fields_of_row
_MAKERS: Final[list[Callable[..., Any]]] = [_row_of if cls is LogRow else cls for cls in _TYPES]


def encode(message: Message) -> bytes:
    """Encode a message whose values are exact builtins.

    Raises:
        UnsendableError: A value in it is none.

    Example:
        >>> from typed_tune_wandb.recording._protocol import LogRow, decode, encode
        >>> decode(encode(LogRow("t", 1, 5, 5, {"loss": 0.5}))).row
        {'loss': 0.5}
    """
    cls = type(message)
    try:
        data = marshal.dumps((_CODES[cls], *_FIELDS[cls](message)), _MARSHAL_VERSION)
    except ValueError as error:
        raise UnsendableError(cls.__name__, f"it holds a value that cannot be sent ({error}).") from None
    if len(data) > MAX_FRAME_BYTES:
        raise UnsendableError(cls.__name__, f"it has {len(data)} bytes, at most {MAX_FRAME_BYTES} can be sent.")
    return data


def decode(data: bytes) -> Any:
    """Decode a message.

    Raises:
        GarbledStreamError: The bytes are no message.
    """
    try:
        code, *values = marshal.loads(data)
        return _MAKERS[code](*values)
    except (ValueError, TypeError, EOFError, IndexError) as error:
        raise GarbledStreamError(f"a message cannot be read ({type(error).__name__})") from None


def to_builtins(value: object, key: str = "") -> Any:
    """Convert a value to exact builtins.

    Args:
        value: Builtins, instances of their subclasses, enumerations, paths, NumPy numbers, lists and dicts of them.
        key: Where the value stands, for the error.

    Raises:
        UnsendableError: It has no such form, is nested deeper than 64 levels, or holds more than a million items.

    Example:
        >>> from pathlib import PurePosixPath
        >>> from typed_tune_wandb.recording._protocol import to_builtins
        >>> to_builtins({"dir": PurePosixPath("/data"), "tags": ("a", "b")})
        {'dir': '/data', 'tags': ['a', 'b']}
    """
    return _Conversion().convert(value, key, 0)


@define
class _Conversion:
    _items: int = 0

    def convert(self, value: object, key: str, depth: int) -> Any:
        if type(value) in _PLAIN:
            return value
        self._items += 1
        if depth > 64:
            raise UnsendableError(key, "it is nested too deeply, or holds itself.")
        if self._items > MAX_ITEMS:
            raise UnsendableError(key, "it holds too many items.")
        for cls, convert in _OF_SUBCLASS.items():
            if isinstance(value, cls):
                return convert(cast("Any", value))
        if isinstance(value, Enum):
            return self.convert(value.value, key, depth + 1)
        if isinstance(value, os.PathLike):
            return self.convert(os.fspath(value), key, depth + 1)
        if isinstance(value, Mapping):
            pairs = ((self.convert(name, key, depth + 1), name, item) for name, item in value.items())
            return {
                new: self.convert(item, f"{key}.{name}" if key else str(name), depth + 1) for new, name, item in pairs
            }
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.convert(item, key, depth + 1) for item in value]
        if getattr(value, "shape", None) == () and callable(item := getattr(value, "item", None)):
            number = item()  # a NumPy number; the item of a longdouble is a longdouble again
            same = type(number) is type(value)
            return float(cast("Any", number)) if same else self.convert(number, key, depth + 1)
        raise UnsendableError(key, f"a {type(value).__module__}.{type(value).__qualname__} cannot be sent.")


def is_builtin_row(row: Mapping[str, object]) -> bool:
    """Tell whether a row consists of exact builtins; quick where it is flat, as nearly every row is."""
    if not _TEXT.issuperset(map(type, row)):
        return False
    return _PLAIN.issuperset(map(type, row.values())) or _are_builtins(row.values())


def _are_builtins(values: Iterable[object]) -> bool:
    """Tell whether values, and all in them, are exact builtins; False, too, where they are very many."""
    waiting, count = [*values], 0
    while waiting:
        value = waiting.pop()
        count += 1
        if count > MAX_ITEMS:
            return False
        if type(value) in (list, tuple):
            waiting += cast("list[object]", value)
        elif type(value) is dict:
            waiting += [*value, *value.values()]
        elif type(value) not in _PLAIN:
            return False
    return True


def pickled(values: Mapping[str, object], skip: Callable[[str, str], None]) -> dict[str, bytes]:
    """Pickle each value by itself; one that cannot be pickled is left out.

    Args:
        values: Values by key.
        skip: Called with the key and the reason where a value is left out.
    """
    data: dict[str, bytes] = {}
    for key, value in values.items():
        try:
            data[str.__str__(key)] = pickle.dumps(value, protocol=5)
        except Exception as error:  # whatever a foreign __reduce__ raises
            skip(key, f"it cannot be sent to the recorder's process ({type(error).__name__}).")
    return data


# --- frames -----------------------------------------------------------------------------------------------------------


class GarbledStreamError(Exception):
    """What came through a pipe is no sequence of frames."""


_HEADER: Final = struct.Struct(">BIQII")  # version, number of the frame, sequence number, length, checksum


def _checksum(number: int, seq: int, data: bytes) -> int:
    """Return a CRC-32 of a frame's content, begun with its numbers, so that it tells of a change in them too."""
    return zlib.crc32(data, (number ^ seq ^ seq >> 32) & 0xFFFFFFFF)


@define
class FrameEncoder:
    """Puts a header before each message of one connection."""

    _number: int = 0

    def frame(self, seq: int, data: bytes) -> bytes:
        """Frame an encoded message.

        Args:
            seq: The message's own number: it stays the same when the message is sent again.
            data: The encoded message.
        """
        self._number = number = (self._number + 1) & 0xFFFFFFFF
        return _HEADER.pack(PROTOCOL_VERSION, number, seq, len(data), _checksum(number, seq, data)) + data


@define
class FrameDecoder:
    """Finds the messages in what comes through one connection.

    Example:
        >>> from typed_tune_wandb.recording._protocol import FrameDecoder, FrameEncoder
        >>> decoder = FrameDecoder()
        >>> frame = FrameEncoder().frame(7, b"data")
        >>> [*decoder.feed(frame[:5])], [*decoder.feed(frame[5:])]
        ([], [(7, b'data')])
    """

    _number: int = 0
    _buffer: bytearray = Factory(bytearray)
    _start: int = 0

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield sequence number and content of every message that is complete.

        A caller that stops in the middle gets the rest with the next call.

        Raises:
            GarbledStreamError: The bytes are no frame, or one is missing.
        """
        buffer = self._buffer
        del buffer[: self._start]
        buffer += data
        self._start = 0
        while len(buffer) - self._start >= _HEADER.size:
            version, number, seq, length, checksum = _HEADER.unpack_from(buffer, self._start)
            if version != PROTOCOL_VERSION or number != (self._number + 1) & 0xFFFFFFFF or length > MAX_FRAME_BYTES:
                raise GarbledStreamError("what came through the pipe is no frame")
            start = self._start + _HEADER.size
            if len(buffer) < start + length:
                break
            content = bytes(memoryview(buffer)[start : start + length])
            if _checksum(number, seq, content) != checksum:
                raise GarbledStreamError("a frame was changed on its way")
            self._number, self._start = number, start + length
            yield seq, content
