"""Find the API key of a run, and check that it can be one."""

from __future__ import annotations

import logging
import re
from typing import Final

from typed_tune_wandb._hooks import API_KEY_HOOK
from typed_tune_wandb._logging import PROCESS_LOG
from typed_tune_wandb.credentials._sources import SOURCES, Credential, credential_error
from typed_tune_wandb.settings import WandbSettings, effective_mode

logger = logging.getLogger(__name__)

# What wandb 0.31 takes: 40 characters or more, after a prefix and a dash on a self-hosted server; or a token (JWT).
_KEY_PATTERN: Final = re.compile(r"(?:[^-\s]*-[\w-]{40,}|\w{40,}|[\w-]+\.[\w-]+\.[\w-]+)", re.ASCII)
_KEY_NOT_FOUND: Final = "no W&B API key found."
_KEY_NOT_RESTORED: Final = (
    "the key was given in another session and is stored nowhere: restored_with(api_key=...) around Tuner.restore "
    "gives it again."
)
_WHERE_TO_GIVE_A_KEY: Final = (
    "Give one in api_key or api_key_file, or set WANDB_API_KEY, or run `wandb login` "
    f"on this machine, or name a function that returns it in {API_KEY_HOOK}. "
    'Without a key, record with mode="offline" and upload later by `wandb sync`.'
)


def resolve_api_key(settings: WandbSettings) -> Credential:
    """Find the key for a run with these settings, in the first of :data:`SOURCES` that has one.

    Offline and disabled runs need no key: none is looked for. The source is logged once, at INFO; the key never is.
    Call this on the driver, because paths and logins are the driver's.

    Args:
        settings: A run's settings.

    Raises:
        WandbSettingsError: The mode needs a key, and there is none, or it is unusable.
    """
    if effective_mode(settings) not in ("online", "shared"):
        return Credential(None, "none is needed offline")
    credential = next(filter(None, (find(settings) for find in SOURCES)), None)
    if credential is None:
        reason = _KEY_NOT_FOUND if settings.api_key is None else _KEY_NOT_RESTORED
        raise credential_error("api_key", f"{reason} {_WHERE_TO_GIVE_A_KEY}")
    _check_shape(credential)
    PROCESS_LOG.log(logger, logging.INFO, "The W&B API key comes from %s.", credential.source)
    return credential


def _check_shape(credential: Credential) -> None:
    key = credential.secret.reveal() if credential.secret else None
    if key is not None and not _KEY_PATTERN.fullmatch(key):
        blanks = ", blanks among them" if key.split() != [key] else ""
        raise credential_error(
            "api_key",
            f"the key from {credential.source} is no W&B API key: expected at least 40 letters, digits, _ or -, got "
            f"{len(key)} characters{blanks}.",
        )
