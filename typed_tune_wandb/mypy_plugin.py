"""A mypy plugin that checks the W&B entry of a raw config, without an annotation.

Switched on by ``plugins = typed_tune_wandb.mypy_plugin``. What stands under ``"wandb"``, or in the ``"logger_config"``,
of the config of ``tune.run``, ``legacy.run``, ``tune.Experiment``, ``tune.Tuner`` and ``Tuner.restore`` is compared to
:class:`~typed_tune_wandb.WandbConfigDict`, key by key, where it certainly reaches Tune as it is written. docs/typing.md
says what that means, and how an annotation finds the rest.

It was run with mypy 1.15 to 2.4.
"""

from __future__ import annotations

from typed_tune_wandb import __version__
from typed_tune_wandb._mypy.plugin import WandbPlugin

__all__ = ["WandbPlugin", "__version__", "plugin"]  # by another version, mypy knows that what it has cached is stale


def plugin(version: str) -> type[WandbPlugin]:
    """Return the plugin's class: what mypy asks a plugin's module for."""
    return WandbPlugin
