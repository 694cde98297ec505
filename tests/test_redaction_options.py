"""``mask_secrets``, ``secret_names`` and ``public_names``: the same in every way of giving settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ray import tune

from tests.support.offline import OfflineRun, read_runs
from typed_tune_wandb import (
    WandbLogger,
    WandbSettings,
    WandbSettingsError,
    WandbTrainableMixin,
    legacy,
    setup_wandb,
    wandb_mixin,
)

BADGE, PASSWORD, TOKEN = "k1tten", "s4mple", "hf_" + "a1B2" * 10
NAMES: dict[str, Any] = {"secret_names": ["badge"], "public_names": ["sample_password"]}
OFF: dict[str, Any] = {"mask_secrets": False}
pytestmark = pytest.mark.usefixtures("small_ray")


def train(config: dict[str, Any]) -> None:
    tune.report({"loss": 1})


@wandb_mixin
def mixed(config: dict[str, Any]) -> None:
    tune.report({"loss": 1})


class Mixed(WandbTrainableMixin, tune.Trainable):
    def step(self) -> dict[str, Any]:
        return {"loss": 1, "done": True}

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
        return {}


def sets_up(config: dict[str, Any]) -> None:
    own = dict(config)
    with setup_wandb(own, **own.pop("overrides")):
        tune.report({"loss": 1})


def record(way: str, words: dict[str, Any], folder: Path) -> OfflineRun:
    """Record a trial that has the three secrets in its config, with words given in one of the ways."""
    place: dict[str, Any] = {"project": "p", "mode": "offline", "dir": str(folder), "log_config": True}
    space: dict[str, Any] = {
        "badge": BADGE,
        "door": {"badge": BADGE, "args": ["--badge", BADGE]},
        "sample_password": PASSWORD,
        "hub": [{"hfToken": TOKEN}],
    }
    trainable: Any = {"mixin": mixed, "class mixin": Mixed, "setup_wandb": sets_up, "overrides": sets_up}.get(
        way, train
    )
    loggers = []
    if way in ("arguments", "defaults"):
        loggers = [
            WandbLogger(**place, **words) if way == "arguments" else WandbLogger(WandbSettings(**place, **words))
        ]
    elif way == "overrides":
        space["overrides"] = place | words
    elif way == "builder":
        space["wandb"] = WandbSettings(**place, **words).to_config()
    elif way == "rllib":
        space["logger_config"] = {"wandb": place | words}
    else:
        space["wandb"] = place | words
    if way == "setup_wandb":
        space["overrides"] = {}
    if way in ("entry", "builder", "rllib"):
        loggers = [WandbLogger()]
    if way == "legacy":
        legacy.run(
            train,
            config=space,
            loggers=[WandbLogger],
            storage_path=str(folder / "ray"),
            verbose=0,
            raise_on_failed_trial=True,
        )
    else:
        run_config = tune.RunConfig(storage_path=str(folder / "ray"), callbacks=[*loggers], verbose=0)
        tune.Tuner(trainable, param_space=space, run_config=run_config).fit()
    (run,) = read_runs(folder).values()
    return run


WAYS = (
    "arguments",
    "defaults",
    "entry",
    "builder",
    "rllib",
    "legacy",
    "mixin",
    "class mixin",
    "setup_wandb",
    "overrides",
)
RECORDED = ("arguments", "defaults", "entry", "builder", "rllib", "legacy")  # by the logger: rows, too


@pytest.mark.parametrize("way", WAYS)
def test_names(way: str, tmp_path: Path) -> None:
    """A name of the user's is secret wherever it stands: nested, and before a value on a command line."""
    run = record(way, NAMES, tmp_path)
    shown = f"{run.config} {run.history}"
    assert BADGE not in shown
    assert TOKEN not in shown
    assert PASSWORD == run.config["sample_password"]
    if way in RECORDED:
        assert [run.config["badge"]] == run.rows("config/badge")
        assert [PASSWORD] == run.rows("config/sample_password")


@pytest.mark.parametrize("way", ["arguments", "mixin", "overrides"])
def test_mask_secrets(way: str, tmp_path: Path) -> None:
    """False records everything as it is."""
    run = record(way, {**NAMES, **OFF}, tmp_path)
    assert (BADGE, PASSWORD, TOKEN) == (
        run.config["badge"],
        run.config["sample_password"],
        run.config["hub"][0]["hfToken"],
    )
    assert {"badge": BADGE, "args": ["--badge", BADGE]} == run.config["door"]
    if way in RECORDED:
        assert [BADGE] == run.rows("config/door/badge")


def test_a_trials_entry_counts_more_than_the_logger(tmp_path: Path) -> None:
    """As for every other word: field by field."""
    entry = {"wandb": tune.grid_search([{"secret_names": ["badge"]}, {"secret_names": []}])}
    logger = WandbLogger(project="p", mode="offline", dir=tmp_path, secret_names=["other"])
    run_config = tune.RunConfig(storage_path=str(tmp_path / "ray"), callbacks=[logger], verbose=0)
    tune.Tuner(train, param_space={"badge": BADGE, "other": BADGE, **entry}, run_config=run_config).fit()
    shown = [(run.config["badge"] == BADGE, run.config["other"] == BADGE) for run in read_runs(tmp_path).values()]
    assert {(False, True), (True, True)} == set(shown)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ({"secret_names": "badge"}, 'secret_names: expected a list of str, got str. Did you mean ["..."]?'),
        ({"public_names": ["a", 1]}, "public_names[1]: expected a str, got int."),
        ({"secret_names": [" "]}, "secret_names[0]: expected the name of a key or a glob, got an empty str."),
        (
            {"public_names": ["db/badge"]},
            "public_names[0]: expected the name of a key or a glob, got a path.",
        ),
        ({"secret_name": ["a"]}, 'secret_name: unknown key. Did you mean "secret_names"?'),
        ({"mask_secret": True}, 'mask_secret: unknown key. Did you mean "mask_secrets"?'),
        ({"mask_secrets": "no"}, "mask_secrets: expected a bool, got str."),
    ],
)
def test_mistakes(words: dict[str, Any], problem: str) -> None:
    """The same in an entry, the builder, the logger and setup_wandb."""
    for call in (WandbSettings.from_dict, lambda given: WandbSettings(**given), lambda given: WandbLogger(**given)):
        with pytest.raises(WandbSettingsError) as caught:
            call(words)
        assert [problem] == [str(found) for found in caught.value.problems]
    with pytest.raises(WandbSettingsError) as caught:
        setup_wandb({}, project="p", **words)
    assert [problem] == [str(found) for found in caught.value.problems]
