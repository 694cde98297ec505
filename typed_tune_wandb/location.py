"""Where a run goes: its project and its group, from the settings, the environment, or a hook."""

from __future__ import annotations

import os

from typed_tune_wandb._hooks import LOCATION_HOOK, call_hook
from typed_tune_wandb.credentials import inner_word, mode_of
from typed_tune_wandb.errors import Problem, WandbSettingsError
from typed_tune_wandb.settings import WandbSettings


def located(settings: WandbSettings, *, default_group: str | None) -> WandbSettings:
    """Settings with a project and, where there is one, a group.

    The project is the settings', or ``WANDB_PROJECT``'s, or ``WANDB_PROJECT_NAME``'s; the group is the settings', or
    ``WANDB_RUN_GROUP``'s, or ``WANDB_GROUP_NAME``'s, or the default. The hook ``WANDB_POPULATE_RUN_LOCATION_HOOK``
    may set the two ``_NAME`` variables; it is asked where the project comes from nowhere else.

    Args:
        settings: A run's settings.
        default_group: Tune's experiment name, or None.

    Raises:
        WandbSettingsError: The project comes from nowhere, and the mode is not ``"disabled"``.
    """
    project = settings.project or inner_word(settings, "project") or _env("WANDB_PROJECT", "WANDB_PROJECT_NAME")
    if project is None:
        call_hook(LOCATION_HOOK)
        project = _env("WANDB_PROJECT_NAME")
    if project is None and mode_of(settings) != "disabled":
        message = (
            "no W&B project: name one in the entry, in WANDB_PROJECT or WANDB_PROJECT_NAME, or by the hook "
            f"{LOCATION_HOOK}."
        )
        raise WandbSettingsError([Problem("project", message)])
    inner = inner_word(settings, "run_group")
    group = settings.group or inner or _env("WANDB_RUN_GROUP", "WANDB_GROUP_NAME") or default_group
    found = {"project": project, "group": group}
    return settings.overridden_by({name: word for name, word in found.items() if word is not None})


def _env(*variables: str) -> str | None:
    return next((os.environ[variable] for variable in variables if os.environ.get(variable)), None)
