"""Each setting that counts for a run in the end, with where it comes from: by the order that :mod:`._effective` has."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from attrs import frozen

from typed_tune_wandb._hooks import LOCATION_HOOK
from typed_tune_wandb.settings._configured import base_url_with_source, configured_with_source
from typed_tune_wandb.settings._effective import (
    GROUP_VARIABLES,
    PROJECT_VARIABLES,
    documented_mode,
    explicit_with_field,
    launched_destination,
    local_folder,
)
from typed_tune_wandb.settings._model import WandbSettings

_DEFAULT: Final = "default"


@frozen
class ResolvedSetting:
    """One setting of a run, and where it comes from.

    Attributes:
        name: ``mode``, ``entity``, ``project``, ``group``, ``url``, ``folder`` or ``api_key``.
        value: The value as it may be shown, or None if nothing sets it.
        source: The field, variable, file or hook that sets it, or ``default``, in words that are safe to log.
    """

    name: str
    value: str | None
    source: str


def resolved_settings(
    settings: WandbSettings, field_source: Callable[[str], str], hook: Callable[[], object] | None = None
) -> Iterator[ResolvedSetting]:
    """Yield the mode, the destination and the folder of a run with these settings.

    Args:
        settings: A run's settings, as the user gave them.
        field_source: Returns the words for a field, such as ``settings.base_url``.
        hook: Calls the location hook; it is called only if nothing else names a project. Without it, a hook that would
            be called is named.
    """

    def find(name: str, option: str, *variables: str, default: str = _DEFAULT) -> ResolvedSetting:
        if option in (launched := launched_destination()):
            return ResolvedSetting(name, launched[option], f"the variable WANDB_{option.upper()}, set by W&B")
        if explicit := explicit_with_field(settings, option):
            return ResolvedSetting(name, str(explicit[0]), field_source(explicit[1]))
        for variable in variables:
            if text := os.environ.get(variable):
                return ResolvedSetting(name, text, f"the variable {variable}")
        configured = None if variables else configured_with_source(option)
        value, source = configured or (None, default)
        return ResolvedSetting(name, value, source)

    mode = find("mode", "mode")
    yield ResolvedSetting("mode", documented_mode(mode.value or "online"), mode.source)
    yield find("entity", "entity", default="default: the key's own")
    project = find("project", "project", *PROJECT_VARIABLES, default="nothing here names one")
    if project.value is None and os.environ.get(LOCATION_HOOK):
        if hook is not None:
            hook()
        project = ResolvedSetting("project", os.environ.get("WANDB_PROJECT_NAME"), f"the hook {LOCATION_HOOK}")
    yield project
    yield find("group", "group", *GROUP_VARIABLES, default="default: the experiment's name")
    folder = find("folder", "dir", "WANDB_DIR", default="default: the current folder")
    yield ResolvedSetting("folder", str(Path(local_folder(settings)).absolute()), folder.source)


def resolved_url(settings: WandbSettings, field_source: Callable[[str], str]) -> ResolvedSetting:
    """Return the address of a run's server; its text may hold a password. Only for wandb's default it imports wandb.

    Args:
        settings: A run's settings.
        field_source: Returns the words for a field.
    """
    if explicit := explicit_with_field(settings, "base_url"):
        return ResolvedSetting("url", str(explicit[0]).rstrip("/"), field_source(explicit[1]))
    return ResolvedSetting("url", *base_url_with_source())
