"""WandbLogger in real Tune experiments, offline, the runs read back row by row."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wandb
from ray import cloudpickle, tune
from ray.tune.schedulers import PopulationBasedTraining

from tests.support.offline import read_runs
from tests.support.recorder import wait_for
from tests.support.trainables import Checkpointed, fit, offline
from tests.wandb_server import WandbServer
from typed_tune_wandb import ExperimentRuns, WandbLogger, WandbSettings, WandbSettingsError, wandb_mixin
from typed_tune_wandb.experiment import sync_runs

KEY = "0123456789abcdef0123456789abcdef01234567"
pytestmark = pytest.mark.usefixtures("small_ray")


def train(config: dict[str, Any]) -> None:
    for step in range(config.get("steps", 3)):
        tune.report({"loss": config["lr"] * step, "eval": {"acc": step}})
    if config.get("fails"):
        raise ValueError("on purpose")


def test_each_trial_is_one_run_with_tunes_defaults(tmp_path: Path) -> None:
    """id, name, group and config are the trial's, every row is there once, failed trials end failed."""
    logger = WandbLogger(mode="offline", dir=tmp_path)
    space = {"lr": tune.grid_search([1, 2, 3]), "fails": tune.sample_from(lambda spec: spec.config["lr"] == 3)}
    runs = fit(train, {**space, "wandb": {"project": "p", "tags": tune.choice([["a"], ["b"]])}}, logger, tmp_path)
    assert 3 == len(runs) == len(logger.runs)
    for run in runs.values():
        record = logger.runs[run.trial_id]
        lr = run.config["lr"]
        assert ("p", "exp", f"train_{run.trial_id}") == (run.project, run.group, run.display_name)
        assert run.tags in (["a"], ["b"])
        assert "wandb" not in run.config
        assert (run.id, run.trial_id) == (record.id, run.config["ray_tune"]["trial_id"])
        assert [0, lr, 2 * lr] == run.rows("loss")
        assert [1, 2, 3] == run.rows("training_iteration") == run.rows("_step")
        assert [0, 1, 2] == run.rows("eval/acc")
        assert not {"done", "pid", "hostname", "config"} & set(run.history[0])
        assert (1 if lr == 3 else 0) == run.exit_code
        assert ("failed" if lr == 3 else "finished", 3, None) == (record.state, record.rows, record.url)
        assert str(run.files[0]) == record.path


def test_a_trials_entry_overrides_the_loggers_field_by_field(tmp_path: Path) -> None:
    """Search values inside the entry, sample_from too; explicit False overrides a default True."""
    defaults = WandbSettings(project="default", mode="offline", dir=tmp_path, log_config=True, config={"data": "mnist"})
    entry = {
        "project": tune.grid_search(["a", "b"]),
        "name": tune.sample_from(lambda spec: f"lr-{spec.config['lr']}"),
        "log_config": False,
        "excludes": ["eval", "net/drop"],
    }
    runs = fit(train, {"lr": 1, "net": {"drop": 1, "keep": 2}, "wandb": entry}, WandbLogger(defaults), tmp_path)
    assert {"a", "b"} == {run.project for run in runs.values()}
    for run in runs.values():
        assert "lr-1" == run.display_name
        assert ({"keep": 2}, "mnist") == (run.config["net"], run.config["data"])
        assert not [key for key in run.history[0] if key.startswith(("config", "eval"))]


@pytest.mark.parametrize("entry", [{"project": 1, "tgas": []}, WandbSettings, "text"])
def test_a_mistake_ends_the_experiment_before_any_training_step(entry: object, tmp_path: Path) -> None:
    """The exception seen is WandbSettingsError, and no trial has trained."""

    def leaves_a_mark(config: dict[str, Any]) -> None:
        (tmp_path / "trained").touch()

    with pytest.raises(WandbSettingsError):
        fit(leaves_a_mark, {"wandb": entry}, WandbLogger(mode="offline", dir=tmp_path), tmp_path)
    assert not (tmp_path / "trained").exists()


def test_a_mistake_ends_tune_run_too(tmp_path: Path) -> None:
    """``tune.run(callbacks=...)`` shows the same error, with every problem."""
    with pytest.raises(WandbSettingsError) as caught:
        tune.run(
            train,
            config={"wandb": {"mode": "ofline", "tgas": 1}},  # type: ignore[typeddict-item, typeddict-unknown-key]  # the case
            callbacks=[WandbLogger()],
            storage_path=str(tmp_path),
        )
    assert ["mode", "tgas"] == [problem.path for problem in caught.value.problems]


