"""What is found, or made right, before the first trial trains: in real experiments, offline."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import UserDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import wandb
from ray import tune

from tests.support.byte_search import search_folder
from tests.support.offline import OfflineRun, read_runs
from typed_tune_wandb import WandbLogger, WandbSettings, WandbSettingsError, setup_wandb, wandb_mixin

KEY = "0123456789abcdef0123456789abcdef01234567"
pytestmark = pytest.mark.usefixtures("small_ray")


@pytest.fixture(scope="module", autouse=True)
def _no_wandb_is_left() -> Iterator[None]:
    """Wandb reads the environment once in a process: the next module finds none that was read here."""
    yield
    wandb.teardown()


def train(config: dict[str, Any]) -> None:
    tune.report({"loss": config.get("lr", 0)})


@wandb_mixin
def logs(config: dict[str, Any]) -> None:
    wandb.log({"loss": config.get("lr", 0)})


def fit(
    trainable: Any, space: dict[str, Any], folder: Path, *loggers: WandbLogger, **tuning: Any
) -> dict[str, OfflineRun]:
    """Run an experiment and read its runs back, by run id."""
    run_config = tune.RunConfig(name="exp", storage_path=str(folder / "ray"), callbacks=[*loggers], verbose=0)
    tune.Tuner(trainable, param_space=space, run_config=run_config, tune_config=tune.TuneConfig(**tuning)).fit()
    return read_runs(folder)


def mistakes(trainable: Any, space: dict[str, Any], folder: Path, *loggers: WandbLogger) -> list[str]:
    """The problems that an experiment ends with; no trial of it has trained."""

    def leaves_a_mark(config: dict[str, Any]) -> None:
        (folder / "trained").touch()

    with pytest.raises(WandbSettingsError) as caught:
        fit(wandb_mixin(leaves_a_mark) if trainable is logs else leaves_a_mark, space, folder, *loggers)
    assert not (folder / "trained").exists()
    return [str(problem) for problem in caught.value.problems]


@pytest.fixture(params=["logger", "mixin"])
def way_in(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Any, list[WandbLogger]]:
    """A trainable, and the loggers beside it."""
    return (logs, []) if request.param == "mixin" else (train, [WandbLogger(dir=tmp_path)])


@pytest.mark.parametrize(
    ("variable", "text", "expected"),
    [
        ("WANDB_MODE", "ofline", "WANDB_MODE: expected "),
        ("WANDB_TAGS", "a" * 65, "WANDB_TAGS[0]: expected 1 to 64 characters, got 65."),
        ("WANDB_BASE_URL", f"no {KEY}", "WANDB_BASE_URL: Input should be a valid URL"),
        ("WANDB_FORK_FROM", KEY, "WANDB_FORK_FROM: expected a moment of a run."),
    ],
)
def test_a_wrong_variable(
    variable: str, text: str, expected: str, way_in: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends the experiment before a trial has trained, whatever the entry says, and its value does not show."""
    monkeypatch.setenv(variable, text)
    trainable, loggers = way_in
    (problem,) = mistakes(trainable, {"wandb": {"project": "p", "mode": "offline"}}, tmp_path, *loggers)
    assert expected == problem[: len(expected)]
    assert KEY not in problem


@pytest.mark.parametrize(
    ("nested", "expected"),
    [
        ({"bogus": 1}, "settings.bogus: unknown key."),
        ({"console": "nowhere"}, 'settings.console: expected "auto"'),
        ({"base_url": KEY}, "settings.base_url: Input should be a valid URL"),
    ],
)
def test_wrong_settings_of_wandb(nested: dict[str, object], expected: str, way_in: Any, tmp_path: Path) -> None:
    """Also what wandb alone knows."""
    trainable, loggers = way_in
    space = {"wandb": {"project": "p", "mode": "offline", "settings": nested}}
    (problem,) = mistakes(trainable, space, tmp_path, *loggers)
    assert expected == problem[: len(expected)]
    assert KEY not in problem


def test_fork_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts like the entry's: each trial is a run of its own that forks from there."""
    monkeypatch.setenv("WANDB_FORK_FROM", "earlier?_step=3")
    logger = WandbLogger(project="p", mode="offline", dir=tmp_path)
    assert 2 == len(fit(train, {"lr": tune.grid_search([1, 2])}, tmp_path, logger))
    assert [None, None] == [run.problem for run in logger.runs.values()]
    assert "WANDB_FORK_FROM: resume of the entry and WANDB_FORK_FROM exclude each other: keep one." in mistakes(
        train, {}, tmp_path / "other", WandbLogger(project="p", mode="offline", resume="allow")
    )


def test_rewind_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One run cannot be rewound by two trials: the error names the variable."""
    monkeypatch.setenv("WANDB_RESUME_FROM", "earlier?_step=3")
    logger = WandbLogger(project="p", mode="offline", dir=tmp_path)
    with pytest.raises(WandbSettingsError, match="WANDB_RESUME_FROM"):
        fit(train, {"lr": tune.grid_search([1, 2])}, tmp_path, logger)


def test_a_run_id_of_the_environment_is_no_trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trial's own id counts more: many trials are many runs."""
    monkeypatch.setenv("WANDB_RUN_ID", "fixed")
    logger = WandbLogger(project="p", mode="offline", dir=tmp_path)
    runs = fit(train, {"lr": tune.grid_search([1, 2])}, tmp_path, logger)
    assert {run.id for run in logger.runs.values()} == set(runs)
    assert 2 == len(runs)


