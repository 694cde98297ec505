"""A W&B run in the process that trains, and what the driver hands over to it.

Nothing in here is public; ``trainable`` is its face.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from attrs import frozen

from typed_tune_wandb._entry import hide_key
from typed_tune_wandb._hooks import process_run
from typed_tune_wandb._secret import Secret
from typed_tune_wandb._service import end_service, teardown
from typed_tune_wandb.credentials import inner_word, resolve
from typed_tune_wandb.errors import Problem, WandbSettingsError
from typed_tune_wandb.location import located
from typed_tune_wandb.payload import WarnOnce, storable_config
from typed_tune_wandb.settings import WandbSettings, find_entry

if TYPE_CHECKING:
    from wandb import Run, Settings

logger = logging.getLogger(__name__)

# What of the driver's environment counts on a node that has no such variable. The key travels as a Secret.
_CARRIED: Final = ("WANDB_BASE_URL", "WANDB_ENTITY", "WANDB_MODE")
# Seconds that a stopped trial's process waits for its run to be uploaded. At an experiment's end Tune waits for 10.
LONGEST_FINISH: Final = 60
# Of wandb.Settings, in seconds; wandb's own default is 15. Seen in wandb 0.31.
_FLUSH: Final = "x_transaction_log_flush_interval"
_INLINE_KEY: Final = (
    "it stands in the raw dict, readable. From here on it is hidden, but Tune had already written it to its searcher's "
    "state (basic-variant-state-*.json). "
    'Write "api_key_file" there instead, or pass WandbSettings(api_key=...).to_config() as the entry.'
)
_warn = WarnOnce()


@frozen
class Identity:
    """What Ray calls the thing that a run records; empty outside of Ray.

    Attributes:
        id: The trial's id, or None where there is no trial.
        name: The trial's name.
        group: The experiment's name.
        rank: The rank of a Ray Train worker, or None.
    """

    id: str | None = None
    name: str | None = None
    group: str | None = None
    rank: int | None = None

    @property
    def in_ray(self) -> bool:
        """Whether Ray runs this process, for a trial or as a worker."""
        return self != Identity()


class HandedEntry(dict[str, object]):
    """A W&B entry that went through the driver: checked, with absolute paths, and with what the driver alone knows.

    To everybody else it is the dict that it was: JSON and YAML files show no more than that.

    Attributes:
        login: The key that the driver found, or None. Its pickle is a reference (see ``_secret``).
        environment: ``WANDB_...`` variables for a node that has none of its own.
    """

    login: Secret | None = None
    environment: Mapping[str, str] = {}


def hand_over(config: dict[str, Any]) -> None:
    """Check the W&B entry of a trial's config on the driver, and put what only the driver knows into it.

    A key in the entry becomes a Secret here, before Tune writes the config anywhere.

    Args:
        config: The trial's config; its entry is replaced.

    Raises:
        WandbSettingsError: There is no entry, or it has mistakes; no project; an entry's key that cannot be used.
    """
    _, given = find_entry(config) or ("", None)
    if isinstance(given, dict) and hide_key(given):
        _warn("api_key", _INLINE_KEY)
    settings = located(WandbSettings.from_config(config), default_group=None)
    if isinstance(settings.settings, Mapping):
        _wandb_settings(settings)
    try:
        login = _login(settings)
    except WandbSettingsError:
        if not isinstance(given, HandedEntry):
            raise
        # Restored in another session, where the key or its file is gone: what this machine knows counts.
        said = settings.to_config().items()
        settings = WandbSettings.from_dict({k: v for k, v in said if k not in ("api_key", "api_key_file")})
        login = _login(settings)
    entry = HandedEntry({"dir": os.environ.get("WANDB_DIR") or ".", **settings.to_config()})
    for name in ("api_key_file", "config", "dir"):
        if isinstance(path := entry.get(name), (str, os.PathLike)):
            entry[name] = str(Path(path).expanduser().absolute())
    entry.environment = {name: os.environ[name] for name in _CARRIED if os.environ.get(name)}
    entry.login = login
    if login is not None:
        import wandb

        # Key and server belong together: `wandb login --host` keeps the server in a file of this machine.
        entry.environment["WANDB_BASE_URL"] = inner_word(settings, "base_url") or wandb.setup().settings.base_url
    if "wandb" in config:
        config["wandb"] = entry
    else:
        config["logger_config"] = {**config["logger_config"], "wandb": entry}


def _login(settings: WandbSettings) -> Secret | None:
    """The key that these settings lead to on this machine; None where they name none and it knows none.

    Raises:
        WandbSettingsError: The key or the file that they name cannot be used.
    """
    try:
        return resolve(settings).found
    except WandbSettingsError as error:
        if settings.api_key is not None or settings.api_key_file is not None:
            raise
        # A worker may have its own login (a runtime_env, an image): it says what is missing if it has not.
        logger.debug("The driver has no W&B key for its trials: %s", error)
        return None


def was_handed_over(config: Mapping[str, object]) -> bool:
    """Whether a trial's config went through the driver's :func:`hand_over`."""
    found = find_entry(config)
    return found is not None and isinstance(found[1], HandedEntry)


def settings_of(config: Mapping[str, object]) -> WandbSettings:
    """The settings in a trial's config, as its own process needs them.

    Raises:
        WandbSettingsError: There is no entry, or it has mistakes.
    """
    settings = WandbSettings.from_config(config)
    _, entry = find_entry(config) or ("", None)
    if not isinstance(entry, HandedEntry):
        return settings
    for name, value in entry.environment.items():
        os.environ.setdefault(name, value)
    return settings if entry.login is None else settings.overridden_by({"api_key": entry.login})


def open_run(settings: WandbSettings, config: Mapping[str, object], identity: Identity) -> Run:
    """Open a run in this process, as the one of ``wandb.log``.

    Args:
        settings: What the user said.
        config: The trial's config, for the run's.
        identity: The names that hold where the settings have none.

    Raises:
        WandbSettingsError: No project, no usable key, or settings that wandb refuses.
        wandb.Error: W&B could not open the run.
    """
    import wandb

    if identity.in_ray:
        _forget_service()
    settings = located(settings, default_group=identity.group)
    credential = resolve(settings)
    inner = _wandb_settings(settings)
    if identity.in_ray and _FLUSH in type(inner).model_fields.keys() - inner.model_fields_set:
        # A worker may be killed at any time, and wandb's service with it: what is in the run's file stays.
        inner = inner.model_copy(update={_FLUSH: 1.0})
    if credential.key is not None:
        # As an attribute of wandb.Settings it is in no variable and on no disk.
        inner = inner.model_copy(update={"api_key": credential.key.reveal()})
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
        # A process may see several trials, one after the other (reuse_actors).
        "reinit": "finish_previous",
        "allow_val_change": True,
    }
    kwargs = {**{name: value for name, value in defaults.items() if value is not None}, **init, "settings": inner}
    if isinstance(settings.config, str):
        run = wandb.init(config=settings.config, **cast("Any", kwargs))
        run.config.setdefaults(run_config)
    else:
        run = wandb.init(config=run_config, **cast("Any", kwargs))
    if identity.in_ray:
        _leave_quietly()
    process_run(run)
    return run


def _wandb_settings(settings: WandbSettings) -> Settings:
    """The ``wandb.Settings`` in the entry.

    Raises:
        WandbSettingsError: wandb refuses the dict there.
    """
    import wandb

    given = settings.settings or {}
    if not isinstance(given, Mapping):
        return given
    try:
        return wandb.Settings(**cast("Any", given))
    except (TypeError, ValueError) as error:
        refused = type(error).__name__
    # Outside the except block: the error's own text repeats values.
    raise WandbSettingsError([Problem("settings", f"wandb.Settings refuses this dict ({refused}).")])


@cache
def _forget_service() -> None:
    """Let this worker have a wandb service of its own.

    wandb leaves its service's address in the environment, where a worker that was started by the driver finds it: the
    driver's service may be on another node, and goes with the driver.
    """
    os.environ.pop("WANDB_SERVICE", None)


@cache
def _leave_quietly() -> None:
    """Call wandb's own exit handler before its turn, and keep its traceback to ourselves.

    Ray ends a worker's child processes, wandb's service among them, before the worker's exit handlers (ray 2.60).
    """
    atexit.register(teardown)


class LiveRun:
    """A run that is open from the start, to be ended once, by whoever comes first; arguments of :func:`open_run`."""

    def __init__(self, settings: WandbSettings, config: Mapping[str, object], identity: Identity) -> None:
        self.run = open_run(settings, config, identity)
        self._in_ray = identity.in_ray
        self._claim = threading.Lock()
        self._ended = threading.Event()

    def end(self, exit_code: int) -> None:
        """Finish the run, with its uploads; a failure costs a warning, not the trial."""
        if not self._claim.acquire(blocking=False):
            return
        try:
            self.run.finish(exit_code=exit_code)
        except Exception as error:
            logger.warning("The W&B run %s could not be finished (%s).", self.run.id, type(error).__name__)
        finally:
            self._ended.set()

    def wait(self, timeout: float) -> bool:
        """Wait until it has ended, at most ``timeout`` seconds; whether it has."""
        return self._ended.wait(timeout)

    def leave(self) -> None:
        """Wait for the file of a run that has ended: its trial's process ends next, and has no other use of wandb.

        ``run.finish()`` comes back while wandb's service still writes the last of it (seen in wandb 0.31). Ray kills
        that service with the worker.
        """
        if self._in_ray and self._ended.is_set():
            end_service()


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