def test_a_missing_entry_and_a_missing_project_are_mistakes(tmp_path: Path) -> None:
    """Each says what to add."""
    with pytest.raises(WandbSettingsError, match="no W&B entry"):
        fit(train, {"lr": 1}, WandbLogger(), tmp_path)
    with pytest.raises(WandbSettingsError, match="WANDB_PROJECT"):
        fit(train, {"lr": 1}, WandbLogger(mode="offline"), tmp_path)


def test_a_rewound_run_keeps_its_id(tmp_path: Path) -> None:
    """``resume_from`` names the run: without an id in the entry, the trial's id would contradict it."""
    logger = WandbLogger(project="p", mode="offline", dir=tmp_path, resume_from="another?_step=1")
    (run,) = fit(train, {"lr": 1}, logger, tmp_path).values()
    assert ("another", "finished") == (run.id, next(iter(logger.runs.values())).state)


def test_a_folder_that_cannot_be_written_is_a_mistake(tmp_path: Path) -> None:
    """Known before the first trial, not by a run that is lost."""
    (tmp_path / "file").touch()
    with pytest.raises(WandbSettingsError, match=r"dir: .*below cannot be written \(Not a directory\)"):
        fit(train, {"lr": 1}, WandbLogger(project="p", mode="offline", dir=tmp_path / "file" / "below"), tmp_path)


def test_a_readable_key_as_a_search_value_is_a_mistake(tmp_path: Path) -> None:
    """Tune would name folders by it; hidden keys can be searched over."""
    space = {"lr": 1, "wandb": {"project": "p", "mode": "offline", "api_key": tune.grid_search([KEY])}}
    with pytest.raises(WandbSettingsError, match="names of folders") as caught:
        fit(train, space, WandbLogger(dir=tmp_path), tmp_path)
    assert KEY not in str(caught.value)
    hidden = WandbSettings(project="p", mode="offline", api_key=KEY).to_config()
    (run,) = fit(train, {"lr": 1, "wandb": tune.grid_search([hidden])}, WandbLogger(dir=tmp_path), tmp_path).values()
    assert 3 == len(run.history)


def test_two_trials_of_one_run_id_are_a_mistake(tmp_path: Path) -> None:
    """They would mix their rows in one run."""
    space = {"lr": tune.grid_search([1, 2]), "wandb": {"project": "p", "mode": "offline", "id": "same"}}
    with pytest.raises(WandbSettingsError, match="same W&B run"):
        fit(train, space, WandbLogger(dir=tmp_path), tmp_path)


def test_online_without_a_key_names_every_place_for_one(tmp_path: Path) -> None:
    """The search ends at once, not after hours."""
    with pytest.raises(WandbSettingsError) as caught:
        fit(train, {"lr": 1}, WandbLogger(project="p"), tmp_path)
    for place in ("api_key", "api_key_file", "WANDB_API_KEY", "wandb login", "WANDB_SETUP_API_KEY_HOOK", "offline"):
        assert place in str(caught.value)


def test_the_logger_and_the_mixin_together_are_a_mistake(tmp_path: Path) -> None:
    """They would write one run twice."""
    with pytest.raises(WandbSettingsError, match="leave WandbLogger out"):
        fit(wandb_mixin(train), {"lr": 1, "wandb": {"project": "p"}}, WandbLogger(mode="offline"), tmp_path)


def test_rllibs_nesting(tmp_path: Path) -> None:
    """``config["logger_config"]["wandb"]`` is the same entry."""
    entry = {"project": "nested", "mode": "offline", "dir": str(tmp_path)}
    runs = fit(train, {"lr": 1, "logger_config": {"wandb": entry, "type": "x"}}, WandbLogger(), tmp_path)
    (run,) = runs.values()
    assert "nested" == run.project
    assert {"type": "x"} == run.config["logger_config"]


