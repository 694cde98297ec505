"""The ids of runs: unique for an experiment, still the trial's to a reader, and the same again after a restore."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import wandb
from ray import cloudpickle, tune

from tests.support.offline import OfflineRun, read_runs
from tests.support.trainables import Checkpointed
from typed_tune_wandb import ExperimentRuns, WandbLogger, WandbTrainableMixin, setup_wandb, wandb_mixin
from typed_tune_wandb.tune._run_ids import suffix_of_trial

pytestmark = pytest.mark.usefixtures("small_ray")
ENTRY = {"project": "p", "mode": "offline"}


@pytest.fixture
def same_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every experiment draws the same digits for its trials."""
    monkeypatch.setenv("_TEST_TUNE_TRIAL_UUID", "ab12c")


class Broken(Checkpointed):
    """Fails at its third step as long as there is no file that says that it need not."""

    def step(self) -> dict[str, Any]:
        if self.iteration == 2 and not Path(self.config["repaired"]).exists():
            raise ValueError("on purpose")
        return super().step()


def by_logger(folder: Path, **more: Any) -> tuple[Any, dict[str, Any], list[Any]]:
    return Broken, {}, [WandbLogger(project="p", mode="offline", dir=folder / "files", **more)]


def by_function(folder: Path) -> tuple[Any, dict[str, Any], list[Any]]:
    @wandb_mixin
    def train(config: dict[str, Any]) -> None:
        wandb.log({"loss": 1})
        if not Path(config["repaired"]).exists():
            raise ValueError("on purpose")
        tune.report({"loss": 1})

    return train, {"wandb": {**ENTRY, "dir": str(folder / "files")}}, []


class Mixed(WandbTrainableMixin, Broken):
    def step(self) -> dict[str, Any]:
        self.wandb.log({"loss": 1})
        return super().step()


def by_class(folder: Path) -> tuple[Any, dict[str, Any], list[Any]]:
    return Mixed, {"wandb": {**ENTRY, "dir": str(folder / "files")}}, []


def by_setup_wandb(folder: Path) -> tuple[Any, dict[str, Any], list[Any]]:
    def train(config: dict[str, Any]) -> None:
        run = setup_wandb(config)
        run.log({"loss": 1})
        failed = not Path(config["repaired"]).exists()
        run.finish(exit_code=int(failed))
        wandb.teardown()
        if failed:
            raise ValueError("on purpose")
        tune.report({"loss": 1})

    return train, {"wandb": {**ENTRY, "dir": str(folder / "files")}}, []


WAYS = [by_logger, by_function, by_class, by_setup_wandb]


def fit(way: Any, folder: Path, name: str = "exp") -> dict[str, OfflineRun]:
    """Run an experiment of two trials that fail, and give its runs."""
    trainable, space, callbacks = way(folder)
    tune.Tuner(
        trainable,
        param_space={**space, "lr": tune.grid_search([1.0, 2.0]), "repaired": str(folder / "repaired")},
        run_config=tune.RunConfig(
            name=name,
            storage_path=str(folder / "ray"),
            callbacks=callbacks,
            verbose=0,
            stop={"training_iteration": 4},
            failure_config=tune.FailureConfig(max_failures=1),
        ),
    ).fit()
    return read_runs(folder)


@pytest.mark.usefixtures("same_digits")
@pytest.mark.parametrize("way", WAYS)
def test_two_experiments_that_draw_the_same_digits(way: Any, tmp_path: Path) -> None:
    """Each trial has a run of its own, which all its attempts are in, and whose id begins with the trial's."""
    fit(way, tmp_path / "a")
    fit(way, tmp_path / "a", "another")
    runs = fit(way, tmp_path / "a")  # the same folder again
    runs |= fit(way, tmp_path / "b")
    assert 8 == len(runs)
    assert {"ab12c_00000": 4, "ab12c_00001": 4} == {
        trial: sum(run_id.startswith(f"{trial}-") for run_id in runs) for trial in ("ab12c_00000", "ab12c_00001")
    }
    assert {(1.0, "ab12c_00000"), (2.0, "ab12c_00001")} == {
        (run.config["lr"], run.id.partition("-")[0]) for run in runs.values()
    }


