"""A W&B run inside the trial's own process, offline, the runs read back row by row."""

from __future__ import annotations

import functools
import logging
import os
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import wandb
from ray import tune
from ray.tune import Experiment, ResultGrid
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler

from tests.support.offline import OfflineRun, read_runs
from tests.support.processes import descendants
from typed_tune_wandb import WandbLogger, WandbSettingsError, WandbTrainableMixin, setup_wandb, wandb_mixin
from typed_tune_wandb._wandb_internals import flushes_rows
from typed_tune_wandb.tune._trial_run import resolve_on_driver

if TYPE_CHECKING:
    from wandb import Run

pytestmark = pytest.mark.usefixtures("small_ray")


def entry(folder: Path, **words: Any) -> dict[str, Any]:
    """An entry whose offline files go below a folder."""
    return {"project": "p", "mode": "offline", "dir": str(folder), **words}


def fit(
    trainable: Any, space: dict[str, Any], folder: Path, *, tuner: dict[str, Any] | None = None, **run_config: Any
) -> tuple[dict[str, OfflineRun], ResultGrid]:
    """Run an experiment whose trials record themselves; their runs by id, and what Tune says of them."""
    grid = tune.Tuner(
        trainable,
        param_space={"wandb": entry(folder), **space},
        tune_config=tune.TuneConfig(**(tuner or {})),
        run_config=tune.RunConfig(name="exp", storage_path=str(folder / "ray"), verbose=0, **run_config),
    ).fit()
    return read_runs(folder), grid


# --- a function -----------------------------------------------------------------------------------


