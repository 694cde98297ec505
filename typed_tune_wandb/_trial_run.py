"""A W&B run in the process that trains, and what the driver hands over to it.

Nothing in here is public; ``trainable`` is its face.
"""

from __future__ import annotations

import logging
import netrc
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlparse

from attrs import frozen

from typed_tune_wandb._hooks import process_run
from typed_tune_wandb._secret import Secret
from typed_tune_wandb.credentials import mode_of, resolve
from typed_tune_wandb.errors import Problem, WandbSettingsError
from typed_tune_wandb.location import located
from typed_tune_wandb.payload import WarnOnce, storable_config
from typed_tune_wandb.settings import WandbSettings, find_entry

if TYPE_CHECKING:
    from wandb import Run, Settings

logger = logging.getLogger(__name__)

# What of the driver's environment says where runs go. The key is none of it: it travels as a Secret.
_CARRIED: Final = (
    *("WANDB_BASE_URL", "WANDB_ENTITY", "WANDB_MODE", "WANDB_PROJECT", "WANDB_PROJECT_NAME"),
    *("WANDB_RUN_GROUP", "WANDB_GROUP_NAME"),
)
# Seconds that a stopped trial's process waits for its run to be uploaded. At an experiment's end Tune waits for less.
LONGEST_FINISH: Final = 60.0
_INLINE_KEY: Final = (
    "it stands in the raw dict, readable. From here on it is hidden, but Tuner.fit had already written it to "
    "tuner.pkl. "
    'Write "api_key_file" there instead, or pass WandbSettings(api_key=...).to_config() as the entry.'
)
_warn = WarnOnce()


@frozen
class Identity:
    """What Ray calls the thing that a run records.

    Attributes:
        id: The trial's id, or None where there is no trial.
        name: The trial's name.
        group: The experiment's name.
    """

    id: str | None = None
    name: str | None = None
    group: str | None = None


class HandedEntry(dict[str, object]):
    """A W&B entry that went through the driver: checked, with absolute paths, and with what the driver alone knows.

    To everybody else it is the dict that it was: JSON and YAML files show no more than that.

    Attributes:
        login: The key that the driver found, or None. Its pickle is a reference (see ``_secret``).
        environment: The driver's ``WANDB_...`` variables that say where runs go.
        folder: Where wandb would keep local files on the driver.
    """

    login: Secret | None = None
    environment: Mapping[str, str] = {}
    folder: str | None = None


def hand_over(config: dict[str, Any]) -> None:
    """Check the W&B entry of a trial's config on the driver, and put what only the driver knows into it.

    A key in the entry becomes a Secret here, before Tune writes the config anywhere.

    Args:
        config: The trial's config; its entry is replaced.

    Raises:
        WandbSettingsError: There is no entry, or it has mistakes.
    """
    settings = WandbSettings.from_config(config)
    found = find_entry(config)
    if found is not None and isinstance(found[1], Mapping) and isinstance(found[1].get("api_key"), str):
        _warn("api_key", _INLINE_KEY)
    entry = HandedEntry(settings.to_config())
    for name in ("api_key_file", "dir"):
        if name in entry:
            entry[name] = str(Path(str(entry[name])).expanduser().absolute())
    entry.login = _found_key(WandbSettings.from_dict(entry))
    entry.environment = {name: os.environ[name] for name in _CARRIED if os.environ.get(name)}
    entry.folder = str(Path(os.environ.get("WANDB_DIR") or ".").absolute())
    if "wandb" in config:
        config["wandb"] = entry
    else:
        config["logger_config"] = {**config["logger_config"], "wandb": entry}


def _found_key(settings: WandbSettings) -> Secret | None:
    """The key that these settings lead to on this machine, or None."""
    if mode_of(settings) not in ("online", "shared"):
        return None
    try:
        found = resolve(settings)
    except WandbSettingsError as error:
        # A worker may have its own login (a runtime_env, an image): it says what is missing if it has not.
        logger.debug("The driver has no W&B key for its trials: %s", error)
        return None
    return found.key or _own_key()


def _own_key() -> Secret | None:
    """The key of wandb's own login on this machine: the variable, the settings, or netrc."""
    import wandb

    known = wandb.setup().settings
    key = os.environ.get("WANDB_API_KEY") or known.api_key
    named = os.environ.get("NETRC")
    host = urlparse(known.base_url).hostname
    for path in [Path(named)] if named else [Path("~/.netrc"), Path("~/_netrc")]:
        if key or not host:
            break
        with suppress(OSError, netrc.NetrcParseError):
            found = netrc.netrc(path.expanduser()).authenticators(host)
            key = found[2] if found else None
    return Secret(key) if key else None