def test_ray_tune_callbacks_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``RAY_TUNE_CALLBACKS=typed_tune_wandb.WandbLogger`` needs no argument, WANDB_MODE no key."""
    monkeypatch.setenv("RAY_TUNE_CALLBACKS", "typed_tune_wandb.WandbLogger")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    space = {"lr": 1, "wandb": {"project": "p"}}
    tune.run(train, config=space, storage_path=str(tmp_path / "ray"), verbose=0)
    (run,) = read_runs(tmp_path).values()
    assert 3 == len(run.history)


def reports_everything(config: dict[str, Any]) -> None:
    tune.report(
        {
            "float32": np.float32(0.5),
            "flag": True,
            "text": "abc",
            "none": None,
            "list": [1, {"a": 2}],
            "html": wandb.Html("<b>1</b>"),
            "histogram": wandb.Histogram([1, 2, 3]),
            "table": wandb.Table(columns=["a"], data=[[1]]),
            "object": object(),
            "huge": "x" * 10_000_000,
            "_step": 7,
            "film": config["film"],
        }
    )
    tune.report({"float32": 1.0})


def test_what_a_result_may_hold(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Numbers, numpy scalars, bools, strings, None, lists and W&B values are stored; the rest is named."""
    film = tmp_path / "film.mp4"
    film.touch()
    space = {"film": wandb.Video(str(film), format="mp4")}
    film.unlink()
    logger = WandbLogger(project="p", mode="offline", dir=tmp_path)
    (run,) = fit(reports_everything, space, logger, tmp_path).values()
    row = run.history[0]
    assert (0.5, True, "abc", None, [1, {"a": 2}]) == tuple(
        row[key] for key in ("float32", "flag", "text", "none", "list")
    )
    assert ["html-file", "histogram", "table-file"] == [row[key]["_type"] for key in ("html", "histogram", "table")]
    assert ([0.5, 1.0], [1, 2]) == (run.rows("float32"), run.rows("_step"))
    for key in ("object", "huge", "_step", "film"):
        assert key == "_step" or key not in row
        assert 1 == caplog.text.count(f"'{key}' is left out")


@pytest.mark.parametrize("reuse_actors", [False, True])
def test_pbt_keeps_one_run_per_trial_and_every_row(reuse_actors: bool, tmp_path: Path) -> None:
    """Pauses and exploits leave one finished run per trial; no row is dropped where the iteration falls back."""
    scheduler = PopulationBasedTraining(
        time_attr="training_iteration",
        perturbation_interval=2,
        hyperparam_mutations={"lr": [0.1, 1.0, 10.0]},
    )
    logger = WandbLogger(project="p", mode="offline", dir=tmp_path, log_config=True)
    seen: list[tuple[str, int]] = []

    class Observer(tune.Callback):
        def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **info: Any) -> None:
            seen.append((trial.trial_id, result["training_iteration"]))

    tune.Tuner(
        Checkpointed,
        param_space={"lr": tune.grid_search([0.1, 1.0, 10.0])},
        tune_config=tune.TuneConfig(scheduler=scheduler, metric="score", mode="max", reuse_actors=reuse_actors),
        run_config=tune.RunConfig(
            callbacks=[logger, Observer()],
            stop={"training_iteration": 10},
            storage_path=str(tmp_path / "ray"),
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=2),
            verbose=0,
        ),
    ).fit()
    runs = read_runs(tmp_path)
    assert 3 == len(runs)
    for run in runs.values():
        assert [i for trial_id, i in seen if trial_id == run.trial_id] == run.rows("training_iteration")
        assert run.rows("_step") == sorted(set(run.rows("_step")))
        assert (0, 1) == (run.exit_code, len(run.files))
        assert run.config["lr"] == run.rows("config/lr")[-1]


def test_a_retry_goes_on_in_the_same_run(tmp_path: Path) -> None:
    """A trial that crashes once and is retried is one finished run with the rows of both attempts."""

    def crashes_once(config: dict[str, Any]) -> None:
        mark = tmp_path / "crashed"
        tune.report({"attempt": 2 if mark.exists() else 1})
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    logger = WandbLogger(project="p", mode="offline", dir=tmp_path)
    (run,) = fit(
        crashes_once, {}, logger, tmp_path, run_config={"failure_config": tune.FailureConfig(max_failures=1)}
    ).values()
    assert 2 == run.rows("attempt")[-1]
    assert (0, 1) == (run.exit_code, len(run.files))


