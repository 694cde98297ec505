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
RUN_INFO_HOOK: Final = "WANDB_PROCESS_RUN_INFO_HOOK"
"""Names a function that is called with every run once it is open, in the process that records it."""

logger = logging.getLogger(__name__)


def call_hook(variable: str, *arguments: object) -> object:
    """Call the function that an environment variable names as ``package.module.function``.

    Returns:
        What the function returns; None if the variable is not set.

    Raises:
        WandbSettingsError: There is no such function, or it raised. The text of its own error is not repeated, because
            it may contain a secret.
    """
    name = os.environ.get(variable)
    if not name:
        return None
    module, _, function = name.rpartition(".")
    try:
        hook = getattr(import_module(module), function)
    except Exception as error:  # importing a module may raise anything
        message = f"{name} cannot be imported ({type(error).__name__}): expected package.module.function."
    else:
        try:
            return hook(*arguments)
        except Exception as error:
            message = f"{name} raised {type(error).__name__}. Call it in a Python shell to see why."
    # Outside the except block: no __context__ carries the error's text into a traceback.
    raise WandbSettingsError([Problem(variable, message)], "the environment")


def run_info_hook(run: Run) -> None:
    """Call the hook ``WANDB_PROCESS_RUN_INFO_HOOK`` with an open run; if it fails, log a warning and go on."""
    try:
        call_hook(RUN_INFO_HOOK, run)
    except WandbSettingsError as error:
        logger.warning("%s", error)