def settings_of(config: Mapping[str, object]) -> tuple[WandbSettings, str | None]:
    """The settings in a trial's config as its own process needs them, and the folder of local files.

    Raises:
        WandbSettingsError: There is no entry, or it has mistakes.
    """
    settings = WandbSettings.from_config(config)
    found = find_entry(config)
    entry = found[1] if found else None
    if not isinstance(entry, HandedEntry):
        return settings, None
    for name, value in entry.environment.items():
        os.environ.setdefault(name, value)
    if entry.login is not None and entry.login.reveal() is not None:
        settings = settings.overridden_by({"api_key": entry.login})
    return settings, entry.folder


def open_run(
    settings: WandbSettings, config: Mapping[str, object], identity: Identity, *, folder: str | None = None
) -> Run:
    """Open a run in this process, as the one of ``wandb.log``.

    Args:
        settings: What the user said.
        config: The trial's config, for the run's.
        identity: The names that hold where the settings have none.
        folder: Where local files go, where neither the settings nor this process' environment say so.

    Raises:
        WandbSettingsError: No project, no usable key, or settings that wandb refuses.
        wandb.Error: W&B could not open the run.
    """
    import wandb

    settings = located(settings, default_group=identity.group)
    credential = resolve(settings)
    # ``api_key`` is an attribute of wandb.Settings: so it is in no variable and on no disk.
    inner = _wandb_settings(settings, credential.key)
    init = dict(settings.init_kwargs())
    init.pop("config", None)
    run_config = storable_config(config, settings.excludes)
    if isinstance(settings.config, Mapping):
        run_config = {**run_config, **storable_config(settings.config, settings.excludes)}
    # W&B's advice for a run that may be continued: its own id, and resume="allow".
    rewound = {"resume_from", "fork_from"} & init.keys()
    defaults: dict[str, object] = {
        "id": None if "resume_from" in rewound else identity.id,
        "name": identity.name,
        "resume": None if rewound else "allow" if identity.id or "id" in init else None,
        "dir": folder,
        # A process may see several trials, one after the other (reuse_actors).
        "reinit": "finish_previous",
        "allow_val_change": True,
    }
    kwargs = {**{name: value for name, value in defaults.items() if value is not None}, **init, "settings": inner}
    if isinstance(settings.config, str):
        run = wandb.init(config=settings.config, **cast("Any", kwargs))
        run.config.update(run_config, allow_val_change=True)
    else:
        run = wandb.init(config=run_config, **cast("Any", kwargs))
    process_run(run)
    return run


def _wandb_settings(settings: WandbSettings, key: Secret | None) -> Settings:
    """The ``wandb.Settings`` of the entry, with the key in it."""
    import wandb

    given = settings.settings
    made, refused = None, ""
    try:
        made = wandb.Settings(**cast("Any", given)) if isinstance(given, Mapping) else given or wandb.Settings()
    except (TypeError, ValueError) as error:
        refused = type(error).__name__
    # Outside the except block: the error's own text repeats values.
    if made is None:
        raise WandbSettingsError([Problem("settings", f"wandb.Settings refuses this dict ({refused}).")])
    text = key.reveal() if key is not None else None
    return made.model_copy(update={"api_key": text}) if text is not None else made


@cache
def own_service() -> None:
    """Let this process have a wandb service of its own, once.

    wandb leaves its service's address in the environment, where a worker that was started by the driver finds it: the
    driver's service may be on another node, and goes with the driver.
    """
    os.environ.pop("WANDB_SERVICE", None)


class LiveRun:
    """An open run, to be ended once, by whoever comes first."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def end(self, exit_code: int) -> None:
        """Finish the run, with its uploads; a failure costs a warning, not the trial."""
        with self._lock:
            if self._ended.is_set():
                return
            try:
                self.run.finish(exit_code=exit_code)
            except Exception as error:
                logger.warning("The W&B run %s could not be finished (%s).", self.run.id, type(error).__name__)
            self._ended.set()

    def wait(self, timeout: float) -> bool:
        """Wait until it has ended, at most ``timeout`` seconds; whether it has."""
        return self._ended.wait(timeout)


def exit_code_of(error: BaseException) -> int:
    """The exit code of what left a training function: Tune stops one by ``SystemExit(0)``."""
    stopped = isinstance(error, GeneratorExit) or (isinstance(error, SystemExit) and not error.code)
    return 0 if stopped else 1


@contextmanager
def failing_with(live: LiveRun) -> Iterator[None]:
    """Ends the run as failed where the block raises."""
    try:
        yield
    except BaseException as error:
        live.end(exit_code_of(error))
        raise