def test_checkpoints_are_uploaded(tmp_path: Path) -> None:
    """Each saved checkpoint is a version with its bytes, though Tune keeps one only."""
    logger = WandbLogger(project="p", mode="offline", dir=tmp_path, upload_checkpoints=True)
    checkpoints = tune.CheckpointConfig(checkpoint_frequency=1, num_to_keep=1)
    (run,) = fit(
        Checkpointed,
        {"lr": 1},
        logger,
        tmp_path,
        run_config={"stop": {"training_iteration": 3}, "checkpoint_config": checkpoints},
    ).values()
    aliases = [set(artifact.aliases) for artifact in run.artifacts]
    assert [{"latest", f"iteration-{n}"} for n in (1, 2, 3)] == aliases[:3]
    assert all("count" in {entry.path for entry in artifact.manifest.contents} for artifact in run.artifacts)
    assert f"checkpoint_{run.display_name}" == run.artifacts[0].name
    assert [] == [*tmp_path.rglob(".wandb-*")]


def test_the_logger_is_pickled_without_its_key_and_without_its_processes(tmp_path: Path) -> None:
    """tuner.pkl holds the explicit options, and the key as a reference alone."""
    logger = WandbLogger(project="p", mode="offline", dir=tmp_path, api_key=KEY)
    runs = fit(train, {"lr": 1}, logger, tmp_path)
    assert 1 == len(runs)
    pickled = cloudpickle.dumps(logger)
    assert KEY.encode() not in pickled
    assert {} == dict(cloudpickle.loads(pickled).runs)
    for path in (tmp_path / "ray").rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path


def test_a_pickle_of_an_older_release(tmp_path: Path) -> None:
    """A logger in a tuner.pkl of 0.1.0 has no attributes that came later."""
    state = WandbLogger(project="p", mode="offline", dir=tmp_path).__getstate__()
    del state["_mailbox"]
    logger = WandbLogger.__new__(WandbLogger)
    logger.__setstate__(state)
    assert 1 == len(fit(train, {"lr": 1}, logger, tmp_path))
    assert ["finished"] == [run.state for run in logger.runs.values()]


def test_a_key_in_the_raw_dict_is_hidden_before_tunes_loggers_write_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """params.json, result.json, progress.csv and the rest do not hold it; what Tune wrote before is warned of."""
    entry = {"project": "p", "mode": "offline", "dir": str(tmp_path), "api_key": KEY}
    fit(train, {"lr": 1, "wandb": entry}, WandbLogger(), tmp_path)
    exposed = {
        path.name for path in (tmp_path / "ray").rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()
    }
    assert [] == [name for name in exposed if not name.startswith(("tuner.pkl", "basic-variant-state"))]


_KILLED = """
import os, signal, sys, time
from pathlib import Path
from ray import tune
import ray
from tests.support.trainables import Checkpointed
from typed_tune_wandb import WandbLogger

folder = Path(sys.argv[1])
ray.init(address="local", num_cpus=2, include_dashboard=False, object_store_memory=100_000_000, log_to_driver=False)
class Kill(tune.Callback):
    def on_trial_result(self, iteration, trials, trial, result, **info):
        if result["training_iteration"] == 6 and "KILL" in os.environ:
            time.sleep(1)
            os.kill(os.getpid(), signal.SIGKILL)
tune.Tuner(
    Checkpointed, param_space={"lr": 1.0},
    run_config=tune.RunConfig(
        name="exp", storage_path=str(folder / "ray"), stop={"training_iteration": 10}, verbose=0,
        checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=2),
        callbacks=[WandbLogger(project="p", mode="offline", dir=folder), Kill()],
    ),
).fit()
"""


