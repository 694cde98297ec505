"""Where the API key comes from, in which order, and whether one is needed at all.

The order: the field ``api_key`` or ``api_key_file`` → ``WANDB_API_KEY`` → wandb's own login (netrc or a settings
file) → the hook ``WANDB_SETUP_API_KEY_HOOK`` → an error that names all of these. It is the documented order of the
original integration. Offline and disabled runs need no key.
"""

from __future__ import annotations

import logging
import netrc
import os
import stat
from pathlib import Path
from typing import Final
from urllib.parse import urlparse

from attrs import frozen

from typed_tune_wandb._hooks import API_KEY_HOOK, call_hook
from typed_tune_wandb._secret import Secret
from typed_tune_wandb.errors import Problem, WandbSettingsError
from typed_tune_wandb.settings import WandbSettings

logger = logging.getLogger(__name__)

_SHORTEST_KEY: Final = 40


@frozen
class Credential:
    """How a run is to log in.

    Attributes:
        key: The key, or None where wandb finds it by itself or none is needed.
        source: In words, where the key comes from: safe to log.
    """

    key: Secret | None
    source: str


def mode_of(settings: WandbSettings) -> str:
    """The mode that a run of these settings will have: ``"online"``, ``"offline"``, ``"disabled"`` or ``"shared"``.

    It is the field's, or ``WANDB_MODE``'s, or that of ``wandb offline``. wandb is imported for the last alone.
    """
    inner = settings.settings
    inside = inner.get("mode") if isinstance(inner, dict) else None
    mode = settings.mode or inside or os.environ.get("WANDB_MODE")
    if not mode:
        import wandb

        mode = (inner if isinstance(inner, wandb.Settings) else wandb.setup().settings).mode
    return {"dryrun": "offline", "run": "online"}.get(str(mode), str(mode))


def resolve(settings: WandbSettings) -> Credential:
    """Find the key for a run of these settings; the source is logged once at INFO, the key never.

    Call it on the driver: paths and logins are the driver's.

    Raises:
        WandbSettingsError: No key, or an unusable one, and the mode needs one.
    """
    needed = mode_of(settings) in ("online", "shared")
    if not needed and settings.api_key is None and settings.api_key_file is None:
        # Asking wandb for its own login would start a wandb-core beside the driver.
        return Credential(None, "none is needed offline")
    try:
        found = _found(settings)
    except WandbSettingsError:
        if needed:
            raise
        found = None
    if found is None:
        if needed:
            raise WandbSettingsError([Problem("api_key", _NO_KEY)], "the W&B credentials")
        return Credential(None, "none is needed offline")
    if needed and found.key is not None:
        _check_shape(found)
    _tell(found.source)
    return found


_NO_KEY: Final = (
    "no W&B API key found. Give one in api_key or api_key_file, or set WANDB_API_KEY, or run `wandb login` "
    f"on this machine, or name a function that returns it in {API_KEY_HOOK}. "
    'Without a key, record with mode="offline" and upload later by `wandb sync`.'
)
_told: set[str] = set()


def _tell(source: str) -> None:
    if source not in _told:
        _told.add(source)
        logger.info("The W&B API key comes from %s.", source)


def _found(settings: WandbSettings) -> Credential | None:
    if settings.api_key is not None:
        if settings.api_key.reveal() is None:
            raise _unusable(
                "api_key",
                "the key was given in another session and is nowhere written down. Give it again: to the logger, or "
                "in WANDB_API_KEY.",
            )
        return Credential(settings.api_key, "the field api_key")
    if settings.api_key_file is not None:
        path = Path(settings.api_key_file).expanduser().absolute()
        return Credential(_read(path), f"the file {path}")
    if os.environ.get("WANDB_API_KEY"):
        return Credential(None, "the variable WANDB_API_KEY")
    own = _own_login()
    if own is not None:
        return Credential(None, own)
    if os.environ.get(API_KEY_HOOK):
        key = call_hook(API_KEY_HOOK)
        if not isinstance(key, str) or not key.strip():
            raise _unusable("api_key", f"the function named by {API_KEY_HOOK} returned no key.")
        return Credential(Secret(key.strip()), f"the hook {API_KEY_HOOK}")
    return None


def _own_login() -> str | None:
    """Where wandb itself would find a key: its settings file, an identity token, or netrc."""
    import wandb

    known = wandb.setup().settings
    if known.api_key:
        return "wandb's settings"
    if known.identity_token_file:
        return "wandb's identity token file"
    host = urlparse(known.base_url).hostname
    named = os.environ.get("NETRC")
    for path in [Path(named)] if named else [Path("~/.netrc"), Path("~/_netrc")]:
        try:
            if host and netrc.netrc(path.expanduser()).authenticators(host):
                return f"`wandb login` ({path})"
        except (OSError, netrc.NetrcParseError):
            continue
    return None


def _read(path: Path) -> Secret:
    """The key in a file's one line.

    Raises:
        WandbSettingsError: The file is missing, unreadable, empty, or holds more than a key.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        readable_by_all = path.stat().st_mode & stat.S_IROTH
    except FileNotFoundError:
        raise _unusable("api_key_file", f"there is no file {path} on this machine.") from None
    except (OSError, UnicodeDecodeError) as error:
        why = f"{path} cannot be read as text ({type(error).__name__})."
        raise _unusable("api_key_file", why) from None
    filled = [line.strip() for line in lines if line.strip()]
    if not filled:
        raise _unusable("api_key_file", f"{path} is empty: expected the API key in its one line.")
    if len(filled) > 1:
        raise _unusable("api_key_file", f"{path} has {len(filled)} lines: expected the API key alone.")
    if len(filled[0].split()) > 1:
        raise _unusable("api_key_file", f"{path} has blanks inside its line: expected the API key alone.")
    if readable_by_all and os.name == "posix":
        logger.warning("Everybody on this machine can read the W&B API key in %s: `chmod 600` it.", path)
    return Secret(filled[0])


def _check_shape(found: Credential) -> None:
    key = found.key.reveal() if found.key else None
    if key is not None and (len(key) < _SHORTEST_KEY or not key.isascii() or key.split() != [key]):
        raise _unusable(
            "api_key",
            f"the key from {found.source} is no W&B API key: expected at least {_SHORTEST_KEY} characters and no "
            f"blanks, got {len(key)} characters.",
        )


def _unusable(path: str, message: str) -> WandbSettingsError:
    return WandbSettingsError([Problem(path, message)], "the W&B credentials")
