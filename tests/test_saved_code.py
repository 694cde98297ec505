"""``save_code``: the user's script is saved, whichever process records the run; or the reason is given."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.offline import OfflineRun, read_runs
from typed_tune_wandb import WandbSettings, WandbSettingsError
from typed_tune_wandb.tune._saved_code import code_settings

SCRIPT = """
import sys
import ray
from ray import tune
from typed_tune_wandb import WandbLogger, WandbTrainableMixin, setup_wandb, wandb_mixin

def train(config):
    tune.report({"loss": 1})

@wandb_mixin
def mixed(config):
    tune.report({"loss": 1})

class Mixed(WandbTrainableMixin, tune.Trainable):
    def step(self):
        return {"loss": 1, "done": True}
    def save_checkpoint(self, folder):
        return {}

def sets_up(config):
    with setup_wandb(config):
        tune.report({"loss": 1})

if __name__ == "__main__":
    way, words = sys.argv[1], eval(sys.argv[2])
    if way == "script":
        setup_wandb({}, project="p", mode="offline", **words).finish()
        raise SystemExit
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    space = {"wandb": {"project": "p", "mode": "offline", "dir": sys.argv[3], **words}}
    callbacks = [WandbLogger()] if way == "logger" else []
    run_config = tune.RunConfig(storage_path=sys.argv[3], callbacks=callbacks, verbose=0)
    trainable = {"logger": train, "mixin": mixed, "class": Mixed, "setup_wandb": sets_up}[way]
    results = tune.Tuner(trainable, param_space=space, run_config=run_config).fit()
    for result in results:
        if result.error:
            raise result.error
"""


def run_script(
    way: str, words: dict[str, Any], folder: Path, *, as_text: bool = False
) -> tuple[OfflineRun | None, str]:
    """Run the script in a process of its own; return its run, and its error output."""
    script = folder / "train.py"
    script.write_text(SCRIPT)
    command = [sys.executable, *(["-c", SCRIPT] if as_text else [str(script)]), way, repr(words), str(folder / "ray")]
    path = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=200)
    runs = [*read_runs(folder).values()]
    return (runs[0] if runs else None), done.stderr


WAYS = ("logger", "mixin", "class", "script")


@pytest.mark.parametrize("way", WAYS)
def test_the_script_is_saved(way: str, tmp_path: Path) -> None:
    """It is in the run's files, under its name, and the run's config says so."""
    run, error = run_script(way, {"save_code": True}, tmp_path)
    assert run is not None, error
    saved = run.files[0].parent / "files" / "code" / "train.py"
    assert SCRIPT == saved.read_text()
    assert "code/train.py" == run.config["_wandb"]["code_path"]


@pytest.mark.parametrize("way", ["logger", "mixin"])
def test_a_folder_is_saved(way: str, tmp_path: Path) -> None:
    """A relative ``code_dir`` is the driver's, wherever the trial runs."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "model.py").write_text("x = 1")
    run, error = run_script(way, {"settings": {"save_code": True, "code_dir": "src"}}, tmp_path)
    assert run is not None, error
    (artifact,) = [artifact for artifact in run.artifacts if artifact.type == "code"]
    assert ["model.py"] == [entry.path for entry in artifact.manifest.contents]


def test_setup_wandb_in_a_trial_knows_no_script(tmp_path: Path) -> None:
    """The process is Ray's: the error says what to name instead, and then it is saved."""
    run, error = run_script("setup_wandb", {"save_code": True}, tmp_path)
    assert run is None
    assert "save_code: there is no script to save" in error
    run, error = run_script(
        "setup_wandb", {"save_code": True, "settings": {"program": str(tmp_path / "train.py")}}, tmp_path
    )
    assert run is not None, error
    assert (run.files[0].parent / "files" / "code" / "train.py").exists()


def test_a_program_without_a_script(tmp_path: Path) -> None:
    """``python -c``, a notebook: refused before the first trial, with the reason."""
    run, error = run_script("logger", {"save_code": True}, tmp_path, as_text=True)
    assert run is None
    assert "save_code: there is no script to save" in error


@pytest.mark.parametrize(
    ("nested", "path"),
    [({"code_dir": "nowhere"}, "settings.code_dir"), ({"program": "nowhere.py"}, "settings.program")],
)
def test_what_is_not_there(nested: dict[str, object], path: str) -> None:
    """A folder or a program that does not exist is a mistake, if code is to be saved."""
    with pytest.raises(WandbSettingsError) as caught:
        code_settings(WandbSettings(save_code=True, settings=nested))
    assert [path] == [problem.path for problem in caught.value.problems]
    assert {} == code_settings(WandbSettings(save_code=False, settings=nested))
    assert {} == code_settings(WandbSettings(settings=nested))


def test_a_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """``WANDB_SAVE_CODE`` saves what there is; the entry counts more."""
    (tmp_path / "train.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_SAVE_CODE", "true")
    monkeypatch.setenv("WANDB_PROGRAM", "train.py")
    assert "train.py" == code_settings(WandbSettings())["program_relpath"]
    assert {} == code_settings(WandbSettings(save_code=False))
    monkeypatch.setenv("WANDB_PROGRAM", "nowhere.py")
    assert {} == code_settings(WandbSettings())