@pytest.mark.parametrize("way", WAYS)
def test_a_restored_experiment_has_the_same_ids_also_where_its_folder_was_moved(way: Any, tmp_path: Path) -> None:
    """What is trained again and what goes on is in the same runs."""
    before = fit(way, tmp_path)
    assert {1} == {run.exit_code for run in before.values()}
    (tmp_path / "repaired").touch()
    shutil.move(tmp_path / "ray", tmp_path / "moved")
    trainable = way(tmp_path)[0]
    grid = tune.Tuner.restore(str(tmp_path / "moved" / "exp"), trainable, resume_errored=True).fit()
    after = read_runs(tmp_path)
    assert [] == grid.errors
    assert before.keys() == after.keys()
    assert {0} == {run.exit_code for run in after.values()}


class Failing:
    """A file system whose calls raise what fsspec's and the clouds' own libraries raise."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("no credentials")


def test_a_file_system_that_fails() -> None:
    """The suffix is the same for all workers of the trial, in this session; another trial has another."""
    suffixes = [
        suffix_of_trial(
            SimpleNamespace(  # type: ignore[arg-type]  # Ray makes the real one of a path
                storage_filesystem=Failing(), trial_fs_path=f"bucket/{trial}", trial_driver_staging_path=f"/tmp/{trial}"
            )
        )
        for trial in ("a", "a", "b")
    ]
    assert suffixes[0] == suffixes[1] != suffixes[2]
    assert {8} == {len(suffix) for suffix in suffixes}


def test_a_restored_experiment_has_the_runs_of_all_sessions(tmp_path: Path) -> None:
    """In the file of its runs; also one that had finished, and whose folder was moved."""
    folder = tmp_path / "ray" / "exp"
    fit(by_logger, tmp_path)
    assert ["failed", "failed"] == [run.state for run in ExperimentRuns.load(folder).values()]
    (tmp_path / "repaired").touch()
    for name in ("once", "twice"):
        folder = folder.rename(tmp_path / name)
        grid = tune.Tuner.restore(str(folder), Broken, resume_errored=True).fit()
        runs = ExperimentRuns.load(folder)
        assert [] == grid.errors
        assert ["finished", "finished"] == [run.state for run in runs.values()]
        assert {*read_runs(tmp_path)} == {run.id for run in runs.values()}
        assert {1.0, 2.0} == {*runs.to_pandas()["config/lr"]}


@pytest.mark.usefixtures("same_digits")
def test_one_logger_for_two_experiments(tmp_path: Path) -> None:
    """The second experiment's runs are others, and ``runs`` has those of the second alone."""
    logger = WandbLogger(project="p", mode="offline", dir=tmp_path)

    def train(config: dict[str, Any]) -> None:
        tune.report({"loss": config["lr"]})

    seen = []
    for lr in (1, 2):
        run_config = tune.RunConfig(callbacks=[logger], storage_path=str(tmp_path / "ray"), verbose=0)
        tune.Tuner(train, param_space={"lr": lr}, run_config=run_config).fit()
        ((trial_id, run),) = logger.runs.items()
        assert ("ab12c_00000", "finished", 1) == (trial_id, run.state, run.rows)
        seen.append(run.id)
    runs = read_runs(tmp_path)
    assert {*seen} == {*runs}
    assert [[1], [2]] == [runs[run_id].rows("loss") for run_id in seen]


def test_one_logger_with_a_fixed_id_for_two_experiments(tmp_path: Path) -> None:
    """The second experiment goes on in the run: no other trial of the same experiment has it."""
    logger = WandbLogger(project="p", mode="offline", dir=tmp_path, id="own")

    def train(config: dict[str, Any]) -> None:
        tune.report({"loss": config["lr"]})

    for lr in (1, 2):
        run_config = tune.RunConfig(callbacks=[logger], storage_path=str(tmp_path / "ray"), verbose=0)
        tune.Tuner(train, param_space={"lr": lr}, run_config=run_config).fit()
    (run,) = read_runs(tmp_path).values()
    assert ("own", [1, 2], ["finished"]) == (run.id, run.rows("loss"), [info.state for info in logger.runs.values()])


def test_the_state_of_an_older_release(tmp_path: Path) -> None:
    """Its experiments go on in the runs that they have, under the trials' ids."""
    fit(by_logger, tmp_path)
    (tmp_path / "repaired").touch()
    (path,) = (tmp_path / "ray" / "exp").glob("callback-states-*.pkl")
    states = cloudpickle.loads(path.read_bytes())
    state = next(state for state in states.values() if "suffix" in state)
    del state["suffix"]
    path.write_bytes(cloudpickle.dumps(states))
    before = set(read_runs(tmp_path))
    tune.Tuner.restore(str(tmp_path / "ray" / "exp"), Broken, resume_errored=True).fit()
    assert {run_id.partition("-")[0] for run_id in before} == set(read_runs(tmp_path)) - before
