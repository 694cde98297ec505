"""setup_wandb: in a Tune function, on Ray Train workers (V1 and V2), and in a plain script."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import ray.train
from ray import air, tune
from ray.train.data_parallel_trainer import DataParallelTrainer as TrainerV1
from ray.train.v2.api import config as v2
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer as TrainerV2

from tests.support.offline import OfflineRun, read_runs
from typed_tune_wandb import WandbConfigDict, WandbSettings, WandbSettingsError, setup_wandb
from typed_tune_wandb.settings import RunOverrides


@contextmanager
def small_ray_of(**environment: str) -> Iterator[None]:
    """A small Ray whose workers inherit the address of a wandb service that is gone, as if the driver had had one."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"WANDB_SERVICE": "3-1-unix-/no/such/socket", **environment}.items():
            patch.setenv(name, value)
        ray.init(
            address="local", num_cpus=4, include_dashboard=False, object_store_memory=100_000_000, log_to_driver=False
        )
        patch.delenv("WANDB_SERVICE")
        yield
    ray.shutdown()


@pytest.fixture
def ray_with_a_dead_service() -> Iterator[None]:
    """For one test."""
    with small_ray_of():
        yield


def loop(config: dict[str, Any]) -> None:
    """A train loop: a run on rank 0 alone, then one on each rank."""
    rank = ray.train.get_context().get_world_rank()
    os.environ["WANDB_RUN_ID"] = "of-the-job"  # it may not make one run of all ranks
    for folder, rank_zero_only in (("zero", True), ("each", False)):
        words = {**config["wandb"], "dir": f"{config['folder']}/{folder}"}
        run = setup_wandb({"lr": config["lr"], "wandb": words}, rank_zero_only=rank_zero_only)
        assert run.disabled == (rank_zero_only and rank > 0)
        run.log({"rank": rank})
        run.finish()


def train_v1(config: dict[str, Any], folder: Path) -> None:
    run_config = tune.RunConfig(name="training", storage_path=str(folder), verbose=0)
    scaling = air.ScalingConfig(num_workers=2)
    with small_ray_of(RAY_TRAIN_V2_ENABLED="0"):
        TrainerV1(loop, train_loop_config=config, scaling_config=scaling, run_config=run_config).fit()


def train_v2(config: dict[str, Any], folder: Path) -> None:
    run_config: Any = v2.RunConfig(name="training", storage_path=str(folder))  # mypy knows V1's parameters alone
    scaling = v2.ScalingConfig(num_workers=2)
    with small_ray_of(RAY_TRAIN_V2_ENABLED="1"):
        TrainerV2(loop, train_loop_config=config, scaling_config=scaling, run_config=run_config).fit()


Folders = tuple[dict[str, OfflineRun], dict[str, OfflineRun]]


@pytest.fixture(scope="module", params=[train_v1, train_v2], ids=["V1", "V2"])
def workers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """The runs of two Ray Train workers: by default, and with rank_zero_only=False."""
    folder = tmp_path_factory.mktemp("runs")
    train: Callable[[dict[str, Any], Path], None] = request.param
    train({"lr": 1, "folder": str(folder), "wandb": {"project": "p", "mode": "offline"}}, folder / "ray")
    return read_runs(folder / "zero"), read_runs(folder / "each")


def test_rank_zero_alone_records(workers: Folders) -> None:
    """One run of two workers, named and grouped by the experiment or its trial, with the config less the entry."""
    (run,) = workers[0].values()
    assert ([0], 0, "p", "training") == (run.rows("rank"), run.exit_code, run.project, run.group)
    assert run.display_name
    assert {"lr": 1} == {k: v for k, v in run.config.items() if k != "_wandb"}


