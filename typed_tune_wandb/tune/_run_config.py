"""The run's config: the trial's, without credentials, and the entry's own, which counts more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from typed_tune_wandb.errors import Problem, WandbSettingsError
from typed_tune_wandb.payload import Redactor, sanitize_config
from typed_tune_wandb.settings import WandbSettings


def redactor_of(settings: WandbSettings) -> Redactor:
    """Return what redacts the credentials of a run with these settings."""
    return Redactor(settings.secret_names, settings.public_names if settings.mask_secrets else ("*",))


def run_config(
    settings: WandbSettings, config: Mapping[str, object], warn: Callable[[str, str], None]
) -> dict[str, object]:
    """Return a run's config, as wandb stores it.

    Args:
        settings: The run's settings, after :func:`with_config_file`.
        config: The trial's config.
        warn: Called with a path and a text where a value cannot be read.
    """
    own = settings.config if isinstance(settings.config, Mapping) else {}
    redactor = redactor_of(settings)
    parts = (sanitize_config(part, settings.excludes, redactor=redactor, warn=warn) for part in (config, own))
    return {key: value for part in parts for key, value in part.items()}


def with_config_file(settings: WandbSettings) -> WandbSettings:
    """Return settings with the content of the file that ``config`` names in the place of its path.

    Raises:
        WandbSettingsError: There is no such file, or wandb cannot read it.
    """
    if not isinstance(settings.config, str):
        return settings
    import wandb

    path = Path(settings.config).expanduser()
    try:
        content = cast("Any", wandb).helper.parse_config(str(path))  # not in its stub
    except Exception as error:  # of wandb, of YAML, of the file system: their texts may contain a value
        advice = 'expected a YAML file with lines such as "lr: {value: 0.1}"'
        problem = Problem("config", f"{path} cannot be read ({type(error).__name__}): {advice}.")
    else:
        return settings.merged_with({"config": content}, source=str(path))
    raise WandbSettingsError([problem])
