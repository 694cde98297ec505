"""The best trial, its best value and its best checkpoint: what is chosen, and what W&B has of it."""

from __future__ import annotations

import json
import logging
import math
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from ray import tune
from ray.tune.schedulers import AsyncHyperBandScheduler, PopulationBasedTraining
from ray.tune.search import ConcurrencyLimiter, Searcher

from tests.support.offline import OfflineRun, read_runs
from tests.support.online import FAST_UPLOADS
from tests.support.recorder import init, wait_for
from tests.support.trainables import Checkpointed, fit, offline
from tests.wandb_server import WandbServer
from tests.wandb_server.faults import Fault
from typed_tune_wandb import ExperimentRuns, RunInfo, WandbLogger, WandbSettingsError
from typed_tune_wandb.experiment import sync_runs
from typed_tune_wandb.experiment._best import BestTrial, mark
from typed_tune_wandb.payload import Payload
from typed_tune_wandb.recording._protocol import SaveCheckpoint
from typed_tune_wandb.recording.checkpoints import CheckpointArtifact
from typed_tune_wandb.recording.client import Recorder
from typed_tune_wandb.recording.worker._kept import KeptCheckpoints
from typed_tune_wandb.settings import LoggerOptions
from typed_tune_wandb.tune._best import Best
from typed_tune_wandb.tune._metric import Metric, find_metric

VALUES = st.one_of(
    st.integers(-3, 3), st.sampled_from([0.5, math.nan, math.inf, -math.inf]), st.none(), st.booleans(), st.text()
)
ROWS = st.lists(st.tuples(st.sampled_from("abc"), VALUES), max_size=20)
MODES = st.sampled_from(["max", "min"])


def is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


@pytest.mark.unit
@given(ROWS, MODES)
def test_the_best_trial(rows: list[tuple[str, Any]], mode: Any) -> None:
    """It has the best finite number of all, and each trial's summary its own; also where a session goes on."""
    best = Best(Metric("m", mode), uploads=False)
    for trial_id, value in rows:
        best.note(trial_id, {"m": value, "other": 9})
        best = Best(best.metric, False, best.save())
    pick = max if mode == "max" else min
    expected: dict[str, Any] = {}
    for name in "abc":
        if numbers := [value for trial_id, value in rows if trial_id == name and is_number(value)]:
            expected[name] = pick(numbers)
        assert ({"m": {mode: expected[name]}} if numbers else {}) == best.summary(name)
    found = best.trial({name: RunInfo(name, name, name) for name in "abc"}, None)
    assert (None if not expected else pick(expected.values())) == (found and found.value)
    assert found is None or expected[found.trial_id] == found.value


@pytest.mark.unit
@given(st.lists(VALUES, max_size=20), MODES, st.sampled_from([True, "best", "last", 1, 2, 3]), st.booleans())
def test_which_checkpoints_are_uploaded(values: list[Any], mode: Any, uploads: Any, restored: bool) -> None:
    """As a model that sorts all of them; the later ones count more where they are equal."""
    best, kept, uploaded = Best(Metric("m", mode), uploads), KeptCheckpoints(), list[SaveCheckpoint]()
    for number, value in enumerate(values):
        chosen = best.choose("t", CheckpointArtifact("model", str(number), (), {"m": value}))
        best = Best(best.metric, uploads, best.save()) if restored else best
        if chosen is not None:
            saved: Any = (chosen.name, chosen.location, chosen.aliases, {}, False, chosen.keep, chosen.score)
            command = SaveCheckpoint("t", 1, *saved)
            if command.keep:
                kept.add(command)
            else:
                uploaded.append(command)
    uploaded += kept.take()
    assert [] == [*kept]
    scores = {
        number: (value if mode == "max" else -value, number) for number, value in enumerate(values) if is_number(value)
    }
    ranked = sorted(scores, key=scores.__getitem__)
    expected = {True: [*range(len(values))], "last": [*range(len(values))][-1:], "best": ranked[-1:]}
    wanted = expected[uploads] if uploads is True or isinstance(uploads, str) else ranked[-uploads:]
    assert sorted(wanted) == [int(command.location) for command in uploaded]
    if uploads != "last" and ranked:
        assert ranked[-1] == [int(command.location) for command in uploaded if "best" in command.aliases][-1]
    if uploads is not True:
        assert ["best"] * (uploads != "last" and bool(ranked)) == [alias for one in uploaded for alias in one.aliases]