@wandb_mixin
def logs(config: dict[str, Any]) -> None:
    assert "wandb" not in config
    ballast = b"x" * (config["lr"] * 100_000_000)
    print("hello from the trial")
    for step in range(3):
        wandb.log({"loss": config["lr"] * step, "pid": os.getpid()})
    tune.report({"loss": len(ballast)})
    time.sleep(1)  # ten samples of the system metrics
    wandb.log({"memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024})
    if config["lr"] == 3:
        raise ValueError("on purpose")


@pytest.fixture(scope="module")
def functions(small_ray: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, OfflineRun], ResultGrid]:
    """Three trials of a decorated function, each in a worker of its own; the last one raises."""
    folder = tmp_path_factory.mktemp("runs")
    sampled = entry(folder, settings={"x_stats_sampling_interval": 0.1})
    return fit(logs, {"lr": tune.grid_search([1, 2, 3]), "token": "t", "wandb": sampled}, folder)


def test_every_trial_is_a_run(functions: tuple[dict[str, OfflineRun], ResultGrid]) -> None:
    """Three trials in three processes are three runs, each with the rows of its own wandb.log."""
    runs, _ = functions
    assert [[0, 1, 2], [0, 2, 4], [0, 3, 6]] == sorted(run.rows("loss") for run in runs.values())
    assert 3 == len({pid for run in runs.values() for pid in run.rows("pid")})


def test_tune_chooses_id_name_and_group(functions: tuple[dict[str, OfflineRun], ResultGrid]) -> None:
    """The trial's id, its name, and the experiment's name."""
    runs, grid = functions
    assert {result.metrics["trial_id"] for result in grid if result.metrics} == {run.trial_id for run in runs.values()}
    assert {("p", "exp", f"logs_{run.trial_id}") for run in runs.values()} == {
        (run.project, run.group, "_".join(run.display_name.split("_")[:3])) for run in runs.values()
    }


def test_the_runs_config_is_the_trials(functions: tuple[dict[str, OfflineRun], ResultGrid]) -> None:
    """Without the W&B entry, secrets redacted; the function has received it without the entry too."""
    runs, _ = functions
    configs = [{k: v for k, v in run.config.items() if k != "_wandb"} for run in runs.values()]
    assert {"***"} == {config["token"][:3] for config in configs}
    assert {9} == {len(config.pop("token")) for config in configs}  # and six digits, of a key of each process
    assert [{"lr": lr} for lr in (1, 2, 3)] == sorted(configs, key=lambda config: str(config["lr"]))


def test_a_trial_that_raises_ends_failed(functions: tuple[dict[str, OfflineRun], ResultGrid]) -> None:
    """Exit code 1; the others 0."""
    runs, _ = functions
    assert {1: 0, 2: 0, 3: 1} == {run.config["lr"]: run.exit_code for run in runs.values()}


def test_what_a_trial_prints_is_in_its_console_log(functions: tuple[dict[str, OfflineRun], ResultGrid]) -> None:
    """Once in each run."""
    runs, _ = functions
    assert [1, 1, 1] == ["".join(run.console).count("hello from the trial") for run in runs.values()]


def test_system_metrics_are_of_the_trials_process(functions: tuple[dict[str, OfflineRun], ResultGrid]) -> None:
    """The memory that W&B has measured is the memory that the trial itself has measured."""
    runs, _ = functions
    for run in runs.values():
        measured = max(sample.get("proc.memory.rssMB", 0.0) for sample in run.stats)
        assert pytest.approx(run.rows("memory")[0], rel=0.2) == measured


def test_id_name_and_group_can_be_overridden(tmp_path: Path) -> None:
    """By the entry, under the documented page's names too."""

    @wandb_mixin
    def train(config: dict[str, Any]) -> None:
        wandb.log({"loss": 1})

    words = {"run_id": "own-id", "run_name": "own name", "group": "own group", "tags": ["a"], "config": {"lr": 2}}
    runs, _ = fit(train, {"lr": 1, "wandb": entry(tmp_path, **words)}, tmp_path)
    run = runs["own-id"]
    assert ("own name", "own group", ["a"], 2) == (run.display_name, run.group, run.tags, run.config["lr"])


# --- every form of a function ---------------------------------------------------------------------


def reports(config: dict[str, Any], scale: int = 1) -> None:
    for step in range(1, 6):
        wandb.log({"loss": step * scale})
        tune.report({"loss": step * scale})


def yields(config: dict[str, Any]) -> Iterator[dict[str, int]]:
    for step in range(1, 6):
        wandb.log({"loss": step})
        yield {"loss": step}


class Callable:
    def __call__(self, config: dict[str, Any]) -> None:
        reports(config)


FORMS: dict[str, Any] = {
    "lambda": lambda: wandb_mixin(lambda config: reports(config)),
    "partial": lambda: wandb_mixin(functools.partial(reports, scale=2)),
    "generator": lambda: wandb_mixin(yields),
    "object": lambda: wandb_mixin(Callable()),
    "in with_parameters": lambda: tune.with_parameters(wandb_mixin(reports), scale=2),
    "in with_resources": lambda: tune.with_resources(wandb_mixin(reports), {"cpu": 2}),
    "of with_resources": lambda: wandb_mixin(tune.with_resources(reports, {"cpu": 2})),
}


@pytest.fixture(scope="module")
def forms(small_ray: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[OfflineRun]]:
    """A trial of each form, all at once, each stopped by Tune in its third step."""
    folder = tmp_path_factory.mktemp("runs")
    for name, make in FORMS.items():
        tune.register_trainable(name, make())  # Tune knows a function by its name
    experiments = [
        Experiment(
            name,
            name,
            stop={"training_iteration": 3},
            config={"wandb": entry(folder / name)},
            storage_path=str(folder / "ray"),
        )
        for name in FORMS
    ]
    tune.run_experiments(experiments, verbose=0)
    return {name: [*read_runs(folder / name).values()] for name in FORMS}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_function(forms: dict[str, list[OfflineRun]], form: str) -> None:
    """It is one run, with what was logged until Tune stopped the trial, and it ends finished."""
    (run,) = forms[form]
    scale = 2 if "para" in form or "partial" in form else 1
    assert [scale, 2 * scale, 3 * scale] == run.rows("loss")
    assert 0 == run.exit_code


def test_a_function_that_returns_its_result(tmp_path: Path) -> None:
    """The result is Tune's, and what was logged is the run's."""

    @wandb_mixin
    def returns(config: dict[str, Any]) -> dict[str, int]:
        wandb.log({"loss": 1})
        return {"final": 2}

    runs, grid = fit(returns, {}, tmp_path)
    (run,) = runs.values()
    assert ([1], 0) == (run.rows("loss"), run.exit_code)
    assert grid[0].metrics is not None
    assert 2 == grid[0].metrics["final"]


def test_a_wrapper_that_hides_the_mixin_is_explained(tmp_path: Path) -> None:
    """Tune sees no mixin inside a partial: the trial fails at its start, and says what to write instead."""
    runs, grid = fit(functools.partial(wandb_mixin(reports), scale=2), {}, tmp_path)
    assert {} == runs
    assert "wandb_mixin(functools.partial(...))" in str(grid.errors[0])


@pytest.mark.parametrize("relative", [True, False])
def test_the_folder_of_wandbs_own_settings(relative: bool, tmp_path: Path) -> None:
    """``root_dir`` counts like ``dir``, from the driver's folder on."""

    @wandb_mixin
    def train(config: dict[str, Any]) -> None:
        wandb.log({"loss": 1})

    Path("files").mkdir()
    root = "files" if relative else str(tmp_path / "files")
    folder = Path.cwd() if relative else tmp_path
    fit(train, {"wandb": {"project": "p", "mode": "offline", "settings": {"root_dir": root}}}, tmp_path)
    assert [[1]] == [run.rows("loss") for run in read_runs(folder / "files").values()]


# --- a class --------------------------------------------------------------------------------------


class Counts(tune.Trainable):
    def setup(self, config: dict[str, Any]) -> None:
        self.count = 0
        self.given = sorted(config)

    def step(self) -> dict[str, Any]:
        self.count += 1
        if self.count == self.config.get("fails_at"):
            raise ValueError("on purpose")
        wandb.log({"count": self.count, "pid": os.getpid(), "entry": "wandb" in [*self.given, *self.config]})
        return {"count": self.count}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        Path(checkpoint_dir, "count").write_text(str(self.count))

    def load_checkpoint(self, checkpoint: Any) -> None:
        self.count = int(Path(checkpoint, "count").read_text())

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.count = 0
        return True


class Doubles(Counts):
    wandb: Run

    def step(self) -> dict[str, Any]:
        result = super().step()
        self.wandb.log({"double": 2 * self.count})
        return result


class Mixed(WandbTrainableMixin, Doubles):
    pass


def test_a_decorated_class_records_itself(tmp_path: Path) -> None:
    """Two trials in two processes are two runs; the class gets its config without the entry; a failing step fails."""
    space = {"fails_at": tune.grid_search([0, 2])}
    runs, grid = fit(wandb_mixin(Counts), space, tmp_path, stop={"training_iteration": 3})
    assert [([1], 1), ([1, 2, 3], 0)] == sorted((run.rows("count"), run.exit_code) for run in runs.values())
    assert 2 == len({pid for run in runs.values() for pid in run.rows("pid")})
    assert {False} == {hidden for run in runs.values() for hidden in run.rows("entry")}
    assert {result.metrics["trial_id"] for result in grid if result.metrics} == {run.trial_id for run in runs.values()}


def test_a_decorated_class_has_its_run(tmp_path: Path) -> None:
    """In ``self.wandb``, whose type it may declare."""
    runs, _ = fit(wandb_mixin(Doubles), {}, tmp_path, stop={"training_iteration": 2})
    assert [[2, 4]] == [run.rows("double") for run in runs.values()]


ONE_PROCESS = {"reuse_actors": True, "max_concurrent_trials": 1}


def test_one_process_for_many_trials_of_a_class(tmp_path: Path) -> None:
    """With reuse_actors each trial has a run of its own, finished, in ``self.wandb`` and under ``wandb.log``."""
    runs, _ = fit(
        Mixed, {"lr": tune.grid_search([1, 2, 3])}, tmp_path, tuner=ONE_PROCESS, stop={"training_iteration": 2}
    )
    assert 3 == len(runs)
    assert 1 == len({pid for run in runs.values() for pid in run.rows("pid")})
    for run in runs.values():
        assert ([1, 2], [2, 4], 0) == (run.rows("count"), run.rows("double"), run.exit_code)
        assert f"Mixed_{run.trial_id}" == run.display_name


def test_one_process_for_many_trials_of_a_function(tmp_path: Path) -> None:
    """With reuse_actors each trial has a run of its own; the next one waits until a run has ended, here 3 s."""

    @wandb_mixin
    def train(config: dict[str, Any]) -> None:
        print(f"this is {config['lr']}")
        wandb.log({"lr": config["lr"], "pid": os.getpid()})
        try:
            tune.report({"loss": 1})
        finally:
            time.sleep(3 if config["lr"] == 1 else 0)  # longer than Ray waits by itself

    space = {"lr": tune.grid_search([1, 2])}
    runs, grid = fit(train, space, tmp_path, tuner=ONE_PROCESS, stop={"training_iteration": 1})
    assert [] == grid.errors
    assert 1 == len({pid for run in runs.values() for pid in run.rows("pid")})
    for run in runs.values():
        lr = run.config["lr"]
        assert ([lr], 0) == (run.rows("lr"), run.exit_code)
        assert (1, 1) == ("".join(run.console).count("this is"), "".join(run.console).count(f"this is {lr}"))


# --- how a trial ends, and goes on ----------------------------------------------------------------


def test_a_trial_that_asha_stops_ends_finished(tmp_path: Path) -> None:
    """In the middle of the function, at its first rung: its run ends with exit code 0 all the same."""

    @wandb_mixin
    def train(config: dict[str, Any]) -> None:
        for step in range(4):
            wandb.log({"step": step})
            tune.report({"loss": config["loss"]})

    asha = ASHAScheduler(metric="loss", mode="min", max_t=4, grace_period=1, reduction_factor=2)
    tuner = {"scheduler": asha, "max_concurrent_trials": 1}
    runs, _ = fit(train, {"loss": tune.grid_search([1, 2])}, tmp_path, tuner=tuner)
    assert {1: ([0, 1, 2, 3], 0), 2: ([0], 0)} == {
        run.config["loss"]: (run.rows("step"), run.exit_code) for run in runs.values()
    }


def test_a_trial_whose_process_is_killed_goes_on_after_the_retry(tmp_path: Path) -> None:
    """Under the same id: the retry's file is finished, the killed one's is not."""

    @wandb_mixin
    def train(config: dict[str, Any]) -> None:
        first = not Path(config["marker"]).exists()
        Path(config["marker"]).touch()
        wandb.log({"loss": 1})
        if first:
            os.kill(os.getpid(), 9)
        tune.report({"loss": 1})

    failure = tune.FailureConfig(max_failures=1)
    runs, grid = fit(train, {"marker": str(tmp_path / "marker")}, tmp_path, failure_config=failure)
    assert [] == grid.errors
    assert grid[0].metrics is not None
    (run,) = runs.values()
    assert grid[0].metrics["trial_id"] == run.trial_id
    assert 2 == len([*tmp_path.rglob("*.wandb")])
    assert 0 == run.exit_code


class PauseOnce(FIFOScheduler):
    """Pauses each trial after its first step, as PBT and HyperBand do with some."""

    def on_trial_result(self, tune_controller: TuneController, trial: Trial, result: dict[str, Any]) -> str:
        return TrialScheduler.PAUSE if result["training_iteration"] == 1 else TrialScheduler.CONTINUE


def test_a_paused_trial_continues_its_run(tmp_path: Path) -> None:
    """Restored in another process, it is the same run, and it ends finished."""
    scheduler = PauseOnce()  # type: ignore[no-untyped-call]  # Ray's own __init__
    runs, _ = fit(Mixed, {}, tmp_path, tuner={"scheduler": scheduler}, stop={"training_iteration": 2})
    (run,) = runs.values()
    assert ([1, 2], 0) == (run.rows("count"), run.exit_code)
    assert 2 == len(run.files) == len(set(run.rows("pid")))


class Witness(tune.Trainable):
    """Stands before a mixin: notes which wandb-core lives on where Ray ends the process, and all of its children."""

    def __init__(self, config: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        self._notes = Path(config["notes"])
        try:
            super().__init__(config, *args, **kwargs)
        except BaseException:
            self._note()
            raise

    def stop(self) -> None:
        super().stop()
        self._note()

    def _note(self) -> None:
        self._notes.write_text(str(len(descendants(os.getpid(), b"wandb-core"))))


class FailsAtOnce(Mixed):
    def setup(self, config: dict[str, Any]) -> None:
        raise ValueError("on purpose")


@pytest.mark.parametrize(
    ("trainable", "exit_code"),
    [(wandb_mixin(reports), 0), (Mixed, 0), (FailsAtOnce, 1)],
    ids=["function", "class", "setup"],
)
def test_a_trials_process_ends_after_its_runs_file(trainable: Any, exit_code: int, tmp_path: Path) -> None:
    """``run.finish()`` comes back before wandb-core has closed the file, and Ray kills that with the process."""
    if isinstance(trainable, type):
        trainable = type(trainable.__name__, (Witness, trainable), {})
    else:
        trainable.__mixins__ = (Witness, *trainable.__mixins__)
    runs, _ = fit(trainable, {"notes": str(tmp_path / "notes")}, tmp_path, stop={"training_iteration": 2})
    (run,) = runs.values()
    assert (exit_code, "0") == (run.exit_code, (tmp_path / "notes").read_text())


@pytest.mark.skipif(
    not flushes_rows(), reason="before wandb 0.31, wandb-core keeps rows until there are 32 KiB of them"
)
@pytest.mark.parametrize("killed", [False, True])
def test_a_run_that_nobody_ends_keeps_its_rows(killed: bool, tmp_path: Path) -> None:
    """No ``run.finish()``, or no chance for it: what is older than a second is in the run's file."""

    def train(config: dict[str, Any]) -> None:
        run = setup_wandb(config)
        for step in range(3):
            run.log({"loss": step})
        time.sleep(3)
        if killed:
            os.kill(os.getpid(), signal.SIGKILL)

    runs, _ = fit(train, {}, tmp_path)
    (run,) = runs.values()
    assert ([0, 1, 2], None) == (run.rows("loss"), run.exit_code)


class EndsSlowly(tune.Trainable):
    """Leaves the function's thread the time to end: on a busy machine, Tune ends the process before it."""

    def stop(self) -> None:
        super().stop()
        time.sleep(2)


@pytest.mark.parametrize("finished", [False, True])
def test_an_unfinished_run_is_warned_of(finished: bool, tmp_path: Path) -> None:
    """In the trial's own output, as soon as the function returns."""

    def train(config: dict[str, Any]) -> None:
        logging.getLogger("typed_tune_wandb").addHandler(logging.FileHandler(config["log"]))
        run = setup_wandb(config)
        run.log({"loss": 1})
        time.sleep(1)
        if finished:
            run.finish()

    train.__mixins__ = (EndsSlowly,)  # type: ignore[attr-defined]  # where Ray looks for a trainable's mixins
    runs, _ = fit(train, {"log": str(tmp_path / "log")}, tmp_path)
    (run,) = runs.values()
    assert [1] == run.rows("loss")
    warning = f"The W&B run {run.id} was not finished: its last rows may be lost. Call run.finish() in a finally."
    assert finished != (warning in (tmp_path / "log").read_text())


# --- mistakes -------------------------------------------------------------------------------------


class Base:
    pass


@pytest.mark.parametrize(("given", "named"), [(3, "int"), ("train", "str"), (Base, "the class Base")])
def test_anything_else_is_a_type_error(given: Any, named: str) -> None:
    """It says what the decorator takes and what it got."""
    with pytest.raises(TypeError, match=f"takes a training function or a subclass of ray.tune.Trainable, got {named}"):
        wandb_mixin(given)


@pytest.mark.parametrize("bases", [(WandbTrainableMixin,), (tune.Trainable, WandbTrainableMixin)])
def test_other_bases_are_a_type_error(bases: tuple[type, ...]) -> None:
    """WandbTrainableMixin alone, or behind the Trainable, would record nothing."""
    with pytest.raises(TypeError, match=r"class T\(WandbTrainableMixin, tune.Trainable\)"):
        type("T", bases, {})


@pytest.mark.parametrize("trainable", [logs, Mixed, tune.with_resources(Mixed, {"cpu": 1})])
def test_mistakes_in_the_entry_end_the_experiment_before_it_trains(trainable: Any, tmp_path: Path) -> None:
    """All at once, on the driver."""
    with pytest.raises(WandbSettingsError, match="2 mistakes") as caught:
        fit(trainable, {"wandb": entry(tmp_path, mode="ofline", tgas=["a"])}, tmp_path)
    assert {"mode", "tgas"} == {problem.path for problem in caught.value.problems}


def test_the_logger_and_the_mixin_together_are_explained_before_training(tmp_path: Path) -> None:
    """One run would be written twice."""
    with pytest.raises(WandbSettingsError, match="leave WandbLogger out, or the mixin"):
        fit(logs, {"lr": 1}, tmp_path, callbacks=[WandbLogger()])
    assert {} == read_runs(tmp_path)


def test_what_only_the_driver_can_know_is_checked_there(tmp_path: Path) -> None:
    """No project, a key's file that is not there, settings that wandb refuses."""
    for words, named in (
        ({"mode": "offline"}, "project"),
        ({"project": "p", "mode": "online", "api_key_file": str(tmp_path / "none")}, "api_key_file"),
        ({"project": "p", "mode": "offline", "settings": {"console": "loud"}}, "settings.console"),
    ):
        with pytest.raises(WandbSettingsError) as caught:
            resolve_on_driver({"wandb": words})
        assert [named] == [problem.path for problem in caught.value.problems]


def test_a_restored_trial_does_without_a_key_that_is_gone(tmp_path: Path) -> None:
    """Its key's file was there when the experiment began: now the login of the machine, or of the node, counts."""
    file = tmp_path / "key"
    file.write_text("0123456789" * 4)
    file.chmod(0o600)
    config: dict[str, Any] = {"wandb": {"project": "p", "mode": "online", "api_key_file": str(file)}}
    resolve_on_driver(config)
    assert config["wandb"].login is not None
    file.unlink()
    resolve_on_driver(config)
    assert (None, "p") == (config["wandb"].login, config["wandb"]["project"])
    assert "api_key_file" not in config["wandb"]
