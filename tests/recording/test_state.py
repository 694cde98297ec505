"""What the driver knows of its runs, event by event, without a process."""

from __future__ import annotations

import logging
import subprocess
from typing import Any

import pydantic
import pytest
import wandb
from hypothesis import given, settings
from hypothesis import strategies as st

from typed_tune_wandb.recording._events import EventHandler
from typed_tune_wandb.recording._protocol import (
    CheckpointSaved,
    Event,
    FinishRun,
    LoginChecked,
    LogRow,
    OpenRun,
    Progress,
    RunFailed,
    RunFinished,
    RunOpened,
    SaveCheckpoint,
    UpdateConfig,
    ValueSkipped,
    WorkerReady,
)
from typed_tune_wandb.recording._replay import ReplayLog
from typed_tune_wandb.recording._suspects import Suspects, describe
from typed_tune_wandb.recording.state import RunInfo, RunTable
from typed_tune_wandb.recording.worker._interface import describe_error


class Driver:
    """A table and a log, and the warnings about them."""

    def __init__(self) -> None:
        self.table, self.log = RunTable(), ReplayLog()
        self.warnings: list[str] = []
        self.saved: list[str] = []
        self.reasons: list[str] = []
        self.events = EventHandler(self.table, self.log, self._warn, self.saved.append)

    def _warn(self, key: str, reason: str) -> None:
        self.warnings.append(key)
        self.reasons.append(reason)

    def open(self, trial_id: str = "t") -> int:
        generation = self.table.open(RunInfo(trial_id, trial_id, "name"))
        self.log.add(OpenRun(trial_id, generation, {"id": trial_id}))
        return generation

    def apply(self, *events: Event) -> None:
        for event in events:
            self.events.apply(event)

    def info(self) -> RunInfo:
        return self.table.infos["t"]


@pytest.fixture
def driver() -> Driver:
    return Driver()


def opened(generation: int, **more: Any) -> RunOpened:
    return RunOpened("t", generation, "id", "name", more.get("url"), "file", 0, 0, more.get("problem"))


def test_what_wandb_says_is_redacted(driver: Driver, caplog: pytest.LogCaptureFixture) -> None:
    """In ``logger.runs``, in warnings, and in the log."""
    said = "CommError: http://me:hunter2@host/graphql refused (api_key=hunter2)"
    generation = driver.open()
    driver.apply(ValueSkipped("t", "loss", said), opened(generation, problem=said))
    problems: list[object] = [driver.info().problem, *driver.reasons]
    driver.apply(RunFinished("t", generation, said))
    problems.append(driver.info().problem)
    driver.apply(RunFailed("t", driver.open(), said))
    problems.append(driver.info().problem)
    driver.apply(LoginChecked("url", said))
    problems.append(driver.events.login and driver.events.login.problem)
    assert 5 == len(problems)
    for shown in (*map(str, problems), caplog.text):
        assert "CommError: http://me:***" in shown
        assert "hunter2" not in shown


def test_an_error_of_pydantic_shows_no_value() -> None:
    """It says which field is wrong, and how."""
    wrong: dict[str, Any] = {"console": "hunter2", "x_extra_http_headers": {"Authorization": ["hunter2"]}}
    with pytest.raises(pydantic.ValidationError) as caught:
        wandb.Settings(**wrong)
    shown = describe_error(caught.value)
    assert "ValidationError: console (literal_error), x_extra_http_headers (string_type)" == shown


def test_a_run_goes_from_opening_to_its_requested_end(driver: Driver) -> None:
    """Its log is empty then."""
    generation = driver.open()
    assert ("opening", True) == (driver.info().state, driver.table.is_open("t"))
    driver.apply(opened(generation))
    driver.log.add(LogRow("t", generation, 1, 1, {}))
    driver.log.add(FinishRun("t", generation, 1))
    driver.table.request_end("t", "failed")
    assert not driver.table.is_open("t")
    driver.apply(Progress(3, (("t", generation, 1, 1, 0),)), RunFinished("t", generation))
    assert ("failed", 1, 3) == (driver.info().state, driver.info().rows, driver.events.taken)
    assert [] == driver.log.replay({})


