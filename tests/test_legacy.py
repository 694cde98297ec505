"""The documented page's names on today's Ray: legacy.run, legacy.report and DEFAULT_LOGGERS."""

from __future__ import annotations

import base64
import inspect
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
import wandb
from ray import tune as ray_tune
from ray.tune.experiment import Trial
from ray.tune.logger import CSVLoggerCallback, JsonLoggerCallback, LoggerCallback, TBXLoggerCallback

from tests.support import checkers
from tests.support.offline import OfflineRun, read_runs
from typed_tune_wandb import WandbLogger, WandbSettings, WandbSettingsError
from typed_tune_wandb import legacy as tune
from typed_tune_wandb._secret import Secret
from typed_tune_wandb.legacy import DEFAULT_LOGGERS
from typed_tune_wandb.settings._search_space import enumerate_entries, redact_api_keys

KEY = "0123456789abcdef0123456789abcdef01234567"
with_ray = pytest.mark.usefixtures("small_ray")


def train(config: dict[str, Any]) -> None:
    for step in range(3):
        tune.report(loss=config.get("lr", 1) * step)


def run(folder: Path, trainable: Any = train, **arguments: Any) -> dict[str, OfflineRun]:
    """Run an experiment below a folder, and read its W&B runs back."""
    tune.run(trainable, name="exp", storage_path=str(folder / "ray"), verbose=0, **arguments)
    return read_runs(folder)


def entry(folder: Path, **words: Any) -> dict[str, Any]:
    """An entry whose offline files go below a folder."""
    return {"project": "p", "mode": "offline", "dir": str(folder), **words}


class Every(LoggerCallback):
    """Writes a line for every result: who writes twice has two."""

    def __init__(self, path: str = "every.txt") -> None:
        self.path = path

    def log_trial_result(self, iteration: int, trial: Trial, result: dict[str, Any]) -> None:
        with Path(self.path).open("a") as file:
            print(result["loss"], file=file)


class OwnCsv(CSVLoggerCallback):
    """A user's own version of one of Tune's loggers."""


own_csv: CSVLoggerCallback = OwnCsv()  # type: ignore[no-untyped-call]  # Tune's


# --- run ------------------------------------------------------------------------------------------


def old(config: dict[str, Any]) -> None:
    tune.report(loss=1.0)
    tune.report({"loss": 2.0, "eval/loss": 2.5})
    tune.report(metrics={"loss": 3.0})
    tune.report(loss=config["lr"], done=True)
    tune.report(loss=5.0)


@with_ray
def test_the_pages_call_records_every_trial(tmp_path: Path) -> None:
    """loggers=DEFAULT_LOGGERS + (WandbLogger,): a run per trial, every form of report a row, done=True the last one."""
    space = {"lr": tune.grid_search([4.0, 40.0]), "wandb": entry(tmp_path, log_config=True)}
    runs = run(tmp_path, old, config=space, loggers=DEFAULT_LOGGERS + (WandbLogger,))  # noqa: RUF005  # the page's
    assert 2 == len(runs)
    for found in runs.values():
        assert [1.0, 2.0, 3.0, found.config["lr"]] == found.rows("loss")
        assert [2.5] == found.rows("eval/loss")
        assert [found.config["lr"]] * 4 == found.rows("config/lr")
        assert 0 == found.exit_code
        assert "exp" == found.group


@with_ray
@pytest.mark.parametrize(
    ("loggers", "callbacks"),
    [
        (None, None),
        ([*DEFAULT_LOGGERS, *DEFAULT_LOGGERS], [CSVLoggerCallback()]),
        ((*DEFAULT_LOGGERS, own_csv, OwnCsv), [JsonLoggerCallback()]),
        ((Every, Every), [Every()]),
    ],
    ids=["none", "twice", "own", "class-and-instance"],
)
def test_nothing_is_written_twice(loggers: Any, callbacks: Any, tmp_path: Path) -> None:
    """However loggers and callbacks repeat each other and Tune's own: one CSV, one JSON, each row once."""
    run(tmp_path, config={"lr": 2}, loggers=loggers, callbacks=callbacks)
    (csv,) = tmp_path.rglob("progress.csv")
    assert ["0", "2", "4"] == [line.split(",")[0] for line in csv.read_text().splitlines()[1:]]
    (lines,) = tmp_path.rglob("result.json")
    assert [0, 2, 4] == [json.loads(line)["loss"] for line in lines.read_text().splitlines()]
    assert 1 == len(list(tmp_path.rglob("events.out.tfevents.*")))
    if "Every" in str((loggers, callbacks)):
        assert "0\n2\n4\n" == Path("every.txt").read_text()