@pytest.mark.unit
def test_the_loggers_metric() -> None:
    """In W&B's words."""
    assert Metric("acc", "max") == find_metric(LoggerOptions(metric="acc", goal="maximize"))
    assert Metric("acc", "min") == find_metric(LoggerOptions(metric="acc", goal="minimize"))
    assert find_metric(LoggerOptions()) is None
    assert find_metric(LoggerOptions(metric=False)) is None


# --- in experiments ---------------------------------------------------------------------------------------------------


def scores(config: dict[str, Any]) -> None:
    for value in config["values"]:
        tune.report({"eval": {"acc.v": value}, "score": value})


class InOrder(Searcher):
    """A searcher with a metric of its own."""

    def suggest(self, trial_id: str) -> dict[str, Any]:
        return {"values": [1, 3, 2]}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None: ...


def only(runs: dict[str, OfflineRun]) -> OfflineRun:
    (run,) = runs.values()
    return run


@pytest.mark.usefixtures("small_ray")
@pytest.mark.parametrize(
    ("own", "of_tune", "expected"),
    [
        ({}, {"metric": "score", "mode": "max"}, {"max": 3}),
        ({}, {"metric": "score", "mode": "min"}, {"min": 1}),
        ({"metric": "score", "goal": "minimize"}, {"metric": "score", "mode": "max"}, {"min": 1}),
        ({"metric": "score", "goal": "maximize"}, {}, {"max": 3}),
        ({"metric": False}, {"metric": "score", "mode": "max"}, 2),
        ({}, {"search_alg": ConcurrencyLimiter(InOrder("score", "max"), 1)}, {"max": 3}),
        ({}, {"scheduler": AsyncHyperBandScheduler(metric="score", mode="max")}, {"max": 3}),
        ({}, {}, 2),
    ],
)
def test_a_runs_summary_has_the_best_value(own: Any, of_tune: Any, expected: object, tmp_path: Path) -> None:
    """By the logger's metric, else by Tune's; without one, the last value as ever."""
    space = {} if "search_alg" in of_tune else {"values": [1, 3, math.nan, 2]}
    run = only(fit(scores, space, offline(tmp_path, **own), tmp_path, **of_tune))
    assert expected == run.summary["score"]


@pytest.mark.usefixtures("small_ray")
def test_a_nested_metric_with_a_dot(tmp_path: Path) -> None:
    """Its name is the key of the row, in the step's axis too."""
    logger = offline(tmp_path, metric="eval/acc.v", goal="maximize")
    run = only(fit(scores, {"values": [1, 3, 2]}, logger, tmp_path))
    assert ({"max": 3}, 2) == (run.summary["eval/acc.v"], run.summary["score"])
    assert "training_iteration" == run.metrics[r"eval/acc\.v"]


class Peaks(Checkpointed):
    """Its score has a peak: the best checkpoint is not the last one."""

    def step(self) -> dict[str, Any]:
        return {**super().step(), "score": [1, 3, 5, 4, math.nan, 2][self.count - 1] * self.lr}


def checkpointed(logger: WandbLogger, folder: Path, *, keep: int | None = 1, **more: Any) -> None:
    tune.Tuner(
        Peaks,
        param_space={"lr": tune.grid_search([1.0, 2.0])},
        tune_config=tune.TuneConfig(metric="score", mode="max", max_concurrent_trials=1, **more),
        run_config=tune.RunConfig(
            name="exp",
            storage_path=str(folder / "ray"),
            callbacks=[logger],
            stop={"training_iteration": 6},
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=1, num_to_keep=keep, checkpoint_at_end=False),
            verbose=0,
        ),
    ).fit()


def aliases_of(run: OfflineRun) -> Iterator[tuple[int, list[str]]]:
    for artifact in run.artifacts:
        yield (
            next(int(alias.partition("-")[2]) for alias in artifact.aliases if alias.startswith("iteration-")),
            sorted({*artifact.aliases} & {"best"}),
        )


@pytest.mark.usefixtures("small_ray")
@pytest.mark.parametrize(
    ("uploads", "expected"),
    [
        (True, {1: ["best"], 2: ["best"], 3: ["best"], 4: [], 5: [], 6: []}),
        ("best", {3: ["best"]}),
        ("last", {6: []}),
        (2, {3: ["best"], 4: []}),
        (False, {}),
    ],
)
def test_uploads_of_an_experiment(uploads: Any, expected: Any, tmp_path: Path) -> None:
    """In each trial; Tune removes all but the last checkpoint meanwhile, and each upload has its files."""
    checkpointed(offline(tmp_path, upload_checkpoints=uploads), tmp_path)
    runs = read_runs(tmp_path)
    assert 2 == len(runs)
    for run in runs.values():
        assert expected == dict(aliases_of(run))
        for artifact in run.artifacts:
            assert 0 < sum(entry.size for entry in artifact.manifest.contents)


