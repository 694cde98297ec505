"""The worker's order of things, with a backend in memory: what waits, what is counted, what costs only itself."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_worker import ProcessExitError, Worker, opening, row
from typed_tune_wandb.recording._protocol import (
    EXIT_RESTART,
    EXIT_SERVICE_LOST,
    CheckpointSaved,
    FinishRun,
    LogRow,
    Progress,
    RunFailed,
    RunFinished,
    RunOpened,
    SaveCheckpoint,
    UpdateConfig,
    ValueSkipped,
)
from typed_tune_wandb.recording.worker._interface import ServiceLostError


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    for gate in worker.backend.gates.values():
        gate.set()
    worker.manager.finish_all(130, timeout_s=30)


def test_a_run_that_opens_slowly_holds_up_no_other(worker: Worker) -> None:
    """Its own rows wait for it, in order; the others' do not."""
    gate = worker.backend.gates["slow"] = threading.Event()
    worker.do(opening("slow"), row(1, "slow"), row(2, "slow"))
    worker.opened("quick")
    worker.do(row(1, "quick"))
    assert [("quick", "open", 1), ("quick", "row", 1)] == worker.backend.calls
    gate.set()
    worker.do(FinishRun("slow", 1, 0))
    worker.until(lambda: worker.of(RunFinished))
    slow = [call for call in worker.backend.calls if call[0] == "slow"]
    assert [("slow", "open", 1), ("slow", "row", 1), ("slow", "row", 2), ("slow", "finish", 0)] == slow


def test_rows_are_durable_once_they_are_in_the_file(worker: Worker) -> None:
    """By their steps, not by a clock."""
    worker.opened()
    worker.backend.runs["t"].flushed = 0
    worker.do(row(1), row(2), row(9))
    worker.manager.report_progress()
    assert ("t", 1, 3, 3, 0) == worker.of(Progress)[-1].runs[0]
    worker.backend.runs["t"].flushed = 3
    worker.manager.report_progress()
    assert ("t", 1, 3, 3, 2) == worker.of(Progress)[-1].runs[0]
    worker.backend.runs["t"].flushed = None  # a run without a file
    worker.manager.report_progress()
    assert ("t", 1, 3, 3, 3) == worker.of(Progress)[-1].runs[0]
    before = len(worker.events)
    worker.manager.report_progress()
    assert before == len(worker.events)


def test_rows_that_an_earlier_worker_persisted_are_counted_and_not_recorded_again(worker: Worker) -> None:
    """They are durable from the start."""
    worker.backend.prepared["t"] = {"persisted_below": 3, "flushed": 3}
    worker.opened(rows=1, handled=1, next_step=2, earlier_files=("file",))
    worker.do(row(2), row(3))
    worker.manager.report_progress()
    assert [("t", "open", 1), ("t", "row", 3)] == worker.backend.calls
    assert ("t", 1, 3, 3, 2) == worker.of(Progress)[-1].runs[0]


def test_iterations_that_are_trained_again_after_a_restore_are_passed_over(worker: Worker) -> None:
    """The first row of an iteration counts, the steps go on after the last one; they count as durable at once."""
    worker.backend.prepared["t"] = {"recorded_iteration": 3, "next_step": 7, "persisted_below": 7, "flushed": 0}
    worker.opened(restored=True)
    worker.do(row(2), row(3))
    worker.manager.report_progress()
    assert ("t", 1, 0, 2, 2) == worker.of(Progress)[-1].runs[0]
    worker.do(row(4), row(1))
    assert {7: {"loss": 4}, 8: {"loss": 1}} == worker.backend.runs["t"].rows
    assert (7, 3) == (worker.of(RunOpened)[0].next_step, worker.of(RunOpened)[0].recorded_iteration)


@pytest.mark.parametrize("where", ["row", "config", "media"])
def test_one_bad_value_costs_itself_alone(where: str, worker: Worker) -> None:
    """The other values of its row or config are stored."""
    worker.backend.prepared["t"] = {"refuse": "bad"}
    worker.opened()
    if where == "config":
        worker.do(UpdateConfig("t", 1, {"bad": "bad", "good": 1}))
        assert {"good": 1} == worker.backend.runs["t"].config
    elif where == "row":
        worker.do(LogRow("t", 1, 1, 1, {"bad": "bad", "good": 1}))
        assert {1: {"good": 1}} == worker.backend.runs["t"].rows
    else:
        worker.do(LogRow("t", 1, 1, 1, {"good": 1}, {"bad": b"no pickle", "image": pickle.dumps("image")}))
        assert {1: {"good": 1, "image": "image"}} == worker.backend.runs["t"].rows
    assert ["bad"] == [event.key for event in worker.of(ValueSkipped)]


