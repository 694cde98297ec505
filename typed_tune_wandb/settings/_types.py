"""The types of the settings: the raw W&B entry as a TypedDict, and the values that its keys take."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from attrs import fields, frozen
from typing_extensions import TypedDict

from typed_tune_wandb._secret import Secret

if TYPE_CHECKING:
    from wandb import Settings

    InitSettings: TypeAlias = Settings
else:

    class _LazyInstanceCheck(type):
        def __instancecheck__(cls, value: object) -> bool:
            # Whoever has an instance has imported wandb already; nobody else needs to.
            wandb = sys.modules.get("wandb")
            return wandb is not None and isinstance(value, wandb.Settings)

    class InitSettings(metaclass=_LazyInstanceCheck):
        """Stands for ``wandb.Settings``, which only a type checker may import here."""

    InitSettings.__name__ = "wandb.Settings"

Mode = Literal["online", "offline", "disabled", "shared"]
Resume = Literal["allow", "never", "must", "auto"]
Reinit = Literal["default", "return_previous", "finish_previous", "create_new"]
OnError = Literal["warn", "raise"]
Goal = Literal["maximize", "minimize"]
UploadCheckpoints = bool | int | Literal["best", "last"]
StrPath = str | os.PathLike[str]


class _RunOptions(TypedDict, total=False):
    """The parameters of ``wandb.init`` (0.31), without ``config`` and ``settings``.

    ``anonymous`` is left out because it no longer does anything in wandb. Boolean ``resume`` and ``reinit`` are
    deprecated there and dangerous with several runs in one process, so they are mistakes here.
    """

    entity: str | None
    project: str | None
    dir: StrPath | None
    id: str | None
    name: str | None
    notes: str | None
    tags: list[str] | tuple[str, ...] | None
    config_exclude_keys: list[str] | None
    config_include_keys: list[str] | None
    allow_val_change: bool | None
    group: str | None
    job_type: str | None
    mode: Mode | None
    force: bool | None
    reinit: Reinit | None
    resume: Resume | None
    resume_from: str | None
    fork_from: str | None
    save_code: bool | None
    tensorboard: bool | None
    sync_tensorboard: bool | None
    monitor_gym: bool | None


class _KeyOptions(TypedDict, total=False):
    """The keys of the entry for the login."""

    api_key: str | Secret | None
    api_key_file: StrPath | None


class _IntegrationOptions(TypedDict, total=False):
    """The other keys that this library reads itself, and the documented page's names for ``id`` and ``name``."""

    excludes: list[str] | tuple[str, ...] | None
    metrics: list[str] | tuple[str, ...] | None
    step_metric: str | None
    log_config: bool | None
    mask_secrets: bool | None
    secret_names: list[str] | tuple[str, ...] | None
    public_names: list[str] | tuple[str, ...] | None
    run_id: str | None
    run_name: str | None


class WandbInitKwargs(_RunOptions, total=False):
    """Arguments for ``wandb.init`` (0.31), with the types that this library passes on."""

    config: dict[str, object] | str | None
    settings: InitSettings | dict[str, object] | None


class WandbConfigDict(WandbInitKwargs, _KeyOptions, _IntegrationOptions, total=False):
    """The raw entry under ``config["wandb"]``: the fields of :class:`WandbSettings` as a dict.

    ``run_id`` and ``run_name`` are the documented page's names for ``id`` and ``name``.
    """


class RunOverrides(_RunOptions, _IntegrationOptions, total=False):
    """The keys of the entry that are no parameters of ``setup_wandb``: all but the login, config and settings."""


@frozen(kw_only=True)
class LoggerOptions:
    """The arguments of :class:`~typed_tune_wandb.WandbLogger` that are no settings of a run; it documents them."""

    upload_checkpoints: UploadCheckpoints = False
    upload_timeout: float = 300.0
    on_error: OnError = "warn"
    media: bool = False
    image_kwargs: Mapping[str, object] | None = None
    video_kwargs: Mapping[str, object] | None = None
    verify: bool = True
    sweep: bool = False
    quiet: bool = False
    metric: str | bool | None = None  # not True
    goal: Goal | None = None
    overview: bool = False


INTEGRATION_KEYS: Final = (
    "api_key",
    "api_key_file",
    "excludes",
    "metrics",
    "step_metric",
    "log_config",
    "mask_secrets",
    "secret_names",
    "public_names",
)
"""The keys of the entry that never reach ``wandb.init``."""

LOGGER_KEYS: Final = tuple(field.name for field in fields(LoggerOptions))
"""The arguments of ``WandbLogger`` that are no keys of an entry."""

ALIASES: Final = {"run_id": "id", "run_name": "name"}
"""The documented page's names, and the names of ``wandb.init`` for them."""

NESTED_NAMES: Final = {
    **{f"run_{name}": name for name in ("id", "name", "group", "job_type", "notes", "tags")},
    "root_dir": "dir",
}
"""The fields of ``wandb.Settings`` that have another name than the parameter of ``wandb.init`` that they stand for."""

CONTINUATION_KEYS: Final = ("resume", "resume_from", "fork_from")
"""The keys that say from where a run goes on."""

MUTUALLY_EXCLUSIVE: Final = (("api_key", "api_key_file"), CONTINUATION_KEYS)
"""Groups of keys of which an entry may have one."""

INIT_KEYS: Final = frozenset(WandbInitKwargs.__annotations__)
"""The parameters of ``wandb.init`` that this library knows."""

ALL_KEYS: Final = tuple(WandbConfigDict.__annotations__)
"""Every key that an entry may have."""
