"""What Ray's WandbLoggerCallback takes, argument by argument: each is seen at work on a real run.

Offline where that shows it; against a W&B server on this machine where a key or an upload is the matter.
"""

from __future__ import annotations

import inspect
import json
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from attrs import frozen
from ray import tune
from ray.air.integrations.wandb import WandbLoggerCallback
from ray.air.integrations.wandb import setup_wandb as rays_setup_wandb

from tests.support.offline import OfflineRun, read_runs
from tests.wandb_server import WandbServer
from tests.wandb_server.faults import Fault
from typed_tune_wandb import RunRecord, WandbInitKwargs, WandbLogger, WandbSettingsError

if TYPE_CHECKING:
    from wandb import Run

pytestmark = pytest.mark.usefixtures("small_ray")

KEY = "fedcba9876543210fedcba9876543210fedcba98"


def train(config: dict[str, Any]) -> None:
    arrays = {"image": np.zeros((4, 4, 3), np.uint8), "video": np.zeros((1, 2, 3, 16, 16), np.uint8)}
    if config.get("wandb", {}).get("name") != "all":
        arrays = {}
    for step in (1, 2):
        metrics = {"loss": step, "drop": step, "net": {"hidden": step, "shown": step}}
        tune.report({**metrics, **arrays, "experiment_id": step})  # the last one is config to Ray's callback and here


def saves(config: dict[str, Any]) -> None:
    Path("weights").mkdir()
    Path("weights", "model").write_text("1")
    tune.report({"loss": 1}, checkpoint=tune.Checkpoint.from_directory("weights"))


def fit(logger: WandbLogger, folder: Path, trainable: Callable[..., None] = train, **space: Any) -> None:
    run_config = tune.RunConfig(callbacks=[logger], storage_path=str(folder / "ray"), name="exp", verbose=0)
    tune.Tuner(trainable, param_space=space, run_config=run_config).fit()


# --- the hooks: named in variables, called by the library -------------------------------------------------------------


def return_key() -> str:
    """WANDB_SETUP_API_KEY_HOOK."""
    return KEY


def populate_location() -> None:
    """WANDB_POPULATE_RUN_LOCATION_HOOK."""
    os.environ.update(WANDB_PROJECT_NAME="hooked", WANDB_GROUP_NAME="hooked group")


SHOWN = ("force", "fork_from", "mode", "resume", "resume_from", "x_label")


def note_settings(run: Run) -> None:
    """WANDB_PROCESS_RUN_INFO_HOOK: writes down what the run's settings are, in the process that records it."""
    told = {name: str(getattr(run.settings, name)) for name in SHOWN}
    Path(os.environ["NOTES"], str(run.name)).write_text(json.dumps(told))


@pytest.fixture(scope="module", autouse=True)
def _hooks_can_be_imported() -> Iterator[None]:
    """The recorder's process imports the hooks from here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent.parent), prepend=os.pathsep)
        yield


# --- one experiment, a trial for each set of words that go together ---------------------------------------------------

ENTRIES: dict[str, dict[str, Any]] = {
    "all": {
        "id": "own-id",
        "notes": "a note",
        "tags": ["first", "second"],
        "job_type": "train",
        "config": {"data": "mnist"},
        "force": True,
        "resume": "allow",
        "allow_val_change": True,
        "save_code": True,
        "settings": {"x_label": "labelled", "code_dir": str(Path(__file__).parent / "typing")},
    },
    "fork_from": {"fork_from": "another?_step=1"},
    "resume_from": {"id": "another", "resume_from": "another?_step=1"},
    "config_exclude_keys": {"config_exclude_keys": ["net"]},
    "config_include_keys": {"config_include_keys": ["net"]},
    "reinit": {"reinit": "finish_previous"},
    "tensorboard": {"tensorboard": True},
    "sync_tensorboard": {"sync_tensorboard": True},
    "monitor_gym": {"monitor_gym": True},
}


@frozen
class Recorded:
    """The experiment's runs, by the names of ``ENTRIES``, and what else was seen of them."""

    folder: Path
    runs: dict[str, OfflineRun]
    records: dict[str, RunRecord]
    settings: dict[str, dict[str, str]]
    log: str