def test_a_run_that_cannot_be_opened_costs_itself_alone(worker: Worker) -> None:
    """Its rows go nowhere, and its end is no event."""
    worker.backend.failing.add("bad")
    worker.do(opening("bad"), row(1, "bad"), FinishRun("bad", 1, 0))
    worker.opened("good")
    worker.until(lambda: not worker.manager._runs["bad"].busy)
    assert [RunFailed("bad", 1, "ValueError: cannot be opened")] == worker.of(RunFailed)
    assert [] == worker.of(RunFinished)


def test_a_checkpoint_that_cannot_be_uploaded_costs_itself_alone(worker: Worker) -> None:
    """It is named, and the driver may remove its snapshot."""
    worker.opened()
    for location in ("bad", "good"):
        worker.do(SaveCheckpoint("t", 1, "c", location, (), {}))
    worker.until(lambda: len(worker.of(CheckpointSaved)) == 2)
    assert ["the checkpoint bad"] == [event.key for event in worker.of(ValueSkipped)]


def test_the_end_of_the_service_ends_the_worker(worker: Worker) -> None:
    """The command that found it gone is still marked as being handled."""
    worker.opened()
    worker.backend.runs["t"].service_lost = True
    with pytest.raises(ProcessExitError):
        worker.do(row(1))
    assert [EXIT_SERVICE_LOST] == worker.exit_codes
    assert (0, worker.seq) == worker.handling[-1]
    worker.backend.runs["t"].service_lost = False


def test_every_command_is_marked_while_it_is_handled(worker: Worker) -> None:
    """So that the driver knows which one killed the worker."""
    worker.opened()
    worker.do(row(1))
    assert [(0, 2), (0, 0)] == worker.handling[-2:]
    slot = next(slot for slot, seq in worker.handling if seq == 1)
    assert slot > 0
    assert (slot, 0) in worker.handling


def test_a_cautious_worker_opens_one_run_at_a_time_and_asks_after_each_row() -> None:
    """Then the command that kills it, or its service, is the only one that is being handled."""
    worker = Worker(cautious=True)
    first, second = threading.Event(), threading.Event()
    worker.backend.gates.update(a=first, b=second)
    worker.do(opening("a"), opening("b"))
    worker.until(lambda: [seq for _, seq in worker.handling] != [])
    assert 1 == len({seq for _, seq in worker.handling})
    first.set()
    second.set()
    worker.until(lambda: len(worker.of(RunOpened)) == 2)
    worker.until(lambda: not any(managed.busy for managed in worker.manager._runs.values()))
    run = worker.backend.runs["a"]
    real_log = run.log

    def kills_the_service(*arguments: Any, **options: Any) -> None:
        real_log(*arguments, **options)
        run.service_lost = True

    run.log = kills_the_service  # type: ignore[method-assign]  # this run alone
    with pytest.raises(ProcessExitError):
        worker.do(row(1, "a"))
    assert ([EXIT_SERVICE_LOST], (0, worker.seq)) == (worker.exit_codes, worker.handling[-1])


def test_an_id_that_only_a_new_process_can_open_asks_for_one(worker: Worker) -> None:
    """No event is sent about the runs: they go on in the replacement."""
    worker.opened("other")
    worker.backend.restart_for.add("t")
    before = len(worker.events)
    with pytest.raises(ProcessExitError):
        worker.do(opening("t"))
    assert ([EXIT_RESTART], before) == (worker.exit_codes, len(worker.events))


def test_a_run_whose_file_is_gone_asks_for_a_new_process(worker: Worker) -> None:
    """What is not durable is replayed into a new one."""
    worker.opened()
    worker.do(row(1))

    def gone() -> int:
        raise FileNotFoundError

    worker.backend.runs["t"].durable_below = gone  # type: ignore[method-assign]  # this run alone
    with pytest.raises(ProcessExitError):
        worker.manager.report_progress()
    assert [EXIT_RESTART] == worker.exit_codes
    worker.backend.runs.clear()
    worker.manager._runs.clear()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # so the fake process ends
