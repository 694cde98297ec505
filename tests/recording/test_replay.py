"""What a replacement worker gets: nothing that is durable, and everything that may not be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from typed_tune_wandb.recording._protocol import (
    Command,
    FinishRun,
    LogRow,
    OpenRun,
    SaveCheckpoint,
    UnsendableError,
    UpdateConfig,
    decode,
)
from typed_tune_wandb.recording._replay import ReplayLog


def opening(generation: int = 1, **more: Any) -> OpenRun:
    return OpenRun("t", generation, {"id": "t", **more.pop("init", {})}, **more)


def row(number: int, generation: int = 1, **more: Any) -> LogRow:
    return LogRow("t", generation, number, number, {"loss": number}, **more)


def filled(*commands: Any, **options: Any) -> ReplayLog:
    log = ReplayLog(**options)
    for command in commands:
        log.add(command)
    return log


def written(log: ReplayLog) -> ReplayLog:
    """The log, all of whose commands a worker may have seen."""
    for entry in log.replay({}):
        entry.written = True
    return log


def replayed(log: ReplayLog, folder: str | None = None) -> list[Command]:
    found = []
    for entry in log.replay({"t": ("file",)}, folder):
        data = entry.data if entry.data is not None else log.content(entry)
        assert data is not None
        found.append(decode(data))
    return found


def test_all_is_replayed_before_anything_is_durable() -> None:
    """In its order, as it was; a run that a worker may have opened is only continued."""
    commands = [opening(init={"fork_from": "a?_step=1"}), row(1), FinishRun("t", 1, 0)]
    log = filled(*commands)
    assert commands == replayed(log)
    first, *rest = replayed(written(log))
    assert OpenRun("t", 1, {"id": "t", "resume": "allow"}, earlier_files=("file",)) == first
    assert commands[1:] == rest


def test_durable_rows_are_not_replayed_and_the_steps_go_on() -> None:
    """Steps are counted as the worker counts them, also where the iteration falls back."""
    log = filled(opening(), row(5), row(3), row(4), row(9))
    log.ack_open("t", 1, 0, 0)
    log.ack_rows("t", 1, 2)
    first, *rest = replayed(log)
    assert isinstance(first, OpenRun)
    assert (7, 2, 2) == (first.next_step, first.rows, first.handled)
    assert [row(4), row(9)] == rest


def test_rows_that_are_passed_over_are_counted_as_handled_alone() -> None:
    """A restored trial trains iterations again: the worker passes them over, the log counts alike."""
    log = filled(opening(), row(1), row(2), row(3), row(4))
    log.ack_open("t", 1, next_step=8, recorded_iteration=2)
    log.ack_rows("t", 1, 3)
    first, *rest = replayed(log)
    assert isinstance(first, OpenRun)
    assert (9, 1, 3, 0) == (first.next_step, first.rows, first.handled, first.recorded_iteration)
    assert [row(4)] == rest


def test_events_of_an_earlier_opening_change_nothing() -> None:
    """A run that is opened again counts its rows from the start: late news of the former one must not drop them."""
    log = filled(opening(), row(1), FinishRun("t", 1, 0), opening(2), row(1, 2), row(2, 2))
    log.ack_open("t", 1, 0, 0)
    log.ack_rows("t", 2, 1)  # too early: that opening is not acknowledged
    log.ack_finish("t", 1)
    log.ack_rows("t", 1, 2)
    log.ack_open("t", 1, 50, 0)
    log.ack_finish("t", 1)
    assert [opening(2).generation, row(1, 2), row(2, 2)] == [
        command.generation if isinstance(command, OpenRun) else command for command in replayed(log)
    ]


def test_config_that_was_changed_is_part_of_the_opening() -> None:
    """wandb-core may not have sent it yet, although a later row is durable."""
    log = filled(opening(init={"config": {"lr": 1, "a": 1}}), UpdateConfig("t", 1, {"lr": 2}), row(1, config={"b": 3}))
    log.ack_open("t", 1, 0, 0)
    log.ack_rows("t", 1, 1)
    (first,) = replayed(log)
    assert isinstance(first, OpenRun)
    assert {"lr": 2, "a": 1, "b": 3} == first.init["config"]


def test_checkpoints_are_replayed_until_they_are_uploaded() -> None:
    """A later row may be durable long before."""
    checkpoint = SaveCheckpoint("t", 1, "c", "folder", (), {})
    log = filled(opening(), checkpoint, row(1))
    log.ack_open("t", 1, 0, 0)
    log.ack_rows("t", 1, 1)
    assert [checkpoint] == replayed(log)[1:]
    log.ack_checkpoint("t", "folder")
    assert [] == replayed(log)[1:]


def test_a_lost_run_is_forgotten() -> None:
    """What is still reported for it takes no memory."""
    log = filled(opening(), row(1))
    log.discard("t")
    entry = log.add(row(2))
    assert ([], True, 0) == (log.replay({}), entry.dropped, log.memory_bytes)


def test_a_skipped_command_is_not_replayed() -> None:
    """The others are."""
    log = filled(opening(), row(1), row(2))
    entry = log.find(2)
    assert entry is not None
    log.drop(entry)
    assert [row(2)] == replayed(log)[1:]


def test_all_runs_are_recorded_elsewhere_where_a_disk_was_full() -> None:
    """In the folder that is named."""
    (first,) = replayed(written(filled(opening(init={"dir": "full"}))), "elsewhere")
    assert isinstance(first, OpenRun)
    assert "elsewhere" == first.init["dir"]


def test_what_cannot_be_encoded_is_no_entry() -> None:
    """The error comes to the caller, who knows what to do."""
    log = filled(opening())
    with pytest.raises(UnsendableError):
        log.add(LogRow("t", 1, 1, 1, {"bad": object()}))
    assert [] == replayed(log)[1:]


def test_beyond_a_bound_commands_wait_in_a_file() -> None:
    """The driver's memory stays bounded however far the worker is behind, and the file goes when it is empty."""
    log = filled(opening(), *(row(number) for number in range(1, 1001)), max_memory_bytes=10_000)
    assert log.memory_bytes <= 10_000 < log.spilled_bytes
    assert [row(number) for number in range(1, 1001)] == replayed(log)[1:]
    log.ack_open("t", 1, 0, 0)
    log.ack_rows("t", 1, 999)
    assert [row(1000)] == replayed(log)[1:]
    log.ack_rows("t", 1, 1000)
    assert (0, 0) == (log.memory_bytes, log.spilled_bytes)


@given(
    iterations=st.lists(st.integers(1, 6), max_size=12),
    acks=st.lists(st.integers(0, 12), max_size=4),
    bound=st.sampled_from([0, 100, 10_000]),
)
def test_durable_and_replayed_rows_together_are_all_rows(iterations: list[int], acks: list[int], bound: int) -> None:
    """Whatever is acknowledged when: nothing is missing, nothing is there twice, steps only grow."""
    log = filled(opening(), max_memory_bytes=bound)
    log.ack_open("t", 1, 0, 0)
    for iteration in iterations:
        log.add(row(iteration))
    durable = 0
    for ack in acks:
        log.ack_rows("t", 1, min(ack, len(iterations)))
        durable = max(durable, min(ack, len(iterations)))
    first, *rest = replayed(log)
    assert isinstance(first, OpenRun)
    assert (durable, [row(iteration) for iteration in iterations[durable:]]) == (first.rows, rest)
    assert first.next_step >= durable
