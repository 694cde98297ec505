"""Where a run goes: the settings, then the environment, then the hook."""

from __future__ import annotations

import os

import pytest

from typed_tune_wandb.errors import WandbSettingsError
from typed_tune_wandb.settings import WandbSettings, resolve_destination

SETTINGS = WandbSettings(mode="offline")


def populate() -> None:
    """What an operator's hook does."""
    os.environ["WANDB_PROJECT_NAME"] = "hooked"
    os.environ["WANDB_GROUP_NAME"] = "hooked group"


def test_the_settings_come_first_then_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Field, WANDB_PROJECT, WANDB_PROJECT_NAME; the group likewise, and the experiment's name at last."""
    monkeypatch.setenv("WANDB_PROJECT_NAME", "rays")
    assert ("rays", "exp") == _where(SETTINGS)
    monkeypatch.setenv("WANDB_PROJECT", "wandbs")
    monkeypatch.setenv("WANDB_GROUP_NAME", "group")
    assert ("wandbs", "group") == _where(SETTINGS)
    assert ("own", "mine") == _where(SETTINGS.merged_with({"project": "own", "group": "mine"}))


def test_the_hook_is_asked_where_nothing_else_names_a_project(monkeypatch: pytest.MonkeyPatch) -> None:
    """It sets the two ``_NAME`` variables."""
    for name in ("WANDB_PROJECT_NAME", "WANDB_GROUP_NAME"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("WANDB_POPULATE_RUN_LOCATION_HOOK", "tests.test_location.populate")
    assert ("own", "exp") == _where(SETTINGS.merged_with({"project": "own"}))
    assert ("hooked", "hooked group") == _where(SETTINGS)


def test_a_hook_that_is_not_there_is_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the variable and what was expected."""
    monkeypatch.setenv("WANDB_POPULATE_RUN_LOCATION_HOOK", "tests.nowhere.populate")
    with pytest.raises(WandbSettingsError, match=r"package\.module\.function"):
        resolve_destination(SETTINGS, default_group="exp")


def test_no_project_is_a_mistake_unless_disabled() -> None:
    """A disabled run goes nowhere."""
    with pytest.raises(WandbSettingsError, match="WANDB_PROJECT"):
        resolve_destination(SETTINGS, default_group="exp")
    assert resolve_destination(WandbSettings(mode="disabled"), default_group="exp").project is None


def _where(settings: WandbSettings) -> tuple[str | None, str | None]:
    found = resolve_destination(settings, default_group="exp")
    return found.project, found.group
