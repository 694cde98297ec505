"""Weights & Biases for Ray Tune: strict, typed settings and one recorder for all trials.

The public names are imported on first use: ``from typed_tune_wandb import WandbSettings`` loads neither ray nor wandb.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typed_tune_wandb.errors import (
        Problem,
        TypedTuneWandbError,
        WandbLoginError,
        WandbRunError,
        WandbSettingsError,
    )
    from typed_tune_wandb.logger import WandbLogger, restored_with
    from typed_tune_wandb.recorder import RunRecord
    from typed_tune_wandb.settings import WandbConfigDict, WandbInitKwargs, WandbSettings
    from typed_tune_wandb.trainable import WandbTrainableMixin, setup_wandb, wandb_mixin

__version__ = "0.1.0"

__all__ = [
    "Problem",
    "RunRecord",
    "TypedTuneWandbError",
    "WandbConfigDict",
    "WandbInitKwargs",
    "WandbLogger",
    "WandbLoginError",
    "WandbRunError",
    "WandbSettings",
    "WandbSettingsError",
    "WandbTrainableMixin",
    "restored_with",
    "setup_wandb",
    "wandb_mixin",
]

_HOMES = {
    **dict.fromkeys(["WandbConfigDict", "WandbInitKwargs", "WandbSettings"], "settings"),
    **dict.fromkeys(["WandbTrainableMixin", "setup_wandb", "wandb_mixin"], "trainable"),
    "RunRecord": "recorder",
    **dict.fromkeys(["WandbLogger", "restored_with"], "logger"),
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
