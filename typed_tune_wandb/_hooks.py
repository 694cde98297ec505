"""The functions that an operator names in environment variables, as Ray's own integration knows them."""

from __future__ import annotations

import logging
import os
from importlib import import_module
from typing import TYPE_CHECKING, Final

from typed_tune_wandb.errors import Problem, WandbSettingsError

if TYPE_CHECKING:
    from wandb import Run

API_KEY_HOOK: Final = "WANDB_SETUP_API_KEY_HOOK"
"""Names a function without arguments that returns the API key."""
LOCATION_HOOK: Final = "WANDB_POPULATE_RUN_LOCATION_HOOK"
"""Names a function without arguments that sets ``WANDB_PROJECT_NAME`` and ``WANDB_GROUP_NAME``."""
RUN_HOOK: Final = "WANDB_PROCESS_RUN_INFO_HOOK"
"""Names a function that is called with every run once it is open, in the process that records it."""

logger = logging.getLogger(__name__)


def call_hook(variable: str, *arguments: object) -> object:
    """Call the function that an environment variable names as ``package.module.function``.

    Returns:
        What the function returns; None where the variable is not set.

    Raises:
        WandbSettingsError: There is no such function, or it raised.
    """
    name = os.environ.get(variable)
    if not name:
        return None
    module, _, function = name.rpartition(".")
    try:
        hook = getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        message = f"{name} cannot be imported ({type(error).__name__}): expected package.module.function."
        raise WandbSettingsError([Problem(variable, message)], "the environment") from None
    try:
        return hook(*arguments)
    except Exception as error:
        raise WandbSettingsError([Problem(variable, f"{name} raised {error!r}.")], "the environment") from error


def process_run(run: Run) -> None:
    """Show an open run to the hook ``WANDB_PROCESS_RUN_INFO_HOOK``; its failure costs a warning, not the run."""
    try:
        call_hook(RUN_HOOK, run)
    except WandbSettingsError as error:
        logger.warning("%s", error)