@pytest.mark.usefixtures("small_ray")
def test_with_asha(tmp_path: Path) -> None:
    """A trial that the scheduler stops has its best value and its last checkpoint."""
    scheduler = AsyncHyperBandScheduler(max_t=6, grace_period=2, reduction_factor=2)
    checkpointed(offline(tmp_path, upload_checkpoints="last"), tmp_path, scheduler=scheduler)
    for run in read_runs(tmp_path).values():
        row = run.history[-1]["training_iteration"]
        assert [row] == [iteration for iteration, _ in aliases_of(run)]
        best = max(value for value in run.rows("score") if is_number(value))
        assert {"max": best} == run.summary["score"]


@pytest.mark.usefixtures("small_ray")
def test_with_population_based_training(tmp_path: Path) -> None:
    """Trials go on from others' checkpoints: each run has the best one that the trial itself has saved."""
    scheduler = PopulationBasedTraining(
        time_attr="training_iteration", perturbation_interval=2, hyperparam_mutations={"lr": [1.0, 2.0]}
    )
    logger = offline(tmp_path, upload_checkpoints="best")
    tune.Tuner(
        Checkpointed,
        param_space={"lr": tune.grid_search([0.5, 1.0, 2.0])},
        tune_config=tune.TuneConfig(scheduler=scheduler, metric="score", mode="max"),
        run_config=tune.RunConfig(
            name="exp",
            storage_path=str(tmp_path / "ray"),
            callbacks=[logger],
            stop={"training_iteration": 6},
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=2),
            verbose=0,
        ),
    ).fit()
    runs = read_runs(tmp_path)
    assert 3 == len(runs)
    for run in runs.values():
        best = max(run.rows("score"))
        assert {"max": best} == run.summary["score"]
        (artifact,) = run.artifacts
        assert "best" in artifact.aliases
        assert best >= json.loads(artifact.metadata)["score"] >= max(run.rows("score")[:2])
    assert logger.runs.best_trial is not None
    assert max(max(run.rows("score")) for run in runs.values()) == logger.runs.best_trial.value


@pytest.mark.usefixtures("small_ray")
@pytest.mark.parametrize("uploads", ["best", 3])
def test_the_best_checkpoints_need_a_metric(uploads: Any, tmp_path: Path) -> None:
    """Before the first trial."""
    with pytest.raises(WandbSettingsError, match=r"upload_checkpoints: .*metric=.*goal="):
        fit(scores, {"values": [1]}, offline(tmp_path, upload_checkpoints=uploads), tmp_path)
    assert {} == read_runs(tmp_path)