def test_every_rank_records(workers: Folders) -> None:
    """With rank_zero_only=False: a run of its own id and name for each, in one group."""
    runs = sorted(workers[1].values(), key=lambda run: run.display_name)
    assert [[0], [1]] == [run.rows("rank") for run in runs]
    assert ["-rank-0", "-rank-1"] == [run.display_name[-7:] for run in runs]
    assert ["training", "training"] == [run.group for run in runs]
    assert 2 == len({run.id for run in runs} - {"of-the-job"})


@pytest.mark.usefixtures("ray_with_a_dead_service")
def test_in_a_tune_function(tmp_path: Path) -> None:
    """The run has the trial's id, its name and the experiment's name; an override counts most."""

    def train(config: dict[str, Any]) -> None:
        run = setup_wandb(config, name="own name")
        try:
            for step in range(5):
                run.log({"step": step})
                tune.report({"step": step})
        finally:
            run.finish()

    entry = {"project": "p", "mode": "offline", "dir": str(tmp_path), "name": "entry's name"}
    run_config = tune.RunConfig(name="exp", storage_path=str(tmp_path / "ray"), verbose=0)
    (result,) = tune.Tuner(train, param_space={"wandb": entry}, run_config=run_config).fit()
    (run,) = read_runs(tmp_path).values()
    assert result.metrics is not None
    assert (result.metrics["trial_id"], "own name", "exp") == (run.trial_id, run.display_name, run.group)
    assert ([0, 1, 2, 3, 4], 0) == (run.rows("step"), run.exit_code)


SCRIPT = """
from typed_tune_wandb import WandbSettings, setup_wandb

settings = WandbSettings(project="p", mode="offline", name="settings' name", tags=["a"])
run = setup_wandb({"lr": 1, "wandb": {"name": "entry's name"}}, settings=settings, notes="override")
run.log({"loss": 1})
"""


def test_in_a_plain_script(tmp_path: Path) -> None:
    """The entry counts more than the settings; without finish() the run ends with the script."""
    # A child of a process that has a wandb service would use that one, and leave its run open there.
    environment = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
    subprocess.run([sys.executable, "-c", SCRIPT], cwd=tmp_path, env=environment, check=True, timeout=120)
    (run,) = read_runs(tmp_path / "wandb").values()
    assert ("entry's name", ["a"], "override") == (run.display_name, run.tags, run.notes)
    assert ([1], {"lr": 1}) == (run.rows("loss"), {k: v for k, v in run.config.items() if k != "_wandb"})
    assert 0 == run.exit_code


def test_mistakes_come_before_the_run() -> None:
    """In the overrides, in wandb's own settings, and a missing project."""
    with pytest.raises(WandbSettingsError, match=r"setup_wandb\(...\)") as caught:
        setup_wandb(project=1, tgas=["a"])  # type: ignore[arg-type, call-arg]  # the mistakes
    assert ["project", "tgas"] == sorted(problem.path for problem in caught.value.problems)
    with pytest.raises(WandbSettingsError, match=r"settings\.x_stats_sampling_interval: expected a number, got str"):
        setup_wandb(
            project="p", mode="offline", settings=WandbSettings(settings={"x_stats_sampling_interval": "often"})
        )
    with pytest.raises(WandbSettingsError, match="no W&B project"):
        setup_wandb(mode="offline")


def test_the_overrides_are_the_entrys_options() -> None:
    """All but those that are parameters, with the same types."""
    words = get_type_hints(WandbConfigDict)
    parameters = {"config", "settings", "api_key", "api_key_file"}
    assert {name: words[name] for name in words.keys() - parameters} == get_type_hints(RunOverrides)


def test_the_options_of_a_yaml_file_override_the_config(tmp_path: Path) -> None:
    """As those of the entry's ``config`` do where it is a dict."""
    file = tmp_path / "config.yaml"
    file.write_text("lr: {value: 2}\n")
    run = setup_wandb({"lr": 1, "seed": 3}, project="p", mode="offline", settings=WandbSettings(config=str(file)))
    assert {"lr": 2, "seed": 3} == dict(run.config)
    run.finish()