@pytest.mark.parametrize(
    "late",
    [
        lambda generation: RunFinished("t", generation),
        lambda generation: RunFailed("t", generation, "reason"),
        lambda generation: opened(generation, problem="offline"),
        lambda generation: Progress(9, (("t", generation, 50, 50, 50),)),
        lambda generation: CheckpointSaved("t", generation, "folder"),
    ],
)
def test_events_of_a_former_opening_change_nothing(late: Any, driver: Driver) -> None:
    """Fault 15: a run that was opened again stays open, whatever is heard of the former one."""
    former = driver.open()
    driver.log.add(FinishRun("t", former, 0))
    generation = driver.open()
    driver.log.add(LogRow("t", generation, 1, 1, {"loss": 1}))
    driver.apply(late(former))
    assert ("opening", 0, None, True) == (
        *(driver.info().state, driver.info().rows, driver.info().problem),
        driver.table.is_open("t"),
    )
    driver.apply(opened(generation))
    assert [OpenRun, LogRow] == [entry.kind for entry in driver.log.replay({})]


def test_a_run_that_fails_to_open_is_forgotten(driver: Driver, caplog: pytest.LogCaptureFixture) -> None:
    """With one error that names it, and nothing kept for it."""
    generation = driver.open()
    driver.log.add(LogRow("t", generation, 1, 1, {"loss": 1}))
    driver.apply(RunFailed("t", generation, "reason"), RunFinished("t", generation))
    assert ("lost", "reason", 0) == (driver.info().state, driver.info().problem, driver.log.memory_bytes)
    assert ["The W&B run of trial t is lost: reason. Nothing of it is recorded. "] == caplog.messages


def test_an_end_without_a_request_is_an_interruption(driver: Driver) -> None:
    """The worker ends runs by itself when the driver seems gone."""
    generation = driver.open()
    driver.apply(opened(generation), RunFinished("t", generation))
    assert "interrupted" == driver.info().state


@pytest.mark.process
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1), min_size=1))
@settings(max_examples=50, deadline=None)
def test_the_command_is_quoted_for_the_shell(names: list[str]) -> None:
    """Whatever a folder is called: a shell hands it to wandb as it is."""
    driver = Driver()
    generation = driver.open()
    for name in names:
        driver.apply(RunOpened("t", generation, "id", "name", None, f"/{name}/run.wandb", 0, 0, "refused"))
    advice = driver.info().how_to_upload
    shown = ["sh", "-c", f'set -- {advice.removeprefix("Upload it by: ")}; printf "%s\\0" "$@"']
    seen = subprocess.run(shown, check=True, capture_output=True).stdout.decode().split("\0")
    assert ["wandb", "sync", "--id", "id", *(f"/{name}" for name in names), ""] == seen


def test_each_worker_adds_a_file(driver: Driver, caplog: pytest.LogCaptureFixture) -> None:
    """All of them are named in the command that uploads them, ready for the shell."""
    generation = driver.open()
    for path in ("/a dir/run.wandb", "/b/run.wandb"):
        driver.apply(RunOpened("t", generation, "id", "name", None, path, 0, 0, "refused"))
    assert ("/a dir/run.wandb", "/b/run.wandb") == driver.info().paths
    assert "wandb sync --id id '/a dir' /b" == driver.info().sync_command
    assert caplog.messages[-1].endswith(driver.info().how_to_upload)


def test_rows_that_wait_to_be_durable_are_noticed(driver: Driver) -> None:
    """From when they began to wait; a run that waits for nothing counts as nothing."""
    generation = driver.open()
    driver.apply(opened(generation), Progress(2, (("t", generation, 5, 5, 5),)))
    assert 0.0 == driver.table.longest_wait_s()
    driver.apply(Progress(3, (("t", generation, 6, 6, 5),)))
    assert driver.table.longest_wait_s() > 0.0
    assert 0.0 == driver.table.longest_wait_s(for_rows=False)
    driver.apply(RunFinished("t", generation))
    assert 0.0 == driver.table.longest_wait_s()