def test_a_run_whose_file_is_gone_at_its_end_asks_for_a_new_process(worker: Worker, tmp_path: Path) -> None:
    """Its end is replayed there too; one that has a page needs no file."""
    file = tmp_path / "run.wandb"
    worker.backend.prepared.update({"t": {"path": str(file)}, "other": {"path": str(file), "url": "page"}})
    worker.opened("t")
    worker.opened("other")
    worker.do(FinishRun("other", 1, 0))
    worker.until(lambda: worker.of(RunFinished))
    assert [] == worker.exit_codes
    worker.do(row(1), FinishRun("t", 1, 0))
    worker.until(lambda: worker.exit_codes != [])
    assert [EXIT_RESTART] == worker.exit_codes
    assert ["other"] == [event.trial_id for event in worker.of(RunFinished)]
    worker.backend.runs.clear()
    worker.manager._runs.clear()


def test_a_file_that_is_removed_while_its_run_ends_is_named(worker: Worker, tmp_path: Path) -> None:
    """With the rows that were in it."""
    file = tmp_path / "run.wandb"
    file.touch()
    worker.backend.prepared["t"] = {"path": str(file)}
    worker.opened("t")
    worker.backend.runs["t"].finish = lambda exit_code: file.unlink()  # type: ignore[method-assign]  # this run alone
    worker.do(row(1), row(2), FinishRun("t", 1, 0))
    worker.until(lambda: worker.of(RunFinished))
    (skipped,) = worker.of(ValueSkipped)
    assert ("rows of trial t up to number 2", f"{file} was removed.") == (skipped.key, skipped.reason)


def test_the_last_counts_come_before_the_end(worker: Worker) -> None:
    """Whoever hears of the end knows all rows."""
    worker.opened()
    worker.do(row(1), FinishRun("t", 1, 0))
    worker.until(lambda: worker.of(RunFinished))
    kinds = [type(event) for event in worker.events]
    assert kinds.index(Progress) < kinds.index(RunFinished)
    assert 1 == worker.of(Progress)[-1].runs[0][2]


def test_progress_is_right_however_many_threads_report_it(worker: Worker) -> None:
    """Counts never go back, and nothing is taken from an empty queue."""
    worker.opened()
    run = worker.backend.runs["t"]
    run.flushed = 0
    stop = threading.Event()
    failures: list[BaseException] = []

    def report() -> None:
        try:
            while not stop.is_set():
                worker.manager.report_progress()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=report) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(1, 2001):
        worker.do(row(number))
        run.flushed = number
    stop.set()
    for thread in threads:
        thread.join()
    counts = [event.runs[0] for event in worker.of(Progress) if event.runs]
    assert ([], sorted(counts)) == (failures, counts)


def test_all_runs_end_as_interrupted_when_the_driver_is_gone(worker: Worker) -> None:
    """Also one that is still opening."""
    gate = worker.backend.gates["slow"] = threading.Event()
    worker.opened("open")
    worker.do(opening("slow"), row(1, "slow"))
    threading.Timer(0.05, gate.set).start()
    worker.manager.finish_all(130, timeout_s=30)
    worker.until(lambda: len(worker.of(RunFinished)) == 2)
    ends = {call[0]: call[2] for call in worker.backend.calls if call[1] == "finish"}
    assert {"open": 130, "slow": 130} == ends


def test_an_end_that_takes_too_long_is_left(worker: Worker) -> None:
    """An orphaned worker must not wait for uploads for ever."""
    worker.backend.gates["stuck"] = threading.Event()
    worker.do(opening("stuck"))
    worker.manager.finish_all(130, timeout_s=0.05)
    assert [] == worker.of(RunFinished)
    assert [] == worker.of(RunFailed)  # the opening fails after 30 s


@pytest.mark.parametrize(("error", "ends"), [(ServiceLostError("gone"), True), (ValueError("else"), False)])
def test_a_backend_that_cannot_be_started(error: Exception, ends: bool, worker: Worker) -> None:
    """Without its process the worker is replaced; of anything else, the opening of a run tells."""
    worker.backend.start_error = error
    with pytest.raises(ProcessExitError) if ends else nullcontext():
        worker.manager.start()
    assert ([EXIT_SERVICE_LOST] if ends else []) == worker.exit_codes


def test_a_backend_that_is_gone_is_seen_without_a_command(worker: Worker) -> None:
    """While rows wait to be durable: the replacement gets them."""
    worker.opened()
    worker.backend.runs["t"].flushed = 0
    worker.do(row(1))
    worker.backend.runs["t"].service_lost = True
    with pytest.raises(ProcessExitError):
        worker.manager.report_progress()
    assert [EXIT_SERVICE_LOST] == worker.exit_codes
