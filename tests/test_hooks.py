"""The program that runs an experiment is left as it was: its hooks, its environment, its signals and its processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import wandb

from tests.support.offline import read_runs
from tests.wandb_server import WandbServer
from typed_tune_wandb.settings import WandbSettings, configured_base_url, configured_setting, effective_mode

PROGRAM = """
import json, os, signal, sys, threading
import psutil
from ray import tune
from typed_tune_wandb import WandbLogger, setup_wandb, wandb_mixin
import ray

def train(config):
    tune.report({"loss": 1})

@wandb_mixin
def mixed(config):
    tune.report({"loss": 1})

def state():
    handlers = {str(number): signal.getsignal(number) for number in signal.valid_signals()}
    # Tune sets its own anew each time.
    signals = {number: getattr(handler, "__qualname__", str(handler)) for number, handler in handlers.items()}
    hooks = [repr(hook) for hook in (sys.excepthook, threading.excepthook, sys.unraisablehook, sys.displayhook)]
    cores = [p.pid for p in psutil.Process().children() if "wandb-core" in p.name()]
    environ = {name: value for name, value in os.environ.items() if name.startswith("WANDB")}
    return [hooks, signals, environ, cores]

ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
for trainable, callbacks, space in (
    (train, [], {}),
    (train, [WandbLogger(project="p")], {}),
    (mixed, [], {"wandb": {"project": "p"}}),
):
    run_config = tune.RunConfig(callbacks=callbacks, storage_path=os.getcwd() + "/ray", verbose=0)
    assert not tune.Tuner(trainable, param_space=space, run_config=run_config).fit().errors
    print(json.dumps(state()), flush=True)
raise ValueError("of the user")
"""


@pytest.fixture
def _no_session() -> Iterator[None]:
    wandb.teardown()
    yield
    wandb.teardown()


@pytest.mark.parametrize("login", ["variable", "netrc", "offline"])
def test_hooks_environment_and_signals_are_as_they_were(login: str, wandb_server: WandbServer, tmp_path: Path) -> None:
    """Where nobody says a mode, and whatever the login; a later traceback of the program is printed once."""
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    del environ["WANDB_MODE"]
    if login != "variable":
        key = environ.pop("WANDB_API_KEY")
    if login == "netrc":
        host = wandb_server.url.removeprefix("http://")
        (tmp_path / "netrc").write_text(f"machine {host} login user password {key}\n")
    if login == "offline":
        (tmp_path / "wandb").mkdir()
        (tmp_path / "wandb" / "settings").write_text("[default]\nmode = offline\n")
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=240)
    states = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[[")]
    assert 3 == len(states), done.stderr
    assert states[0] == states[1] == states[2]
    assert 1 == done.stderr.count("ValueError: of the user")
    assert (0 if login == "offline" else 2) == len(wandb_server.runs)
    assert 2 == len(read_runs(tmp_path))


class TestConfiguredSetting:
    """The same as wandb itself finds."""

    FILES = ("[default]\nmode = offline\nbase_url = http://127.0.0.1:7/\n", "[default]\nmode = online\n", "[other]\n")

    @pytest.fixture(autouse=True)
    def _nothing_configured(self, _no_session: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        for name in ("WANDB_MODE", "WANDB_BASE_URL", "WANDB_API_KEY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))

    @pytest.mark.parametrize("variable", [None, "offline", "disabled"])
    @pytest.mark.parametrize("user", [None, *FILES, "no file of settings"])
    @pytest.mark.parametrize("folder", [None, *FILES])
    def test_files_and_variables(
        self,
        variable: str | None,
        user: str | None,
        folder: str | None,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> None:
        """A variable counts more than the file of the folder, and that more than the user's."""
        if variable is not None:
            monkeypatch.setenv("WANDB_MODE", variable)
        for path, text in ((tmp_path / "config" / "settings", user), (Path("wandb", "settings"), folder)):
            if text is not None:
                path.parent.mkdir()
                path.write_text(text)
        found = effective_mode(WandbSettings()), configured_base_url()
        known = wandb.Settings()
        known.settings_system = str(tmp_path / "config" / "settings")
        known.update_from_system_settings()
        known.update_from_env_vars(dict(os.environ))
        assert (known.mode, known.base_url) == found

    def test_what_the_program_has_set_in_wandb(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The settings of its session; fails where wandb keeps them elsewhere."""
        assert configured_setting("api_key") is None
        wandb.setup(wandb.Settings(mode="disabled", base_url="http://127.0.0.1:8"))
        assert ("http://127.0.0.1:8", "disabled") == (configured_base_url(), configured_setting("mode"))
        monkeypatch.setenv("WANDB_MODE", "offline")
        assert "offline" == effective_mode(WandbSettings())
        assert "online" == effective_mode(WandbSettings(mode="online"))