def test_what_is_known_of_a_worker_goes_with_it(driver: Driver) -> None:
    """Its answers do not."""
    driver.apply(WorkerReady(), Progress(7, ()), LoginChecked("url", None), ValueSkipped("t", "key", "reason"))
    driver.events.worker_started()
    assert (False, 0, ["key"]) == (driver.events.ready, driver.events.taken, driver.warnings)
    assert LoginChecked("url", None) == driver.events.login


def test_an_uploaded_checkpoint_needs_no_snapshot(driver: Driver) -> None:
    """It is removed, and not replayed."""
    generation = driver.open()
    driver.apply(opened(generation))
    driver.log.add(SaveCheckpoint("t", generation, "c", "folder", (), {}, True))
    driver.log.add(LogRow("t", generation, 1, 1, {}))
    driver.apply(Progress(3, (("t", generation, 1, 1, 1),)))
    assert [OpenRun, SaveCheckpoint] == [entry.kind for entry in driver.log.replay({})]
    driver.apply(CheckpointSaved("t", generation, "folder"))
    assert (["folder"], 1) == (driver.saved, len(driver.log.replay({})))


class TestSuspects:
    """Which command is skipped after which deaths."""

    def deaths(self, seqs: list[list[int]], code: int) -> list[list[int]]:
        log, suspects = ReplayLog(), Suspects()
        for command in (OpenRun("t", 1, {}), LogRow("t", 1, 1, 1, {"loss": 1}), LogRow("t", 1, 2, 2, {"loss": 2})):
            log.add(command)
        log.add(OpenRun("other", 2, {}))
        return [[entry.seq for entry in suspects.convict(log, handled, code)] for handled in seqs]

    @pytest.mark.parametrize("code", [-11, -6, 1])
    def test_a_row_is_skipped_after_the_second_crash(self, code: int) -> None:
        """One that was being handled once is not."""
        assert [[], [2]] == self.deaths([[2], [2]], code)
        assert [[], []] == self.deaths([[2], [3]], code)

    @pytest.mark.parametrize("code", [-9, 70])
    def test_a_row_is_skipped_late_if_somebody_kills_the_worker(self, code: int) -> None:
        """Or its wandb-core: that may hit any command, though the out-of-memory killer hits one that is too large."""
        assert [[], [], [], [2]] == self.deaths([[2], [2], [2], [2]], code)

    def test_a_row_is_suspected_before_what_takes_long(self) -> None:
        """An opening in another thread is innocent then."""
        assert [[], [2]] == self.deaths([[2, 4], [2, 4]], -11)

    def test_an_opening_is_suspected_if_it_is_alone(self) -> None:
        """And nobody has killed the worker from outside: that often hits one."""
        assert [[], [1]] == self.deaths([[1], [1]], -11)
        assert [[], []] == self.deaths([[1, 4], [1, 4]], -11)
        assert [[], []] == self.deaths([[1], [1]], -9)

    def test_what_is_no_longer_known_is_not_suspected(self) -> None:
        """It is durable, or its run is lost."""
        assert [[], []] == self.deaths([[99], [99]], -11)

    def test_a_command_is_named_without_its_values(self) -> None:
        """By its keys."""
        log = ReplayLog()
        log.add(OpenRun("t", 1, {}))
        row = log.add(LogRow("t", 1, 3, 3, {"loss": "secret"}, {"image": b"secret"}))
        config = log.add(UpdateConfig("t", 1, {"lr": "secret"}))
        assert "the row of step 3 of trial t (loss, image)" == describe(log, row)
        assert "a change of the config of trial t" == describe(log, config)


def test_logging_is_of_this_module(caplog: pytest.LogCaptureFixture, driver: Driver) -> None:
    """Errors have the package's logger, so that users can filter them."""
    caplog.set_level(logging.ERROR)
    driver.open()
    driver.events.lose("t", "reason")
    assert {"typed_tune_wandb.recording.state"} == {record.name for record in caplog.records}
