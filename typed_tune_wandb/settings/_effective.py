"""What holds for a run in the end: its mode, project and group, from the settings, the environment, or a hook."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, get_args

from typed_tune_wandb._hooks import LOCATION_HOOK, call_hook
from typed_tune_wandb._launch import SWEEP_VARIABLE, is_launched
from typed_tune_wandb._logging import PROCESS_LOG
from typed_tune_wandb.errors import Problem, WandbSettingsError
from typed_tune_wandb.settings._configured import configured_setting
from typed_tune_wandb.settings._model import WandbSettings
from typed_tune_wandb.settings._templates import as_literal
from typed_tune_wandb.settings._types import CONTINUATION_KEYS, NESTED_NAMES, Mode

logger = logging.getLogger(__name__)
PROJECT_VARIABLES: Final = ("WANDB_PROJECT", "WANDB_PROJECT_NAME")
GROUP_VARIABLES: Final = ("WANDB_RUN_GROUP", "WANDB_GROUP_NAME")
_NESTED_NAME_OF: Final = {key: name for name, key in NESTED_NAMES.items()}


def explicit_option(settings: WandbSettings, key: str) -> object:
    """Return the explicit value of an option of ``wandb.init``: the field's, or that in ``settings``; or None.

    Args:
        settings: A run's settings.
        key: A key of the entry, such as ``name``.

    Example:
        >>> from typed_tune_wandb.settings import WandbSettings, explicit_option
        >>> explicit_option(WandbSettings(settings={"run_name": "first"}), "name")
        'first'
    """
    found = explicit_with_field(settings, key)
    return found[0] if found else None


def explicit_with_field(settings: WandbSettings, key: str) -> tuple[object, str] | None:
    """Return what :func:`explicit_option` returns, and the field that has it, such as ``settings.run_name``."""
    if (value := getattr(settings, key, None)) is not None:
        return value, key
    name = _NESTED_NAME_OF.get(key, key)
    value = _nested_value(settings, name)
    return None if value is None else (value, f"settings.{name}")


def rewound_run_id(settings: WandbSettings) -> str | None:
    """Return the id of the run that ``resume_from`` names: wandb wants it to be the run's own."""
    moment = explicit_option(settings, "resume_from")
    # In a wandb.Settings it is an object of wandb's own.
    return moment.partition("?")[0] if isinstance(moment, str) else getattr(moment, "run", None)


def is_continued(settings: WandbSettings) -> bool:
    """Return whether the settings say how a run goes on: ``resume``, ``resume_from`` or ``fork_from``."""
    return any(explicit_option(settings, key) is not None for key in CONTINUATION_KEYS)


def nested_setting(settings: WandbSettings, name: str) -> str | None:
    """Return a text that was explicitly set in the entry's own ``settings``, or None; wandb's defaults do not count."""
    value = _nested_value(settings, name)
    return value if isinstance(value, str) else None


def local_folder(settings: WandbSettings) -> Path:
    """Return the folder for a run's local files."""
    return Path(str(explicit_option(settings, "dir") or os.environ.get("WANDB_DIR") or ".")).expanduser()


def with_nested_defaults(settings: WandbSettings, defaults: Mapping[str, object]) -> WandbSettings:
    """Return settings whose own ``settings`` have defaults; what was explicitly set there stays.

    Args:
        settings: A run's settings.
        defaults: Fields of ``wandb.Settings`` and their values.

    Example:
        >>> from typed_tune_wandb.settings import WandbSettings, with_nested_defaults
        >>> with_nested_defaults(WandbSettings(settings={"mode": "offline"}), {"mode": "online"}).to_config()
        {'settings': {'mode': 'offline'}}
    """
    nested = settings.settings or {}
    given = nested.keys() if isinstance(nested, Mapping) else nested.model_fields_set
    return with_nested_values(settings, {name: value for name, value in defaults.items() if name not in given})


def with_nested_values(settings: WandbSettings, values: Mapping[str, object]) -> WandbSettings:
    """Return settings whose own ``settings`` have these values, in the place of what was set there.

    Args:
        settings: A run's settings.
        values: Fields of ``wandb.Settings`` and their values.
    """
    nested = settings.settings or {}
    changed = {**nested, **values} if isinstance(nested, Mapping) else nested.model_copy(update=dict(values))
    return settings.merged_with({"settings": changed}) if values else settings


def effective_mode(settings: WandbSettings) -> str:
    """Return the mode of a run with these settings: ``"online"``, ``"offline"``, ``"disabled"`` or ``"shared"``.

    The first of these counts: the field ``mode``, ``mode`` in ``settings``, ``WANDB_MODE``, the command
    ``wandb offline``.
    """
    mode = settings.mode or nested_setting(settings, "mode") or configured_setting("mode") or "online"
    return documented_mode(mode)