def test_only_a_variable(way_in: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project in the environment is enough: neither an entry nor an argument is needed; ``None`` is no entry."""
    monkeypatch.setenv("WANDB_PROJECT", "of-the-variable")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    trainable, loggers = way_in
    runs = fit(
        trainable, {"lr": tune.grid_search([1, 2]), "wandb": None}, tmp_path, *([WandbLogger()] if loggers else [])
    )
    assert ["of-the-variable"] * 2 == [run.project for run in runs.values()]
    assert [1, 2] == sorted(run.config["lr"] for run in runs.values())
    assert not [run for run in runs.values() if "wandb" in run.config]


def test_a_logger_of_the_environment(tmp_path: Path) -> None:
    """``RAY_TUNE_CALLBACKS`` makes the logger without arguments: WANDB_PROJECT is all that it takes."""
    script = tmp_path / "script.py"
    script.write_text(
        "import ray\nfrom ray import tune\n"
        "ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)\n"
        f"run_config = tune.RunConfig(storage_path={str(tmp_path)!r})\n"
        "tune.Tuner(lambda config: {'loss': 1}, run_config=run_config).fit()\n"
    )
    environment = {"RAY_TUNE_CALLBACKS": "typed_tune_wandb.WandbLogger", "WANDB_PROJECT": "p", "WANDB_MODE": "offline"}
    subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env={**os.environ, **environment, "PYTHONPATH": str(Path(__file__).parents[1])},
        check=True,
        capture_output=True,
        timeout=200,
    )
    assert ["p"] == [run.project for run in read_runs(tmp_path).values()]


def saves(config: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "weights").write_text(str(config["lr"]))
        tune.report({"loss": config["lr"]}, checkpoint=tune.Checkpoint(folder))


def test_long_names(tmp_path: Path) -> None:
    """A trial's name with all its hyperparameters, and explicit ones: shortened, and every run and row is there."""
    logger = WandbLogger(
        project="p", mode="offline", dir=tmp_path, group="g" * 300, job_type="j" * 300, upload_checkpoints=True
    )
    runs = fit(
        saves,
        {"lr": tune.grid_search([1, 2]), "wandb": {"settings": {"x_label": "l"}}},
        tmp_path,
        logger,
        trial_name_creator=lambda trial: "n" * 300 + str(trial.config["lr"]),
        trial_dirname_creator=lambda trial: trial.trial_id,
    )
    assert 2 == len(runs) == len({run.display_name for run in runs.values()})
    assert [(128, 128, 64)] * 2 == [(len(r.display_name), len(r.group), len(r.job_type)) for r in runs.values()]
    assert [[1], [2]] == sorted(run.rows("loss") for run in runs.values())
    artifacts = {artifact.name for run in runs.values() for artifact in run.artifacts if artifact.type == "model"}
    assert [128, 128] == [len(name) for name in artifacts]


def test_a_key_in_another_mapping(way_in: Any, tmp_path: Path) -> None:
    """It is in no file of the experiment that is written from the trial on, as for a dict."""
    trainable, loggers = way_in
    entry = UserDict({"project": "p", "mode": "offline", "dir": str(tmp_path), "api_key": KEY})
    assert 1 == len(fit(trainable, {"lr": 1, "wandb": entry}, tmp_path, *loggers))
    (params,) = (tmp_path / "ray").rglob("params.json")
    assert {"params.json", "params.pkl", "result.json"} <= {path.name for path in params.parent.iterdir()}
    assert {} == search_folder(params.parent, {"key": KEY})
    assert "p" == json.loads(params.read_text())["wandb"]["project"]


class TestSetupWandb:
    """Ray's own signature."""

    def test_positional_order(self) -> None:
        """The config, the key, the key file, rank_zero_only."""
        run = setup_wandb({"lr": 1, "wandb": {"project": "p", "mode": "offline"}}, KEY, None, True)
        assert 1 == run.config["lr"]
        run.finish()

    def test_rays_names(self) -> None:
        """``trial_id`` and ``trial_name`` are ``id`` and ``name`` here: the error says so."""
        with pytest.raises(WandbSettingsError) as caught:
            setup_wandb({}, project="p", trial_id="a", trial_name="b")  # type: ignore[call-arg]  # the mistakes
        assert [("trial_id", '"id"'), ("trial_name", '"name"')] == [
            (problem.path, problem.suggestion) for problem in caught.value.problems
        ]

    def test_names_in_wandbs_own_settings(self, tmp_path: Path) -> None:
        """They count like those of the entry, and are shortened like them."""
        nested: dict[str, object] = {"run_id": "own", "run_name": "n" * 200, "run_group": "g" * 200}
        settings = WandbSettings(settings={**nested, "run_job_type": "j" * 100, "root_dir": str(tmp_path)})
        run = setup_wandb({}, project="p", mode="offline", settings=settings)
        run.finish()
        assert ("own", 128, 128, 64) == (run.id, len(run.name or ""), len(run.group), len(run.job_type))

    def test_rank_zero_only(self) -> None:
        """It is a bool, also in the place where Ray has it."""
        with pytest.raises(WandbSettingsError, match="rank_zero_only: expected a bool, got str"):
            setup_wandb({}, None, None, "no", project="p")  # type: ignore[arg-type]  # the mistake

    def test_a_dict_as_settings(self) -> None:
        """It is taken like WandbSettings, and its mistakes are named."""
        with pytest.raises(WandbSettingsError, match="projct"):
            setup_wandb(settings={"projct": 1})  # type: ignore[arg-type]  # the mistake
        run = setup_wandb({}, settings=WandbSettings(project="p", mode="disabled"))
        run.finish()

    def test_a_wrong_variable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is found before wandb shows its value."""
        monkeypatch.setenv("WANDB_MODE", KEY)
        with pytest.raises(WandbSettingsError, match="WANDB_MODE") as caught:
            setup_wandb({}, project="p", mode="offline")
        assert KEY not in str(caught.value)
