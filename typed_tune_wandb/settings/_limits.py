"""The limits of W&B's server for names: longer ones are shortened, so that no run is refused for its name."""

from __future__ import annotations

import hashlib
import logging
import os
from typing import Final, cast

from typed_tune_wandb._logging import PROCESS_LOG
from typed_tune_wandb.settings._rules import MAX_JOB_TYPE_CHARS, MAX_NAME_CHARS
from typed_tune_wandb.settings._types import WandbInitKwargs

logger = logging.getLogger(__name__)

_HASH_CHARS: Final = 8
_LIMITS: Final = {"name": MAX_NAME_CHARS, "group": MAX_NAME_CHARS, "job_type": MAX_JOB_TYPE_CHARS}
# The variables that hold where an argument of wandb.init is missing.
_VARIABLES: Final = {"name": "WANDB_NAME", "group": "WANDB_RUN_GROUP", "job_type": "WANDB_JOB_TYPE"}


def shorten(text: str, limit: int) -> str:
    """Shorten a text; different texts stay different, because a hash of the whole text ends the short one.

    Args:
        text: Any text.
        limit: The most characters of the result, 10 or more.

    Example:
        >>> from typed_tune_wandb.settings._limits import shorten
        >>> shorten("train_" + "lr=0.1," * 30, 24)
        'train_lr=0.1,lr-98ffe8ad'
    """
    if len(text) <= limit:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_CHARS]
    return f"{text[: limit - _HASH_CHARS - 1]}-{digest}"


def shorten_names(init: WandbInitKwargs) -> WandbInitKwargs:
    """Return arguments of ``wandb.init`` with names that W&B's server takes; what is shortened is logged once.

    Args:
        init: The arguments. A name that they leave to a ``WANDB_...`` variable is shortened too.
    """
    names = cast("dict[str, object]", init)
    shortened: dict[str, object] = {}
    for key, limit in _LIMITS.items():
        given = names.get(key) or os.environ.get(_VARIABLES[key])
        if not isinstance(given, str):
            continue
        # Tune's own name of a trial may hold a lone surrogate, which costs a run: its escape does not.
        text = given.encode("utf-8", "backslashreplace").decode("utf-8")
        if len(text) > limit:
            text = shorten(text, limit)
            message = "W&B takes at most %d characters for a run's %s: longer ones are cut, and end in a hash."
            PROCESS_LOG.log(logger, logging.WARNING, message, limit, key)
        if text != given:
            shortened[key] = text
    return cast("WandbInitKwargs", {**names, **shortened})