@pytest.fixture(scope="module")
def recorded(small_ray: None, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    folder = tmp_path_factory.mktemp("parity")
    notes = folder / "notes"
    notes.mkdir()
    logger = WandbLogger(
        project="mnist",
        group="a group",
        excludes=["drop", "net/hidden"],
        log_config=True,
        media=True,
        image_kwargs={"caption": "a digit"},
        video_kwargs={"format": "gif", "caption": "a film"},
        entity="team",
        dir=folder / "runs",
        mode="offline",
    )
    entries = [{"name": name, **entry} for name, entry in ENTRIES.items()]
    with pytest.MonkeyPatch.context() as patch, warnings_of("typed_tune_wandb") as warned:
        patch.setenv("WANDB_PROCESS_RUN_INFO_HOOK", "tests.test_parity.note_settings")
        patch.setenv("NOTES", str(notes))
        fit(logger, folder, net={"hidden": 1, "shown": 2}, wandb=tune.grid_search(entries))
    return Recorded(
        folder,
        {run.display_name: run for run in read_runs(folder / "runs").values()},
        {record.name: record for record in logger.runs.values()},
        {path.name: json.loads(path.read_text()) for path in notes.iterdir()},
        "".join(warned),
    )


@contextmanager
def warnings_of(name: str) -> Iterator[list[str]]:
    """What a logger says meanwhile: caplog is of one test alone."""
    said: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]  # shorter than a class
    logging.getLogger(name).addHandler(handler)
    yield said
    logging.getLogger(name).removeHandler(handler)


# --- the callback's own arguments -------------------------------------------------------------------------------------


def test_project(recorded: Recorded) -> None:
    """Every run is in it."""
    assert {"mnist"} == {run.project for run in recorded.runs.values()}


def test_group(recorded: Recorded) -> None:
    """Every run is in it."""
    assert {"a group"} == {run.group for run in recorded.runs.values()}


def test_excludes(recorded: Recorded) -> None:
    """Metrics and config, nested too, and no more than these."""
    for run in recorded.runs.values():
        assert [[1, 2], [1, 2], [], []] == [run.rows(key) for key in ("loss", "net/shown", "drop", "net/hidden")]
    assert {"shown": 2} == recorded.runs["all"].config["net"]


def test_log_config(recorded: Recorded) -> None:
    """The config of each result is in its row, less what is excluded; without log_config it is not."""
    run = recorded.runs["all"]
    assert [2, 2] == run.rows("config/net/shown")
    assert [] == run.rows("config/net/hidden")


def test_image_kwargs(recorded: Recorded) -> None:
    """They are wandb.Image's."""
    assert ["a digit"] * 2 == [image["caption"] for image in recorded.runs["all"].rows("image")]


def test_video_kwargs(recorded: Recorded) -> None:
    """They are wandb.Video's, which makes no video of an array without a format, nor without moviepy."""
    videos = recorded.runs["all"].rows("video")
    if find_spec("moviepy") is None:
        assert [] == videos
        assert "'video' is left out" in recorded.log
        assert "wandb.Video requires moviepy" in recorded.log  # the format was there
    else:
        assert [(".gif", "a film")] * 2 == [(Path(video["path"]).suffix, video["caption"]) for video in videos]


def test_upload_checkpoints(tmp_path: Path) -> None:
    """A checkpoint that Tune saved is an artifact of the run."""
    fit(WandbLogger(project="p", mode="offline", dir=tmp_path, upload_checkpoints=True), tmp_path, saves)
    (run,) = read_runs(tmp_path).values()
    (artifact,) = run.artifacts
    assert ("model", f"checkpoint_{run.display_name}") == (artifact.type, artifact.name)
    assert "model" in [entry.path for entry in artifact.manifest.contents]


def test_save_checkpoints() -> None:
    """Ray's deprecated alias of upload_checkpoints is no option here."""
    with pytest.raises(WandbSettingsError, match="save_checkpoints"):
        WandbLogger(save_checkpoints=True)  # type: ignore[call-arg]  # the mistake


