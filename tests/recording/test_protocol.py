"""What crosses the border between the driver and the worker, and what does not."""

from __future__ import annotations

import contextlib
import enum
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from typed_tune_wandb.recording._protocol import (
    FrameDecoder,
    FrameEncoder,
    GarbledStreamError,
    LogRow,
    OpenRun,
    Progress,
    UnsendableError,
    decode,
    encode,
    is_builtin_row,
    pickled,
    to_builtins,
)


class Stage(enum.IntEnum):
    TRAIN = 1


class Phase(str, enum.Enum):
    WARMUP = "warmup"


class Color(enum.Enum):
    RED = "red"


class Loss(float):
    """A float of the user's."""


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
BUILTINS = (type(None), bool, int, float, str, bytes, list, dict)


def consists_of_builtins(value: object) -> bool:
    """Whether a value and all in it have exactly the types that may cross."""
    if type(value) not in BUILTINS:
        return False
    if isinstance(value, dict):
        return all(consists_of_builtins(item) for pair in value.items() for item in pair)
    return all(map(consists_of_builtins, value)) if isinstance(value, list) else True


@given(row=st.dictionaries(st.text(), PLAIN))
def test_a_message_of_builtins_arrives_as_it_was(row: dict[str, Any]) -> None:
    """Every row of exact builtins, surrogates and large numbers among them, is the same on the other side."""
    message = LogRow("t", 1, 2, 3, row, {"image": b"\0"}, {"lr": 0.1})
    assert message == decode(encode(message))


def test_messages_of_every_length_arrive() -> None:
    """Messages with one field and with many."""
    for message in (Progress(3, (("t", 1, 2, 3, 4),)), OpenRun("t", 1, {"id": "a"}, {"x": b"1"}, earlier_files=("f",))):
        assert message == decode(encode(message))


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (Stage.TRAIN, 1),
        (Phase.WARMUP, "warmup"),
        (Color.RED, "red"),
        (Loss(0.5), 0.5),
        (np.float64(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.longdouble(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.str_("s"), "s"),
        (Path("a"), "a"),
        ((1, Stage.TRAIN), [1, 1]),
        ({Phase.WARMUP: {"x": Loss(2)}}, {"warmup": {"x": 2.0}}),
    ],
)
def test_instances_of_subclasses_cross_as_builtins(value: object, sent: object) -> None:
    """The worker cannot import a user's classes: their plain values cross."""
    converted = to_builtins(value)
    assert sent == converted
    assert consists_of_builtins(converted)


@pytest.mark.parametrize("value", [object(), lambda: 1, threading.Lock(), {"deep": [object()]}])
def test_what_has_no_plain_form_is_refused_with_its_place(value: object) -> None:
    """The error names where it stands and its type, never the value."""
    with pytest.raises(UnsendableError, match="cannot be sent") as error:
        to_builtins(value, "settings.x")
    assert error.value.key.startswith("settings.x")
    assert "0x" not in str(error.value)


def test_what_holds_itself_is_refused() -> None:
    """A list in itself has no end."""
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(UnsendableError, match="holds itself"):
        to_builtins(endless)
    assert not is_builtin_row({"endless": endless})


@pytest.mark.parametrize("value", [Stage.TRAIN, Loss(1), np.float64(1), {1, 2}, [np.int64(1)], {"a": Phase.WARMUP}])
def test_a_row_that_is_not_plain_is_recognised(value: object) -> None:
    """np.float64 is a float, but encoded as it is it would arrive as bytes."""
    assert not is_builtin_row({"loss": 0.5, "value": value})
    assert is_builtin_row({"loss": 0.5, "nested": {"a": [1, None, "x"]}})


def test_what_cannot_be_pickled_is_left_out_alone() -> None:
    """Each value has a pickle of its own."""
    skipped: list[str] = []
    data = pickled({"lock": threading.Lock(), "good": 1}, lambda key, reason: skipped.append(key))
    assert (["good"], ["lock"]) == ([*data], skipped)


@given(contents=st.lists(st.binary()), cuts=st.lists(st.integers(1, 50), min_size=1))
def test_frames_arrive_whole_however_the_pipe_cuts_them(contents: list[bytes], cuts: list[int]) -> None:
    """In their order, each with its sequence number."""
    encoder, decoder = FrameEncoder(), FrameDecoder()
    stream = b"".join(encoder.frame(seq, content) for seq, content in enumerate(contents))
    found: list[tuple[int, bytes]] = []
    position = 0
    while position < len(stream):
        length = cuts[position % len(cuts)]
        found += decoder.feed(stream[position : position + length])
        position += length
    assert [*enumerate(contents)] == found


@given(garbage=st.binary(min_size=64), where=st.integers(0, 2))
def test_garbage_between_frames_is_recognised(garbage: bytes, where: int) -> None:
    """What something else prints into the pipe is no message."""
    encoder = FrameEncoder()
    frames = [encoder.frame(seq, b"content") for seq in range(3)]
    frames.insert(where, garbage)
    with pytest.raises(GarbledStreamError):
        [*FrameDecoder().feed(b"".join(frames))]


@given(position=st.integers(0, 10**6), change=st.integers(1, 255))
def test_a_changed_byte_is_recognised(position: int, change: int) -> None:
    """Whichever it is, nothing wrong is taken for a message."""
    encoder = FrameEncoder()
    stream = bytearray(encoder.frame(7, b"first") + encoder.frame(8, b"second"))
    stream[position % len(stream)] ^= change
    expected = [(7, b"first"), (8, b"second")]
    found: list[tuple[int, bytes]] = []
    with contextlib.suppress(GarbledStreamError):
        for message in FrameDecoder().feed(bytes(stream)):
            found.append(message)
    assert found == expected[: len(found)]
    assert len(found) < 2


@pytest.mark.parametrize("data", [b"", b"\xff", encode(Progress(1, ()))[:-3], b"(\x01\x00\x00\x00i\xff\xff\xff\x00"])
def test_what_is_no_message_is_no_message(data: bytes) -> None:
    """Neither is a type that nobody knows, nor one that is cut."""
    with pytest.raises(GarbledStreamError):
        decode(data)
