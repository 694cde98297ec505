"""The arguments of ``wandb.init``: the settings', and Tune's where they have none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

from typed_tune_wandb.settings import (
    WandbInitKwargs,
    WandbSettings,
    explicit_option,
    is_continued,
    rewound_run_id,
    shorten_names,
)
from typed_tune_wandb.tune._run_config import redactor_of

if TYPE_CHECKING:
    import wandb


NOTHING_FILLED: Final[Mapping[str, object]] = {}


def explicit_run_id(settings: WandbSettings) -> str | None:
    """Return the id that the settings say, also as the run to rewind; None if they say none."""
    chosen = explicit_option(settings, "id") or rewound_run_id(settings)
    return None if chosen is None else str(chosen)


def init_arguments(
    settings: WandbSettings, *, default_id: str | None, name: str | None, filled: Mapping[str, object] = NOTHING_FILLED
) -> WandbInitKwargs:
    """Return the arguments of ``wandb.init``, without ``config`` and ``settings``, with names within W&B's limits.

    Args:
        settings: A run's settings.
        default_id: The run's id where the settings have none; None if wandb makes one then.
        name: The display name where the settings have none.
        filled: What the templates in the settings have become; None for what they have no text for.
    """
    own_id = explicit_option(settings, "id")
    # Tune's name of a trial may hold hyperparameters: config["env"], or what a trial_name_creator takes.
    own_name = name and redactor_of(settings).redact("name", name)
    # W&B's advice for a run that may be continued: its own id, and resume="allow".
    resumes = not is_continued(settings) and (default_id or own_id) is not None
    defaults: dict[str, object] = {
        "id": own_id or (None if rewound_run_id(settings) else default_id),
        "name": explicit_option(settings, "name") or own_name,
        "job_type": explicit_option(settings, "job_type"),
        "resume": "allow" if resumes else None,
        "allow_val_change": True,
    }
    arguments = {name: value for name, value in defaults.items() if value is not None}
    arguments.update(settings.init_kwargs())
    arguments.pop("config", None)
    arguments.pop("settings", None)
    arguments.update(filled)
    if arguments.get("name") is None:
        arguments["name"] = own_name
    arguments = {name: value for name, value in arguments.items() if value is not None}
    return shorten_names(cast("WandbInitKwargs", arguments))


def explicit_wandb_settings(settings: wandb.Settings | None) -> dict[str, object]:
    """Return what a user has set in a ``wandb.Settings``, as arguments for another one."""
    if settings is None:
        return {}
    return {name: getattr(settings, name) for name in settings.model_fields_set}