@with_ray
def test_without_tunes_automatic_loggers_the_named_ones_alone_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TUNE_DISABLE_AUTO_CALLBACK_LOGGERS=1 gives loggers= its first meaning back: these and no others."""
    monkeypatch.setenv("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    run(tmp_path, loggers=(JsonLoggerCallback,))
    assert ["result.json"] == [
        path.name for path in tmp_path.rglob("*") if path.name in ("result.json", "progress.csv")
    ]


@with_ray
def test_two_wandb_loggers_are_two_recordings(tmp_path: Path) -> None:
    """Instances of one class differ in what they were given: both are used, each with the entry over its defaults."""
    loggers = [WandbLogger(project=name, dir=tmp_path / name, mode="offline") for name in ("a", "b")]
    run(tmp_path, loggers=loggers, config={"wandb": {"tags": ["x"]}})
    for name in ("a", "b"):
        (found,) = read_runs(tmp_path / name).values()
        assert (name, ["x"], [0, 1, 2]) == (found.project, found.tags, found.rows("loss"))


@pytest.mark.parametrize(
    ("loggers", "said"),
    [
        (WandbLogger, "list or tuple"),
        ("csv", "list or tuple"),
        (("csv",), "got str"),
        ((dict,), "got dict"),
        ((ray_tune.Callback,), "got Callback: other callbacks go to callbacks="),
        ((DEFAULT_LOGGERS,), "got tuple"),
    ],
)
def test_what_is_no_logger_is_a_type_error(loggers: Any, said: str) -> None:
    """It says what was given and where it belongs, before Ray starts."""
    with pytest.raises(TypeError, match="loggers takes") as caught:
        tune.run(train, loggers=loggers)
    assert said in str(caught.value)


PROGRAM = """
import time
import ray
imported = time.process_time()
from typed_tune_wandb import WandbLogger, WandbSettingsError
from typed_tune_wandb.legacy import DEFAULT_LOGGERS, run

before = time.process_time()
try:
    run(print, config={"wandb": {"project": 1, "tgas": ["a"]}}, loggers=DEFAULT_LOGGERS + (WandbLogger,))
except WandbSettingsError as error:
    took = time.process_time() - before
    print([problem.path for problem in error.problems], ray.is_initialized(), took < imported)
"""


@pytest.mark.process
def test_a_mistake_costs_less_than_the_import_of_ray() -> None:
    """The error comes with every mistake, without Ray, and with less CPU time than ``import ray`` (a quarter of it)."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120, check=True)
    assert "['project', 'tgas'] False True" == done.stdout.strip()


@pytest.mark.parametrize("place", [{}, {"logger_config": {}}])
@pytest.mark.process
def test_every_mistake_stops_run_before_ray_starts(place: dict[str, Any]) -> None:
    """In the entry, in RLlib's nesting, in a search value, in the key's file, a missing entry, a missing project."""

    def problems(loggers: Any = (WandbLogger,), **words: Any) -> list[str]:
        config = {"logger_config": {"wandb": words}} if place else {"wandb": words}
        with pytest.raises(WandbSettingsError) as caught:
            tune.run(train, config=config, loggers=loggers)
        return [problem.path for problem in caught.value.problems]

    ray.shutdown()
    assert ["mode"] == problems(project="p", mode="ofline")
    assert ["tgas", "mode"] == problems(loggers=None, tgas=["a"], mode="ofline")
    assert ["mode"] == problems(project="p", mode=tune.choice(["offline", "ofline"]))
    assert ["project"] == problems(mode="offline")
    assert ["api_key_file"] == problems(project="p", mode="online", api_key_file="no/such/file")
    assert ["api_key"] == problems(project="p", mode="online")
    with pytest.raises(WandbSettingsError, match="no W&B entry"):
        tune.run(train, config={"lr": 1}, loggers=(WandbLogger,))
    assert not ray.is_initialized()


# --- RLlib ---


class Algorithm(tune.Trainable):
    """What a config and a result of RLlib hold; RLlib itself refuses every algorithm without PyTorch."""

    def step(self) -> dict[str, Any]:
        runners = {"episode_return_mean": 20.0, "hist_stats": {"episode_lengths": [20, 21]}}
        learners = {"default_policy": {"total_loss": np.float32(0.5), "curr_lr": self.config["lr"]}}
        return {"env_runners": runners, "learners": learners, "timers": {"sample": 0.1}, "config": self.config}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        Path(checkpoint_dir, "algorithm_state").touch()


