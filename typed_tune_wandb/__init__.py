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
    from typed_tune_wandb.experiment import ExperimentRuns
    from typed_tune_wandb.explanation import SettingsExplanation, explain_settings
    from typed_tune_wandb.recording.state import RunInfo, RunRecord
    from typed_tune_wandb.settings import (
        ResolvedSetting,
        WandbConfigDict,
        WandbInitKwargs,
        WandbSettings,
        check_search_space,
    )
    from typed_tune_wandb.tune._restore import restored_with
    from typed_tune_wandb.tune._with_sweep import with_sweep
    from typed_tune_wandb.tune.callback import WandbLogger
    from typed_tune_wandb.tune.trainable import WandbTrainableMixin, setup_wandb, wandb_mixin

__version__ = "0.1.0"

__all__ = [
    "ExperimentRuns",
    "Problem",
    "ResolvedSetting",
    "RunInfo",
    "RunRecord",
    "SettingsExplanation",
    "TypedTuneWandbError",
    "WandbConfigDict",
    "WandbInitKwargs",
    "WandbLogger",
    "WandbLoginError",
    "WandbRunError",
    "WandbSettings",
    "WandbSettingsError",
    "WandbTrainableMixin",
    "check_search_space",
    "explain_settings",
    "restored_with",
    "setup_wandb",
    "wandb_mixin",
    "with_sweep",
]

_HOMES = {
    **dict.fromkeys(
        ["ResolvedSetting", "WandbConfigDict", "WandbInitKwargs", "WandbSettings", "check_search_space"], "settings"
    ),
    **dict.fromkeys(["SettingsExplanation", "explain_settings"], "explanation"),
    **dict.fromkeys(["WandbTrainableMixin", "setup_wandb", "wandb_mixin"], "tune.trainable"),
    **dict.fromkeys(["RunInfo", "RunRecord"], "recording.state"),
    "ExperimentRuns": "experiment",
    "WandbLogger": "tune.callback",
    "restored_with": "tune._restore",
    "with_sweep": "tune._with_sweep",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