@pytest.mark.usefixtures("small_ray")
def test_a_metric_that_never_comes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One warning, whatever the number of trials; nothing is best."""
    space = {"values": tune.grid_search([[1], [2]])}
    with caplog.at_level(logging.WARNING):
        runs = fit(scores, space, offline(tmp_path, metric="scor", goal="maximize"), tmp_path)
    assert 1 == sum("scor" in record.getMessage() for record in caplog.records)
    assert [1, 2] == sorted(run.summary["score"] for run in runs.values())


# --- on a server ------------------------------------------------------------------------------------------------------


def checkpoint(folder: Path, score: float) -> CheckpointArtifact:
    folder.mkdir()
    (folder / "model").write_text(str(score))
    return CheckpointArtifact(f"checkpoint_{folder.parent.name}", str(folder), ("latest", "best"), {"score": score})


def test_the_marks_move(wandb_server: WandbServer, tmp_path: Path) -> None:
    """The run's tag and the checkpoint's alias are where they belong, also after another trial has become the best."""
    recorder = Recorder()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        init = {"id": name, "name": name, "project": "p", "dir": str(tmp_path), "tags": ["own"], "config": {"lr": 1}}
        recorder.open(name, init, FAST_UPLOADS, aggregates={"score": "max"})
        for step, score in enumerate((1.0, 3.0, math.nan, 2.0)):
            recorder.log(name, step, Payload({"score": score}))
        recorder.save_checkpoint(name, checkpoint(tmp_path / name / "first", 1.0))
        recorder.save_checkpoint(name, checkpoint(tmp_path / name / "second", 3.0))
        recorder.finish(name, "finished", {"score": {"max": 3.0}})
    problems = []

    def mark_one_after_the_other() -> None:
        best = BestTrial("a", "score", "max", 3.0, "checkpoint_a")
        for name in ("a", "b"):
            best = evolve(best, trial_id=name, artifact=f"checkpoint_{name}")
            best, problem = mark(recorder, best, recorder.runs[name])
            problems.append(problem)
            assert (None, True) == (problem, best.is_marked(recorder.runs[name]))
            tags = {run.id: sorted(run.tags) for run in wandb_server.all_runs}
            assert {"a": ["own"], "b": ["own"], name: ["best", "own"]} == tags
            marked = [version for version in wandb_server.all_artifacts if "best-of-experiment" in version.aliases]
            assert [(f"checkpoint_{name}", {"model": b"3.0"})] == [(one.name, one.files) for one in marked]

    assert [] == recorder.close(60, when_uploaded=mark_one_after_the_other)
    assert [None, None] == problems
    for run in wandb_server.all_runs:
        assert ({"max": 3.0}, 0, 1) == (run.summary["score"], run.exit_code, run.config["lr"])
    for versions in wandb_server.artifacts.values():
        assert [False, True] == ["best" in version.aliases for version in versions]


def test_an_experiment_on_the_server(wandb_server: WandbServer, tmp_path: Path) -> None:
    """The best trial's run is tagged, and wandb_runs.json knows it."""
    space = {"values": tune.grid_search([[1], [3], [2]])}
    logger = WandbLogger(project="p", settings=FAST_UPLOADS, metric="score", goal="maximize")
    fit(scores, space, logger, tmp_path)
    (best,) = [run for run in wandb_server.all_runs if "best" in run.tags]
    assert {"max": 3} == best.summary["score"]
    known = ExperimentRuns.load(tmp_path / "ray" / "exp").best_trial
    assert known is not None
    assert ({f"{best.entity}/p/{best.id}": ""}, 3) == (known.marked, known.value)


def test_what_was_offline_is_marked_by_sync(
    wandb_server: WandbServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Once its runs are uploaded; a second call has nothing to do. What cannot be marked is named, and tried again."""
    logger = offline(tmp_path, metric="score", goal="minimize")
    fit(scores, {"values": tune.grid_search([[2, 3], [4, 1], [3, 2]])}, logger, tmp_path)
    folder = tmp_path / "ray" / "exp"
    wandb_server.faults.add(Fault("Run", status=403, message="no such permission"))
    with caplog.at_level(logging.WARNING):
        runs = sync_runs(ExperimentRuns.load(folder))
    assert 0 == len(runs.not_uploaded)
    wandb_server.faults.clear()
    assert "could not be tagged" in caplog.text
    assert [] == [run.id for run in wandb_server.all_runs if "best" in run.tags]
    for _ in range(2):
        runs = sync_runs(ExperimentRuns.load(folder))
        best = runs.best_trial
        assert best is not None
        assert (1, True) == (best.value, best.is_marked(runs[best.trial_id]))
        assert [runs[best.trial_id].id] == [run.id for run in wandb_server.all_runs if "best" in run.tags]


def test_kept_checkpoints_outlive_the_recorders_process(tmp_path: Path) -> None:
    """It is killed while it keeps the best ones: its replacement uploads them when the run ends, and no others."""
    recorder, best = Recorder(), Best(Metric("score", "max"), 2)
    recorder.open("a", init(tmp_path, "a"), {})
    for step, score in enumerate([3.0, 1.0, 5.0, 4.0]):
        recorder.log("a", step, Payload({"score": score}), step)
        artifact = best.choose("a", evolve(checkpoint(tmp_path / str(step), score), aliases=(f"iteration-{step}",)))
        if artifact is not None:
            recorder.save_checkpoint("a", artifact)
        if step == 2:
            wait_for(lambda: recorder.runs["a"].rows == 3)
            process = recorder._supervisor._process
            assert process is not None
            os.kill(process.pid, signal.SIGKILL)
    recorder.finish("a", "finished")
    assert [] == recorder.close(timeout=60)
    run = only(read_runs(tmp_path))
    assert [3.0, 1.0, 5.0, 4.0] == run.rows("score")
    assert {2: ["best"], 3: []} == dict(aliases_of(run))