def test_upload_timeout(wandb_server: WandbServer, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """fit() waits no longer for a server that takes nothing, and names the run that is not up."""
    wandb_server.faults.add(Fault("file_stream", status=500, times=100_000))
    logger = WandbLogger(project="p", upload_timeout=3)
    fit(logger, tmp_path)
    (run,) = logger.runs.values()
    assert (
        f"The W&B run {run.name} ({run.id}) is not on the server as it should be: it was not up after 3 s"
        in caplog.text
    )
    assert run.path in caplog.text


# --- the key: what the server receives --------------------------------------------------------------------------------


def keys_sent(server: WandbServer, folder: Path, **words: Any) -> set[str]:
    """The keys that an experiment of one trial logs in with."""
    fit(WandbLogger(project="p", **words), folder)
    assert 1 == len(server.runs)
    return server.keys_seen


def test_api_key(wandb_server: WandbServer, tmp_path: Path) -> None:
    """It is the key, rather than the variable's."""
    assert {KEY} == keys_sent(wandb_server, tmp_path, api_key=KEY)


def test_api_key_file(wandb_server: WandbServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key is the file's one line, rather than the variable's; ~ is the driver's home."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".key").write_text(f"{KEY}\n")
    assert {KEY} == keys_sent(wandb_server, tmp_path, api_key_file="~/.key")


def test_wandb_api_key(wandb_server: WandbServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without either, WANDB_API_KEY holds it; the hook is not asked."""
    monkeypatch.setenv("WANDB_SETUP_API_KEY_HOOK", "no.such.hook")
    assert {os.environ["WANDB_API_KEY"]} == keys_sent(wandb_server, tmp_path)


def test_wandb_setup_api_key_hook(wandb_server: WandbServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no key is anywhere, the hook returns it."""
    monkeypatch.delenv("WANDB_API_KEY")
    monkeypatch.setenv("WANDB_SETUP_API_KEY_HOOK", "tests.test_parity.return_key")
    assert {KEY} == keys_sent(wandb_server, tmp_path)


# --- where a run goes: the other variables and hooks ------------------------------------------------------------------


def test_wandb_project_name_group_name_and_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """WANDB_PROJECT_NAME, WANDB_GROUP_NAME and WANDB_MODE say what nobody else says."""
    monkeypatch.setenv("WANDB_PROJECT_NAME", "the variable's")
    monkeypatch.setenv("WANDB_GROUP_NAME", "the variable's group")
    monkeypatch.setenv("WANDB_MODE", "offline")
    fit(WandbLogger(dir=tmp_path), tmp_path)
    (run,) = read_runs(tmp_path).values()
    assert "the variable's" == run.project
    assert "the variable's group" == run.group
    assert run.files[0].parent.name.startswith("offline-run-")


def test_wandb_populate_run_location_hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no project is named, the hook sets the variables of project and group."""
    for name in ("WANDB_PROJECT_NAME", "WANDB_GROUP_NAME"):
        monkeypatch.setenv(name, "")  # so that they are taken back afterwards
    monkeypatch.setenv("WANDB_POPULATE_RUN_LOCATION_HOOK", "tests.test_parity.populate_location")
    fit(WandbLogger(mode="offline", dir=tmp_path), tmp_path)
    (run,) = read_runs(tmp_path).values()
    assert ("hooked", "hooked group") == (run.project, run.group)


def test_wandb_process_run_info_hook(recorded: Recorded) -> None:
    """It was called with every run that was opened."""
    assert recorded.runs.keys() == recorded.settings.keys()


# --- **kwargs: wandb.init's parameters --------------------------------------------------------------------------------

NEEDS_TENSORBOARD = "Please install tensorboard package"
NEEDS_GYM = "Couldn't import the gymnasium python package"

# What each parameter does to a run. Of those whose package is not installed, it is what wandb says to that.
EFFECTS: dict[str, Callable[[Recorded], tuple[object, object]]] = {
    "entity": lambda seen: ("team", seen.runs["all"].entity),
    "project": lambda seen: ("mnist", seen.runs["all"].project),
    "dir": lambda seen: (seen.folder / "runs" / "wandb", seen.runs["all"].files[0].parents[1]),
    "id": lambda seen: ("own-id", seen.runs["all"].id),
    "name": lambda seen: ({*ENTRIES}, {*seen.records}),
    "notes": lambda seen: ("a note", seen.runs["all"].notes),
    "tags": lambda seen: (["first", "second"], seen.runs["all"].tags),
    "config": lambda seen: ("mnist", seen.runs["all"].config["data"]),
    "config_exclude_keys": lambda seen: (False, "net" in seen.runs["config_exclude_keys"].config),
    "config_include_keys": lambda seen: ((True, False), _has(seen.runs["config_include_keys"], "net", "data")),
    # wandb 0.31 takes it and looks at it no more; with the recorder every value may change.
    "allow_val_change": lambda seen: (2, seen.runs["all"].config["ray_tune"]["experiment_id"]),
    "group": lambda seen: ("a group", seen.runs["all"].group),
    "job_type": lambda seen: ("train", seen.runs["all"].job_type),
    "mode": lambda seen: ("offline", seen.settings["all"]["mode"]),
    "force": lambda seen: ("True", seen.settings["all"]["force"]),
    # The recorder holds all runs in one process: what would end the others is not handed on.
    "reinit": lambda seen: ({2}, {len(run.history) for run in seen.runs.values()}),
    "resume": lambda seen: ("allow", seen.settings["all"]["resume"]),
    "resume_from": lambda seen: ({"run_id": "another", "step": 1}, _branch_point(seen.runs["resume_from"])),
    "fork_from": lambda seen: ({"run_id": "another", "step": 1}, _branch_point(seen.runs["fork_from"])),
    "save_code": lambda seen: (["code"], [artifact.type for artifact in seen.runs["all"].artifacts]),
    "tensorboard": lambda seen: (True, NEEDS_TENSORBOARD in str(seen.records["tensorboard"].problem)),
    "sync_tensorboard": lambda seen: (True, NEEDS_TENSORBOARD in str(seen.records["sync_tensorboard"].problem)),
    "monitor_gym": lambda seen: (True, NEEDS_GYM in str(seen.records["monitor_gym"].problem)),
    "settings": lambda seen: ("labelled", seen.settings["all"]["x_label"]),
}


def _has(run: OfflineRun, *keys: str) -> tuple[bool, ...]:
    return tuple(key in run.config for key in keys)


def _branch_point(run: OfflineRun) -> object:
    return run.config["_wandb"]["branch_point"]


@pytest.mark.parametrize("parameter", WandbInitKwargs.__annotations__)
def test_kwargs(parameter: str, recorded: Recorded) -> None:
    """Each parameter of wandb.init that this library knows is handed on, and does its work."""
    expected, actual = EFFECTS[parameter](recorded)
    assert expected == actual


# --- nothing is forgotten ---------------------------------------------------------------------------------------------


def test_every_argument_of_rays_callback_has_a_test() -> None:
    """The installed Ray's: a new one has to be looked at."""
    tested = {name.removeprefix("test_") for name in globals()}
    assert [] == [name for name in inspect.signature(WandbLoggerCallback).parameters if name not in tested]


# --- docs/migration.md ------------------------------------------------------------------------------------------------

PAGE = (Path(__file__).parent.parent / "docs" / "migration.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("theirs", [WandbLoggerCallback, rays_setup_wandb])
def test_the_page_names_every_argument(theirs: Callable[..., object]) -> None:
    """A row for each, in the section of its own name."""
    (section,) = re.findall(rf"^## `{theirs.__name__}`\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^\| `([*\w]+)` \|", section, re.MULTILINE)
    assert [str(parameter).split(":")[0] for parameter in inspect.signature(theirs).parameters.values()] == rows


def test_the_pages_programs_run(tmp_path: Path) -> None:
    """One after the other; each records a run, with a row for every report."""
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    environment = {**os.environ, "RAY_ADDRESS": "local", "HOME": str(tmp_path), "WANDB_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert 0 == done.returncode, done.stderr
    runs = sorted(read_runs(tmp_path).values(), key=lambda run: len(run.history), reverse=True)
    assert [("mnist", 0)] * 3 == [(run.project, run.exit_code) for run in runs]
    first = runs[0].config["a"]
    assert [[first, first + 1, first + 2], [0.1], [0.1]] == [run.rows("loss") for run in runs]


@pytest.mark.usefixtures("small_ray")
def test_tunes_own_system_metrics(tmp_path: Path) -> None:
    """As docs/migration.md has them: with ``log_sys_usage`` in the search space, each result has its node's."""

    def slow(config: dict[str, Any]) -> None:
        for _ in range(2):
            time.sleep(1.5)  # Tune looks every 0.7 s
            tune.report({"loss": 1})

    fit(WandbLogger(project="p", mode="offline", dir=tmp_path), tmp_path, slow, log_sys_usage=True)
    (run,) = read_runs(tmp_path).values()
    for name in ("cpu", "ram"):
        assert 2 == sum(0 <= value <= 100 for value in run.rows(f"perf/{name}_util_percent"))