@with_ray
def test_rllibs_call_records_it(tmp_path: Path) -> None:
    """The old RLlib page's: a registered name, classes and functions in the config, the entry in logger_config.

    With a trainable of RLlib's config shape: an algorithm of RLlib itself needs PyTorch, which installs more than 5 GB.
    """
    tune.register_trainable("PPO-like", Algorithm)
    config = {
        "env": "CartPole-v1",
        "num_env_runners": 0,
        "lr": tune.grid_search([0.1, 0.2]),
        "callbacks_class": Every,
        "policy_mapping_fn": lambda agent_id, episode: "default_policy",
        "model": {"fcnet_hiddens": [64, 64], "custom_model": None},
        "logger_config": {"wandb": entry(tmp_path, project="PPO", api_key=KEY, excludes=["timers"])},
    }
    runs = run(tmp_path, "PPO-like", config=config, loggers=[WandbLogger], stop={"training_iteration": 2})
    assert {0.1, 0.2} == {found.config["lr"] for found in runs.values()}
    for found in runs.values():
        assert ("PPO", "CartPole-v1", [64, 64]) == (
            found.project,
            found.config["env"],
            found.config["model"]["fcnet_hiddens"],
        )
        assert "wandb" not in found.config.get("logger_config", {})
        assert [20.0, 20.0] == found.rows("env_runners/episode_return_mean")
        assert [0.5, 0.5] == found.rows("learners/default_policy/total_loss")
        assert [] == found.rows("timers/sample")
        assert 0 == found.exit_code


# --- search values in the entry -------------------------------------------------------------------


def test_known_values_of_search_values_are_checked() -> None:
    """Each mistake in each category is named, once; what nobody can know yet is not."""
    entry = {
        "project": tune.choice(["a", "b/c", "d/e"]),
        "name": tune.sample_from(lambda spec: "any"),
        "notes": tune.uniform(0, 1),
        "tags": tune.grid_search([["a"], "abc"]),
        "excludes": ["x", tune.choice(["y", 1])],
        "group": {"eval": "'any'"},
        "job_type": {"grid_search": ["train", 1]},
        "nmae": tune.sample_from(lambda spec: "any"),
    }
    with pytest.raises(WandbSettingsError) as caught:
        enumerate_entries(entry, 'config["wandb"]')
    paths = [problem.path for problem in caught.value.problems]
    assert ["excludes[1]", "job_type", "nmae", "notes", "project", "tags"] == sorted(paths)
    assert 'nmae: unknown key. Did you mean "name"?' in str(caught.value)


def test_right_search_values_pass() -> None:
    """In the entry, in its options, in their items, for the entry itself, one inside another."""
    tags, name = tune.choice([["a"], ["b"], ["c"]]), tune.sample_from(lambda spec: "any")
    entry = {"run_name": name, "tags": tags, "project": "p", "config": {"x": tune.uniform(0, 1)}}
    assert [("a",), ("b",), ("c",)] == [settings.tags for settings in enumerate_entries(entry, "")]
    nested = {"project": tune.grid_search(["a", "b"])}
    whole = tune.grid_search([nested, WandbSettings(project="c")])
    assert {"a", "b", "c"} == {settings.project for settings in enumerate_entries(whole, "")}


@pytest.mark.parametrize(
    "entry",
    [
        {"api_key": KEY},
        {"settings": {"api_key": KEY, "base_url": "http://127.0.0.1"}},
        {"settings": wandb.Settings(api_key=KEY)},
        WandbSettings(api_key=KEY),
        tune.choice([{"api_key": KEY}, {"project": "p"}]),
        tune.grid_search([{"api_key": KEY}]),
        {"api_key": tune.choice([KEY, KEY[::-1]]), "tags": tune.choice([["a"]])},
        {"settings": tune.grid_search([{"api_key": KEY, "base_url": "http://127.0.0.1"}])},
        {"settings": tune.choice([wandb.Settings(api_key=KEY)])},
        {"api_key": KEY, "tags": tune.choice([["a"]])},
    ],
)
def test_no_readable_key_is_left(entry: Any) -> None:
    """Wherever the key stands in an entry, a Secret stands in what Tune pickles; and it still passes validation."""
    assert KEY.encode() in pickle.dumps(entry) or isinstance(entry, WandbSettings)
    before = enumerate_entries(entry, "")
    hidden = redact_api_keys(entry, {Secret(KEY), Secret(KEY[::-1])})
    assert not [key for key in (KEY, KEY[::-1]) if key.encode() in pickle.dumps(hidden)]
    after = enumerate_entries(hidden, "")
    assert Secret(KEY) in [settings.api_key for settings in after]
    assert [settings.tags for settings in before] == [settings.tags for settings in after]


# --- the key --------------------------------------------------------------------------------------


