"""The builder, the dict and what wandb.init takes."""

from pathlib import Path
from typing import Literal

import wandb
from typing_extensions import assert_type

from typed_tune_wandb import (
    Problem,
    ResolvedSetting,
    SettingsExplanation,
    WandbConfigDict,
    WandbInitKwargs,
    WandbSettings,
    WandbSettingsError,
    check_search_space,
    explain_settings,
)

settings = WandbSettings(
    api_key="0" * 40,
    excludes=["timers"],
    metrics=["loss", "eval/*"],
    step_metric="epoch",
    log_config=True,
    entity="team",
    project="mnist",
    dir=Path("runs"),
    id="a",
    name="b",
    notes="c",
    tags=("a", "b"),
    config={"lr": 0.1, "nested": {"a": [1]}},
    allow_val_change=True,
    group="g",
    job_type="train",
    mode="offline",
    force=False,
    reinit="create_new",
    resume="allow",
    save_code=False,
    sync_tensorboard=False,
    monitor_gym=False,
    settings=wandb.Settings(x_disable_stats=True),
)
assert_type(WandbSettings(settings={"x_disable_stats": True}), WandbSettings)
assert_type(settings.project, str | None)
assert_type(settings.tags, tuple[str, ...] | None)
assert_type(settings.excludes, tuple[str, ...])
assert_type(settings.metrics, tuple[str, ...])
assert_type(settings.step_metric, str | None)
assert_type(settings.log_config, bool)
assert_type(settings.mode, Literal["online", "offline", "disabled", "shared"] | None)

assert_type(settings.to_config(), WandbConfigDict)
assert_type(settings.init_kwargs(), WandbInitKwargs)
assert_type(WandbSettings.from_dict(settings.to_config()), WandbSettings)
assert_type(WandbSettings.from_dict({"project": "mnist"}), WandbSettings)
assert_type(WandbSettings.from_config({"lr": 0.1, "wandb": settings.to_config()}), WandbSettings)
assert_type(settings.overridden_by({"group": "b"}), WandbSettings)
assert_type(settings.overridden_by(settings), WandbSettings)

# Held against the installed wandb: each of its parameters takes what ours gives.
assert_type(wandb.init(**settings.init_kwargs()), wandb.Run)

entry: WandbConfigDict = {"run_id": "a", "run_name": "b", "api_key": "0" * 40, "tags": ["a"], "config": {"lr": 0.1}}
entry["group"] = "{experiment}/{config[model]}"
entry["metrics"] = ["loss"]
entry["step_metric"] = None
entry["tags"] = None

try:
    WandbSettings.from_dict(entry)
except WandbSettingsError as error:
    assert_type(error.problems, tuple[Problem, ...])
    assert_type(error.problems[0].suggestion, str | None)

explained = explain_settings({"wandb": {"project": "mnist"}}, defaults=settings)
assert_type(explained, SettingsExplanation)
assert_type(explained.settings[0], ResolvedSetting)
assert_type(explained.settings[0].value, str | None)
assert_type(check_search_space({"wandb": {"project": {"grid_search": ["a", "b"]}}}), list[WandbSettings])
