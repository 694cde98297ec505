"""Where the API key comes from, in which order, and whether one is needed at all.

The order: the field ``api_key`` or ``api_key_file`` → ``WANDB_API_KEY`` → wandb's own login (netrc or a settings
file) → the hook ``WANDB_SETUP_API_KEY_HOOK`` → an error that names all of these. It is the documented order of the
original integration. Offline and disabled runs need no key.
"""

from __future__ import annotations

import logging
import netrc
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlparse

from attrs import frozen

from typed_tune_wandb._hooks import API_KEY_HOOK, call_hook
from typed_tune_wandb._secret import Secret
from typed_tune_wandb.errors import Problem, WandbSettingsError
from typed_tune_wandb.settings import WandbSettings

logger = logging.getLogger(__name__)

# What wandb 0.31 takes: 40 characters or more, after a prefix and a dash on a server of one's own; or a token (JWT).
_KEY: Final = re.compile(r"(?:[^-\s]*-[\w-]{40,}|\w{40,}|[\w-]+\.[\w-]+\.[\w-]+)", re.ASCII)


@frozen
class Credential:
    """How a run is to log in.

    Attributes:
        key: The key that wandb has to be told, or None where it finds one by itself or none is needed.
        source: In words, where the key comes from: safe to log.
        found: The key wherever it comes from, for a process that has no part in this machine's login; None where none
            is needed, or where wandb has an identity token instead.
    """

    key: Secret | None
    source: str
    found: Secret | None = None


def inner_word(settings: WandbSettings, name: str) -> str | None:
    """A word that was said in the entry's own ``settings``; what is wandb's default there was not said."""
    inner = settings.settings
    if isinstance(inner, Mapping):
        word = inner.get(name)
    else:
        word = getattr(inner, name) if inner is not None and name in inner.model_fields_set else None
    return word if isinstance(word, str) else None


def mode_of(settings: WandbSettings) -> str:
    """The mode that a run of these settings will have: ``"online"``, ``"offline"``, ``"disabled"`` or ``"shared"``.

    It is the field's, or ``WANDB_MODE``'s, or that of ``wandb offline``. wandb is imported for the last alone.
    """
    mode = settings.mode or inner_word(settings, "mode") or os.environ.get("WANDB_MODE")
    if not mode:
        import wandb

        mode = wandb.setup().settings.mode
    return {"dryrun": "offline", "run": "online"}.get(mode, mode)


def resolve(settings: WandbSettings) -> Credential:
    """Find the key for a run of these settings; the source is logged once at INFO, the key never.

    Call it on the driver: paths and logins are the driver's.

    Raises:
        WandbSettingsError: No key, or an unusable one, and the mode needs one.
    """
    if mode_of(settings) not in ("online", "shared"):
        # Neither is a key looked at: asking wandb for its own login would start a wandb-core beside the driver.
        return Credential(None, "none is needed offline")
    found = _found(settings)
    if found is None:
        lost = settings.api_key is not None
        raise _unusable("api_key", f"{_LOST if lost else 'no W&B API key found.'} {_NO_KEY}")
    _check_shape(found)
    _once(logging.INFO, "The W&B API key comes from %s.", found.source)
    return found


_LOST: Final = (
    "the key was given in another session and is nowhere written down: restored_with(api_key=...) around Tuner.restore "
    "gives it again."
)
_NO_KEY: Final = (
    "Give one in api_key or api_key_file, or set WANDB_API_KEY, or run `wandb login` "
    f"on this machine, or name a function that returns it in {API_KEY_HOOK}. "
    'Without a key, record with mode="offline" and upload later by `wandb sync`.'
)
_told: set[tuple[str, str]] = set()


def _once(level: int, text: str, word: str) -> None:
    """Log a text about a word, the first time."""
    if (text, word) not in _told:
        _told.add((text, word))
        logger.log(level, text, word)


def _found(settings: WandbSettings) -> Credential | None:
    # A restored experiment may hold a key that went with its session: the next source counts.
    if settings.api_key is not None and settings.api_key.reveal() is not None:
        return Credential(settings.api_key, "the field api_key", settings.api_key)
    if settings.api_key_file is not None:
        key, path = _read(settings.api_key_file)
        return Credential(key, f"the file {path}", key)
    if key_of_environment := os.environ.get("WANDB_API_KEY"):
        return Credential(None, "the variable WANDB_API_KEY", Secret(key_of_environment))
    own = _own_login(inner_word(settings, "base_url"))
    if own is not None:
        return own
    if os.environ.get(API_KEY_HOOK):
        returned = call_hook(API_KEY_HOOK)
        if not isinstance(returned, str) or not returned.strip():
            raise _unusable("api_key", f"the function named by {API_KEY_HOOK} returned no key.")
        key = Secret(returned.strip())
        return Credential(key, f"the hook {API_KEY_HOOK}", key)
    return None


def _own_login(base_url: str | None) -> Credential | None:
    """What wandb itself would find: an identity token, the key in netrc, or that of its settings (seen in 0.31)."""
    import wandb

    known = wandb.setup().settings
    url = base_url or known.base_url
    if known.identity_token_file:
        return Credential(None, "wandb's identity token file")
    named = os.environ.get("NETRC")
    for name in [named] if named else ["~/.netrc", "~/_netrc"]:
        try:
            login = netrc.netrc(Path(name).expanduser()).authenticators(urlparse(url).netloc)
        except (OSError, netrc.NetrcParseError):
            continue
        if login and login[2]:
            return Credential(None, f"`wandb login` ({name})", Secret(login[2]))
    if known.api_key and url.rstrip("/") == known.base_url.rstrip("/"):
        return Credential(None, "wandb's settings", Secret(known.api_key))
    return None


def _read(file: str | os.PathLike[str]) -> tuple[Secret, Path]:
    """The key in a file's one line, and the file's absolute path.

    Raises:
        WandbSettingsError: The file is missing, unreadable, empty, or holds more than a key.
    """
    path = Path(file)
    try:
        path = path.expanduser().absolute()
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        readable_by_all = path.stat().st_mode & stat.S_IROTH
    except FileNotFoundError:
        raise _unusable("api_key_file", f"there is no file {path} on this machine.") from None
    except (OSError, RuntimeError, UnicodeDecodeError) as error:
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
        _once(logging.WARNING, "Everybody on this machine can read the W&B API key in %s: `chmod 600` it.", str(path))
    return Secret(filled[0]), path


def _check_shape(found: Credential) -> None:
    key = found.found.reveal() if found.found else None
    if key is not None and not _KEY.fullmatch(key):
        blanks = ", blanks among them" if key.split() != [key] else ""
        raise _unusable(
            "api_key",
            f"the key from {found.source} is no W&B API key: expected at least 40 letters, digits, _ or -, got "
            f"{len(key)} characters{blanks}.",
        )


def _unusable(path: str, message: str) -> WandbSettingsError:
    return WandbSettingsError([Problem(path, message)], "the W&B credentials")
