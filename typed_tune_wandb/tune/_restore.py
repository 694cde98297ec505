"""Other settings for a restored experiment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from typing_extensions import Unpack

from typed_tune_wandb.settings import WandbConfigDict, WandbSettings, validate_logger_arguments

_OVERRIDES: Final[ContextVar[WandbSettings | None]] = ContextVar("typed_tune_wandb_restore_overrides", default=None)


@contextmanager
def restored_with(overrides: WandbSettings | None = None, /, **fields: Unpack[WandbConfigDict]) -> Iterator[None]:
    """Give the WandbLogger of a restored experiment other settings: a new key, another folder, another mode.

    ``Tuner.restore`` brings the logger back as it was and takes no callbacks. These settings count more than the
    logger's own and than each trial's entry, now and in later restores. Keys are in no file of an experiment: one that
    was given in settings must be given again, unless ``WANDB_API_KEY`` or wandb's login is there.

    Args:
        overrides: Settings for all trials.
        **fields: Fields of :class:`WandbSettings`, as a short form.

    Raises:
        WandbSettingsError: The settings have mistakes.

    Example:
        >>> from ray import tune
        >>> from typed_tune_wandb import restored_with
        >>> with restored_with(api_key_file="~/other_key"):
        ...     tuner = tune.Tuner.restore("~/ray_results/exp", train_fn)  # doctest: +SKIP
    """
    _, settings = validate_logger_arguments({}, overrides, fields, source="restored_with(...)")
    token = _OVERRIDES.set(settings)
    try:
        yield
    finally:
        _OVERRIDES.reset(token)


def override_on_restore(settings: WandbSettings) -> WandbSettings:
    """Return settings with those of an enclosing :func:`restored_with` in place of them, option by option."""
    overrides = _OVERRIDES.get()
    return settings if overrides is None else settings.merged_with(overrides)