def documented_mode(mode: str) -> str:
    """Return the documented mode for any text that wandb may find: one of its older words, or a wrong one."""
    mode = {"dryrun": "offline", "run": "online"}.get(mode, mode)
    return mode if mode in get_args(Mode) else "online"  # as wandb does with another text in its files


def resolve_destination(settings: WandbSettings, *, default_group: str | None) -> WandbSettings:
    """Return settings that name a project and, if there is one, a group, with the environment's rewind or fork.

    The first of these counts, for the project: the settings, ``WANDB_PROJECT``, ``WANDB_PROJECT_NAME``; for the group:
    the settings, ``WANDB_RUN_GROUP``, ``WANDB_GROUP_NAME``, the default. The hook ``WANDB_POPULATE_RUN_LOCATION_HOOK``
    may set the two ``_NAME`` variables; it is called only if nothing else names a project. ``WANDB_RESUME``,
    ``WANDB_RESUME_FROM`` and ``WANDB_FORK_FROM`` count like the keys of the entry that they stand for.

    Where W&B has started this process (``wandb agent``, W&B Launch), its project and its entity count more than the
    settings', as they do for wandb itself; the run is one of the agent's sweep.

    Args:
        settings: A run's settings.
        default_group: Tune's experiment name, or None.

    Raises:
        WandbSettingsError: Nothing names a project, and the mode is not ``"disabled"``.
    """
    settings = _as_launched(settings)
    project = explicit_option(settings, "project") or _env(*PROJECT_VARIABLES)
    if project is None:
        call_hook(LOCATION_HOOK)
        project = _env("WANDB_PROJECT_NAME")
    if project is None and effective_mode(settings) != "disabled":
        message = (
            "no W&B project: name one in the entry, in WANDB_PROJECT or WANDB_PROJECT_NAME, or by the hook "
            f"{LOCATION_HOOK}."
        )
        raise WandbSettingsError([Problem("project", message)])
    # Only the field of the entry is a template.
    other_group = nested_setting(settings, "run_group") or _env(*GROUP_VARIABLES) or default_group
    group = settings.group or (other_group and as_literal(other_group))
    destination = {"project": project, "group": group, **_rewind_from_environment(settings)}
    given = {name: value for name, value in destination.items() if value is not None}
    return settings.merged_with(given, source="the settings and the environment")


def default_group(experiment: str | None) -> str | None:
    """Return the group of a run whose settings have none: ``WANDB_RUN_GROUP``, ``WANDB_GROUP_NAME``, the experiment.

    Args:
        experiment: Tune's name of the experiment, or None.
    """
    return _env(*GROUP_VARIABLES) or experiment


def has_project_in_environment() -> bool:
    """Return whether a variable names a project, or a hook may: then an experiment needs no entry."""
    return _env(*PROJECT_VARIABLES, LOCATION_HOOK) is not None


def _nested_value(settings: WandbSettings, name: str) -> object:
    nested = settings.settings
    if isinstance(nested, Mapping):
        return nested.get(name)
    return getattr(nested, name) if nested is not None and name in nested.model_fields_set else None


def _as_launched(settings: WandbSettings) -> WandbSettings:
    """Return settings with the project, entity and sweep for which W&B has started this process, if it has."""
    if not is_launched(os.environ):
        return settings
    chosen = launched_destination()
    for key, value in chosen.items():
        if explicit_option(settings, key) not in (None, value):
            message = "%s: W&B has started this program for %s; that of the settings does not count."
            PROCESS_LOG.log(logger, logging.WARNING, message, key, value)
    sweep = os.environ.get(SWEEP_VARIABLE)
    settings = with_nested_defaults(settings, {"sweep_id": sweep} if sweep else {})
    return settings.merged_with(chosen, source="the environment")


def launched_destination() -> dict[str, str]:
    """Return the project and the entity for which W&B has started this process, if it has; they count most."""
    names = ("project", "entity") if is_launched(os.environ) else ()
    return {key: value for key in names if (value := _env(f"WANDB_{key.upper()}")) is not None}


def _rewind_from_environment(settings: WandbSettings) -> dict[str, str]:
    """Return the environment's ``resume``, ``resume_from`` or ``fork_from``, where the settings have none of them.

    Raises:
        WandbSettingsError: The settings have another one of them: wandb refuses both together.
    """
    keys = CONTINUATION_KEYS
    explicit = [key for key in keys if explicit_option(settings, key) is not None]
    from_environment = {key: value for key in keys if (value := _env(f"WANDB_{key.upper()}")) is not None}
    for key in from_environment:
        if explicit and key not in explicit:
            message = f"{explicit[0]} of the entry and WANDB_{key.upper()} exclude each other: keep one."
            raise WandbSettingsError([Problem(f"WANDB_{key.upper()}", message)], "the environment")
    return {} if explicit else from_environment


def _env(*variables: str) -> str | None:
    """Return the value of the first variable that is set."""
    return next((os.environ[variable] for variable in variables if os.environ.get(variable)), None)