@with_ray
def test_the_key_is_in_no_file_of_the_experiment(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Not in tuner state, params, results, TensorBoard, nor in W&B's files or on the console: plain or base64."""
    config = {"lr": tune.grid_search([1, 2]), "wandb": entry(tmp_path, api_key=KEY, log_config=True)}
    runs = run(tmp_path, config=config, loggers=(*DEFAULT_LOGGERS, WandbLogger), log_to_file=True)
    assert 2 == len(runs)
    assert KEY == config["wandb"]["api_key"]  # the user's own dict is left alone
    forms = [KEY.encode(), base64.b64encode(KEY.encode())[:-4], bytes.fromhex(KEY)]

    def holding(folder: Path) -> list[Path]:
        files = [path for path in folder.rglob("*") if path.is_file()]
        return [path for path in files if any(form in path.read_bytes() for form in forms)]

    assert [] == holding(tmp_path)
    assert not [stream for stream in capfd.readouterr() if KEY in stream]
    (tmp_path / "planted").write_bytes(b"..." + base64.b64encode(KEY.encode()))
    assert [tmp_path / "planted"] == holding(tmp_path)


# --- report ---------------------------------------------------------------------------------------


def test_report_takes_keywords_or_one_dict() -> None:
    """Anything else is a TypeError that shows both forms."""
    for wrong in ([0.5], [{"a": 1}, {"b": 2}]):
        with pytest.raises(TypeError, match=r"report\(loss=0.5\)"):
            tune.report(*wrong)
    with pytest.raises(TypeError, match=r"report\(loss=0.5\)"):
        tune.report({"a": 1}, b=2)  # type: ignore[call-overload]  # the mistake


def saves(config: dict[str, Any]) -> None:
    tune.report(loss=1)
    folder = Path("checkpoint")
    folder.mkdir()
    (folder / "weights").write_text("1")
    tune.report(loss=2, checkpoint=tune.Checkpoint.from_directory(folder))


@with_ray
def test_report_hands_a_checkpoint_on(tmp_path: Path) -> None:
    """checkpoint= is today's, beside keywords too, and no metric."""
    run(tmp_path, saves)
    (weights,) = tmp_path.rglob("weights")
    assert "checkpoint_000000" == weights.parent.name


# --- today's signature ----------------------------------------------------------------------------


def test_run_has_the_parameters_of_todays_tune_run() -> None:
    """All that tune.run takes, except its private ones; and loggers. A newer Ray's are handed on all the same."""
    theirs = {name for name in inspect.signature(ray_tune.run).parameters if not name.startswith("_")}
    ours = set(inspect.signature(tune.run).parameters) - {"arguments"} | set(tune.TuneRunKwargs.__annotations__)
    assert theirs | {"loggers"} == ours


def test_legacy_stands_in_for_all_of_ray_tune() -> None:
    """Every public name of ray.tune is here, the same object but for run and report."""
    theirs: list[str] = vars(ray_tune)["__all__"]
    changed = {name for name in theirs if getattr(tune, name) is not getattr(ray_tune, name)}
    assert {"run", "report"} == changed


TYPED = """
from typed_tune_wandb import WandbLogger, legacy as tune
from typed_tune_wandb.legacy import DEFAULT_LOGGERS


def train(config: dict[str, float]) -> None:
    tune.report(loss=config["lr"], done=True)
    tune.report({"loss": 1})
    tune.report(loss=1, checkpoint=tune.get_checkpoint())


space = {"lr": tune.uniform(0, 1), "wandb": {"project": "p"}}
analysis = tune.run(train, config=space, loggers=DEFAULT_LOGGERS + (WandbLogger, WandbLogger(project="p")))
analysis.get_best_trial("loss", "min")
"""
MISTYPED = """
from typed_tune_wandb import legacy as tune

tune.run(print, num_sample=2)  # error: mypy[call-arg] pyright[reportCallIssue]
tune.run(print, num_samples="2")  # error: mypy[arg-type] pyright[reportArgumentType]
tune.run(print, loggers=(dict,))  # error: mypy[arg-type] pyright[reportArgumentType]
tune.run(print, loggers=tune.Stopper)  # error: mypy[arg-type] pyright[reportArgumentType]
tune.report(1)  # error: mypy[call-overload] pyright[reportArgumentType]
"""


@pytest.mark.process
def test_types(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """Mypy --strict and pyright pass the page's program, and find a wrong argument of run and of report."""
    pytest.importorskip("mypy", reason="noxfile.py: what type checkers say is told of the newest versions")
    right, wrong = tmp_path / "right.py", tmp_path / "wrong.py"
    right.write_text(TYPED)
    wrong.write_text(MISTYPED)
    assert pytestconfig.cache is not None
    found = checkers.mypy([right, wrong], pytestconfig.cache.mkdir("mypy") / "stubs")
    assert checkers.expected("mypy", [right, wrong]) == [finding.without_message() for finding in found]
    found = checkers.pyright([right, wrong])
    assert checkers.expected("pyright", [right, wrong]) == [finding.without_message() for finding in found]


def test_default_loggers_are_tunes_own() -> None:
    """Today's classes of the three formats, in a tuple that can be added to."""
    assert (JsonLoggerCallback, CSVLoggerCallback, TBXLoggerCallback) == DEFAULT_LOGGERS