def test_a_killed_and_restored_experiment_goes_on_with_the_same_run(tmp_path: Path) -> None:
    """SIGKILL to the driver, ``Tuner.restore`` in another process: one run id, all rows, steps that go on."""
    root = str(Path(__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": root, "TUNE_GLOBAL_CHECKPOINT_S": "0", "KILL": "1"}
    with tempfile.TemporaryFile() as output:
        killed = subprocess.run(
            [sys.executable, "-c", _KILLED, str(tmp_path)], env=environment, stderr=output, timeout=120
        )
    assert -signal.SIGKILL == killed.returncode
    wait_for(lambda: [130] == [run.exit_code for run in read_runs(tmp_path).values()])
    first = read_runs(tmp_path)
    assert [list(range(1, 7))] == [run.rows("training_iteration") for run in first.values()]
    tuner = tune.Tuner.restore(str(tmp_path / "ray" / "exp"), Checkpointed)
    assert 10 == tuner.fit()[0].metrics["training_iteration"]  # type: ignore[index]  # a finished trial has metrics
    (run,) = read_runs(tmp_path).values()
    iterations = run.rows("training_iteration")
    assert [*range(1, 11)] == iterations == run.rows("_step")
    assert 2 == len(run.files)
    assert 0 == run.exit_code


def test_an_experiment_that_was_restored_is_uploaded_whole(wandb_server: WandbServer, tmp_path: Path) -> None:
    """A trial that failed goes on in another file, once after an upload: all rows of all files are there, once."""

    def fails_twice(config: dict[str, Any]) -> None:
        checkpoint = tune.get_checkpoint()
        first = 0 if checkpoint is None else int(Path(checkpoint.path, "step").read_text())
        for step in range(first + 1, first + 3):
            folder = Path(config["folder"], str(step))
            folder.mkdir()
            (folder / "step").write_text(str(step))
            tune.report({"loss": step}, checkpoint=tune.Checkpoint(str(folder)))
        if step < 6:
            raise ValueError("on purpose")

    experiment = tmp_path / "ray" / "exp"
    fit(fails_twice, {"folder": str(tmp_path)}, offline(tmp_path), tmp_path)
    for uploaded in (0, 1):
        if uploaded:
            assert 0 == len(sync_runs(ExperimentRuns.load(experiment)).not_uploaded)
        tune.Tuner.restore(str(experiment), fails_twice, resume_errored=True).fit()
        (run,) = ExperimentRuns.load(experiment).values()
        assert (2 + uploaded, 4 + 2 * uploaded, False) == (len(run.paths), run.rows, run.uploaded)
    runs = sync_runs(ExperimentRuns.load(experiment))
    assert 0 == len(runs.not_uploaded)
    assert 6 == runs.rows
    (there,) = wandb_server.all_runs
    assert [*range(1, 7)] == [row["loss"] for row in there.history]
    assert 0 == there.exit_code


def test_a_time_budget_ends_the_runs_as_tune_ended_the_trials(tmp_path: Path) -> None:
    """The trials are terminated by Tune: their runs are finished, with what they had reported."""

    def endless(config: dict[str, Any]) -> None:
        while True:
            tune.report({"loss": 1})
            time.sleep(0.05)

    for budget_s in (5, 25, 125):  # on a busy machine, no trial may have begun in the first of them
        folder = tmp_path / str(budget_s)
        logger = WandbLogger(project="p", mode="offline", dir=folder)
        runs = fit(endless, {}, logger, folder, time_budget_s=budget_s)
        if any(len(run.history) > 1 for run in runs.values()):
            break
    (run,) = runs.values()
    assert 0 == run.exit_code
    assert len(run.history) == logger.runs[run.trial_id].rows > 1


def test_two_experiments_in_one_process(tmp_path: Path) -> None:
    """A logger serves one experiment after the other; each has its runs."""
    for number in range(2):
        logger = WandbLogger(project="p", mode="offline", dir=tmp_path)
        fit(train, {"lr": 1}, logger, tmp_path, run_config={"name": f"exp{number}"})
    assert ["exp0", "exp1"] == sorted(run.group for run in read_runs(tmp_path).values())


def reports_pictures(config: dict[str, Any]) -> None:
    tune.report(
        {
            "picture": np.zeros((20, 30, 3), dtype=np.uint8),
            "pictures": np.zeros((2, 20, 30, 3), dtype=np.uint8),
        }
    )


def test_media(tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """``media=True`` makes images of arrays, with ``image_kwargs``; without it they are left out, by name."""
    # Tune's TensorBoard logger takes images with the channels first only, and raises.
    monkeypatch.setenv("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    logger = WandbLogger(project="p", mode="offline", dir=tmp_path / "a", media=True, image_kwargs={"caption": "here"})
    (run,) = fit(reports_pictures, {}, logger, tmp_path / "a").values()
    row = run.history[0]
    assert ("image-file", 30, 20, "here") == tuple(
        row["picture"][key] for key in ("_type", "width", "height", "caption")
    )
    assert ("images/separated", 2) == (row["pictures"]["_type"], row["pictures"]["count"])
    assert (run.files[0].parent / "files" / row["picture"]["path"]).is_file()
    logger = WandbLogger(project="p", mode="offline", dir=tmp_path / "b")
    (run,) = fit(reports_pictures, {}, logger, tmp_path / "b").values()
    assert not {"picture", "pictures"} & run.history[0].keys()
    assert "'picture' is left out" in caplog.text
