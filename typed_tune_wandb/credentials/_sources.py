"""The places where an API key may be, in the order in which they are asked: see :data:`SOURCES`."""

from __future__ import annotations

import logging
import netrc
import os
import shlex
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import urlparse

from attrs import frozen

from typed_tune_wandb._hooks import API_KEY_HOOK, call_hook
from typed_tune_wandb._logging import PROCESS_LOG
from typed_tune_wandb._secret import Secret
from typed_tune_wandb.errors import Problem, WandbSettingsError
from typed_tune_wandb.settings import WandbSettings, configured_base_url, configured_setting, nested_setting

logger = logging.getLogger(__name__)


@frozen
class Credential:
    """How a run logs in.

    Attributes:
        explicit_key: The key that wandb must be given, or None if wandb finds it by itself or needs none.
        source: Where the key comes from, in words that are safe to log.
        secret: The key from any source, for a process that has no access to this machine's login; None if no key is
            needed, or if wandb has an identity token instead.
    """

    explicit_key: Secret | None
    source: str
    secret: Secret | None = None


Source: TypeAlias = Callable[[WandbSettings], Credential | None]


def credential_error(path: str, message: str) -> WandbSettingsError:
    """Return the error for a key that is missing or unusable."""
    return WandbSettingsError([Problem(path, message)], "the W&B credentials")


def from_field(settings: WandbSettings) -> Credential | None:
    """Return the key in the field ``api_key``."""
    # The key of a restored experiment may have ended with its session: then the next source counts.
    if settings.api_key is None or settings.api_key.reveal() is None:
        return None
    return Credential(settings.api_key, "the field api_key", settings.api_key)


def from_file(settings: WandbSettings) -> Credential | None:
    """Return the key in the file that the field ``api_key_file`` names."""
    if settings.api_key_file is None:
        return None
    key, path = _read_key_file(settings.api_key_file)
    return Credential(key, f"the file {path}", key)


def from_environment(settings: WandbSettings) -> Credential | None:
    """Return the key in ``WANDB_API_KEY``."""
    key = os.environ.get("WANDB_API_KEY")
    return Credential(None, "the variable WANDB_API_KEY", Secret(key)) if key else None


def from_identity_token(settings: WandbSettings) -> Credential | None:
    """Return wandb's identity token."""
    return Credential(None, "wandb's identity token file") if configured_setting("identity_token_file") else None


def from_netrc(settings: WandbSettings) -> Credential | None:
    """Return the key that ``wandb login`` wrote for the run's server (seen in wandb 0.31)."""
    server = urlparse(nested_setting(settings, "base_url") or configured_base_url()).netloc
    configured = os.environ.get("NETRC")
    for name in [configured] if configured else ["~/.netrc", "~/_netrc"]:
        try:
            login = netrc.netrc(Path(name).expanduser()).authenticators(server)
        except (OSError, netrc.NetrcParseError):
            continue
        if login and login[2]:
            return Credential(None, f"`wandb login` ({name})", Secret(login[2]))
    return None


def from_wandb_settings(settings: WandbSettings) -> Credential | None:
    """Return the key in wandb's own settings, which holds for wandb's own server only."""
    key = configured_setting("api_key")
    server = nested_setting(settings, "base_url")
    if key is None or (server is not None and server.rstrip("/") != configured_base_url()):
        return None
    # Explicit: no other process knows what this program has set in wandb.
    return Credential(Secret(key), "wandb's settings", Secret(key))


def from_hook(settings: WandbSettings) -> Credential | None:
    """Return the key from the function that ``WANDB_SETUP_API_KEY_HOOK`` names."""
    if not os.environ.get(API_KEY_HOOK):
        return None
    returned = call_hook(API_KEY_HOOK)
    if not isinstance(returned, str) or not returned.strip():
        raise credential_error("api_key", f"the function named by {API_KEY_HOOK} returned no key.")
    key = Secret(returned.strip())
    return Credential(key, f"the hook {API_KEY_HOOK}", key)


SOURCES: Final[tuple[Source, ...]] = (
    from_field,
    from_file,
    from_environment,
    from_identity_token,
    from_netrc,
    from_wandb_settings,
    from_hook,
)
"""Every source of a key; the first that has one counts. It is the documented order of the original integration."""


def _read_key_file(file: str | os.PathLike[str]) -> tuple[Secret, Path]:
    """Return the key on a file's only line, and the file's absolute path.

    Raises:
        WandbSettingsError: The file is missing, unreadable or empty, or it contains more than a key.
    """
    path = Path(file)
    try:
        path = path.expanduser().absolute()
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        readable_by_all = path.stat().st_mode & stat.S_IROTH
    except FileNotFoundError:
        raise credential_error("api_key_file", f"there is no file {path} on this machine.") from None
    except (OSError, RuntimeError, UnicodeDecodeError) as error:
        reason = f"{path} cannot be read as text ({type(error).__name__})."
        raise credential_error("api_key_file", reason) from None
    filled = [line.strip() for line in lines if line.strip()]
    if not filled:
        raise credential_error("api_key_file", f"{path} is empty: expected the API key on its only line.")
    if len(filled) > 1:
        raise credential_error("api_key_file", f"{path} has {len(filled)} lines: expected the API key alone.")
    if len(filled[0].split()) > 1:
        raise credential_error("api_key_file", f"{path} has blanks inside its line: expected the API key alone.")
    if readable_by_all and os.name == "posix":
        warning = "Everybody on this machine can read the W&B API key in %s. Protect it by: chmod 600 %s"
        PROCESS_LOG.log(logger, logging.WARNING, warning, path, shlex.quote(str(path)))
    return Secret(filled[0]), path
