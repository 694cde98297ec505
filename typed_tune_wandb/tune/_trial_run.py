"""A W&B run in a trial's own process, and how the driver resolves its settings. The public part is ``trainable``."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from attrs import field, frozen

from typed_tune_wandb._hooks import run_info_hook
from typed_tune_wandb._launch import hidden_run_variables
from typed_tune_wandb._logging import WarnOnce
from typed_tune_wandb._secret import Secret
from typed_tune_wandb._service import stop_service, teardown
from typed_tune_wandb._versions import log_newer_versions
from typed_tune_wandb._wandb_internals import FLUSH_SETTING, forget_service, session_settings
from typed_tune_wandb.credentials import resolve_api_key
from typed_tune_wandb.errors import WandbSettingsError
from typed_tune_wandb.settings import (
    WandbSettings,
    check_environment,
    check_with_wandb,
    configured_base_url,
    effective_mode,
    find_wandb_entry,
    has_project_in_environment,
    local_folder,
    nested_setting,
    redact_api_key,
    replace_wandb_entry,
    resolve_destination,
    with_nested_defaults,
    with_nested_values,
)
from typed_tune_wandb.tune._init_arguments import explicit_run_id, init_arguments
from typed_tune_wandb.tune._inline_key import inline_key_warning
from typed_tune_wandb.tune._names import NameFiller, TrialNames, kept_in_folder, trainable_in
from typed_tune_wandb.tune._run_config import run_config, with_config_file
from typed_tune_wandb.tune._run_ids import default_run_id, suffix_of_trial
from typed_tune_wandb.tune._saved_code import code_settings

if TYPE_CHECKING:
    from ray.train._internal.storage import StorageContext
    from wandb import Run, Settings

logger = logging.getLogger(__name__)

# The driver's variables that hold on a node without them, and their names in wandb.Settings. The key is a Secret.
_FORWARDED_VARIABLES: Final = {"WANDB_BASE_URL": "base_url", "WANDB_ENTITY": "entity", "WANDB_MODE": "mode"}
_FLUSH_INTERVAL_S: Final = 0.1
"""So often the rows of a run in a trial's process are written to its file."""
# Seconds that a stopped trial's process waits for its run to be uploaded. At an experiment's end Tune waits for 10.
FINISH_TIMEOUT_S: Final = 60
_INLINE_KEY: Final = inline_key_warning("its searcher's state (basic-variant-state-*.json)")
_warn = WarnOnce()


@frozen
class TrialContext:
    """The trial or the Ray Train worker that a process runs; empty outside of Ray.

    Attributes:
        id: The trial's id, or None where there is no trial.
        name: The trial's name.
        group: The experiment's name.
        rank: The rank of a Ray Train worker, or None.
        storage: Where Tune keeps the trial's files, or None.
    """

    id: str | None = None
    name: str | None = None
    group: str | None = None
    rank: int | None = None
    storage: StorageContext | None = field(default=None, eq=False)

    @property
    def in_ray(self) -> bool:
        """Whether Ray runs this process, for a trial or as a worker."""
        return self != TrialContext()

    def names(self, config: Mapping[str, object]) -> TrialNames:
        """Return what templates call the trial."""
        trainable = trainable_in(self.name, self.id, config.get("env"))
        return TrialNames(trainable, self.group, self.id, None if self.id is None else self.name)

    def default_run_id(self) -> str | None:
        """Return the id of the run where the settings have none; None if wandb makes one then."""
        if self.id is None or self.storage is None:
            return self.id
        return default_run_id(self.id, suffix_of_trial(self.storage))


class ResolvedEntry(dict[str, object]):
    """A W&B entry resolved on the driver: validated, with absolute paths, and with the driver's login and environment.

    It still behaves as a plain dict: JSON and YAML files, and Tune's tables, show no more than that.

    Attributes:
        folder: The folder for local files, an absolute path.
        login: The key that the driver found, or None. Its pickle is a reference (see ``_secret``).
        environment: ``WANDB_...`` variables for a node that has none of its own.
        code: The user's program, which no trial's process runs; see :func:`code_settings`.
    """

    folder: str = ""
    login: Secret | None = None
    environment: Mapping[str, str] = {}
    code: Mapping[str, str] = {}


def resolve_on_driver(config: dict[str, Any]) -> None:
    """Validate the W&B entry of a trial's config on the driver, and resolve its login, server and paths there.

    A key in the entry becomes a Secret here, before Tune writes the config anywhere.

    Args:
        config: The trial's config; its entry is replaced.

    Raises:
        WandbSettingsError: There is no entry, or it has mistakes; no project; an entry's key that cannot be used.
    """
    log_newer_versions()
    check_environment(os.environ)
    if redact_api_key(config):
        _warn("api_key", _INLINE_KEY)
    _, given = find_wandb_entry(config) or ("", None)
    without_entry = given is None and has_project_in_environment()
    own = WandbSettings() if without_entry else WandbSettings.from_config(config)
    settings = with_config_file(resolve_destination(own, default_group=None))
    if problems := check_with_wandb(settings.settings):
        raise WandbSettingsError(problems)
    try:
        login = _login(settings)
    except WandbSettingsError:
        if not isinstance(given, ResolvedEntry):
            raise
        # Restored in another session, where the key or its file is gone: what this machine knows counts.
        explicit = settings.to_config().items()
        settings = WandbSettings.from_dict({k: v for k, v in explicit if k not in ("api_key", "api_key_file")})
        login = _login(settings)
    entry = ResolvedEntry(settings.to_config())
    known = given.folder if isinstance(given, ResolvedEntry) else ""  # of an experiment that is restored elsewhere
    entry.folder = known or str(local_folder(settings).absolute())
    if settings.api_key_file is not None:
        entry["api_key_file"] = str(Path(settings.api_key_file).expanduser().absolute())
    entry.environment = {name: os.environ[name] for name in _FORWARDED_VARIABLES if os.environ.get(name)}
    entry.code = code_settings(settings)
    if (mode := effective_mode(settings)) != "online":
        entry.environment["WANDB_MODE"] = mode  # it may be in a file of the driver's folder
    entry.login = login
    if login is not None:
        # Key and server belong together: `wandb login --host` keeps the server in a file of this machine.
        entry.environment["WANDB_BASE_URL"] = nested_setting(settings, "base_url") or configured_base_url()
    config.update(replace_wandb_entry(config, entry))


def _login(settings: WandbSettings) -> Secret | None:
    """Return the key that these settings lead to on this machine; None if they name none and it has none.

    Raises:
        WandbSettingsError: The key or the file that they name cannot be used.
    """
    try:
        return resolve_api_key(settings).secret
    except WandbSettingsError as error:
        if settings.api_key is not None or settings.api_key_file is not None:
            raise
        # A worker may have its own login (a runtime_env, an image): it says what is missing if it has not.
        logger.debug("The driver has no W&B key for its trials: %s", error)
        return None


def is_resolved(config: Mapping[str, object]) -> bool:
    """Tell whether a trial's config went through the driver's :func:`resolve_on_driver`."""
    found = find_wandb_entry(config)
    return found is not None and isinstance(found[1], ResolvedEntry)


def settings_from_config(config: Mapping[str, object]) -> WandbSettings:
    """Return the settings in a trial's config, as its own process needs them.

    Raises:
        WandbSettingsError: There is no entry, or it has mistakes.
    """
    settings = WandbSettings.from_config(config)
    _, entry = find_wandb_entry(config) or ("", None)
    if not isinstance(entry, ResolvedEntry):
        return settings
    # As settings of this run alone: a process may see several trials (reuse_actors), each with its own server.
    defaults = {
        _FORWARDED_VARIABLES[name]: value for name, value in entry.environment.items() if not os.environ.get(name)
    }
    settings = with_nested_values(with_nested_defaults(settings, defaults), _code_on_this_node(entry.code))
    if entry.folder:
        settings = settings.merged_with({"dir": entry.folder})
    return settings if entry.login is None else settings.merged_with({"api_key": entry.login})


def _code_on_this_node(code: Mapping[str, str]) -> Mapping[str, str]:
    missing = [path for path in {*code.values()} if Path(path).is_absolute() and not Path(path).exists()]
    if missing:
        logger.warning("%s is not on this node: it is not saved.", " and ".join(missing))
    return {} if missing else code


def open_run(
    settings: WandbSettings, config: Mapping[str, object], context: TrialContext, *, resolved: bool = False
) -> Run:
    """Open a run in this process: the one that ``wandb.log`` logs to.

    Args:
        settings: The run's settings.
        config: The trial's config, for the run's.
        context: Where id, name and group come from if the settings have none.
        resolved: Whether the driver has resolved the settings, with the sweep for which W&B has started it. Then the
            variables of this process about a sweep do not count.

    Raises:
        WandbSettingsError: No project, no usable key, or settings or variables that wandb refuses.
        wandb.Error: W&B could not open the run.
    """
    import wandb

    check_environment(os.environ)
    if context.in_ray:
        _reset_service_variable()
    with hidden_run_variables(None) if resolved else nullcontext():
        settings = with_config_file(resolve_destination(settings, default_group=context.group))
    default_id = None if explicit_run_id(settings) else context.default_run_id()
    with kept_in_folder(context.storage) as kept:
        names = context.names(config)
        filled = NameFiller(settings, names, config, _warn, _known_key(settings), kept).arguments()
    kwargs = init_arguments(settings, default_id=default_id, name=context.name, filled=filled)
    kwargs.setdefault("reinit", "finish_previous")  # a process may see several trials, one after the other
    kwargs["settings"] = _inner_settings(settings, context)
    kwargs["config"] = run_config(settings, config, _warn)
    own_run = context.in_ray and kwargs.get("id") is not None
    with hidden_run_variables(session_settings()) if own_run else nullcontext():
        run = wandb.init(**cast("Any", kwargs))
    if settings.step_metric is not None:
        run.define_metric(settings.step_metric)
        run.define_metric("*", step_metric=settings.step_metric)
    if context.in_ray:
        _register_quiet_teardown()
    run_info_hook(run)
    return run


def _known_key(settings: WandbSettings) -> str | None:
    """Return the run's key, as far as the settings or the environment have it."""
    return (settings.api_key.reveal() if settings.api_key is not None else None) or os.environ.get("WANDB_API_KEY")


def _inner_settings(settings: WandbSettings, context: TrialContext) -> Settings:
    """Return the ``wandb.Settings`` of a run, with its key.

    Raises:
        WandbSettingsError: wandb refuses the settings, or there is no usable key.
    """
    credential = resolve_api_key(settings)
    if context.in_ray:
        settings = with_nested_values(settings, code_settings(settings))
    inner = _wandb_settings(settings)
    if context.in_ray and FLUSH_SETTING in type(inner).model_fields.keys() - inner.model_fields_set:
        # A worker may be killed at any time, and wandb's service with it: what is in the run's file stays.
        inner = inner.model_copy(update={FLUSH_SETTING: _FLUSH_INTERVAL_S})
    if context.id is not None and "sagemaker_disable" not in inner.model_fields_set:
        # SageMaker's part of wandb gives each run an id of its own making, and its job's hyperparameters.
        inner = inner.model_copy(update={"sagemaker_disable": True})
    if credential.explicit_key is not None:
        # As an attribute of wandb.Settings it is in no variable and on no disk.
        inner = inner.model_copy(update={"api_key": credential.explicit_key.reveal()})
    return inner


def _wandb_settings(settings: WandbSettings) -> Settings:
    """Return the ``wandb.Settings`` of the entry.

    Raises:
        WandbSettingsError: wandb refuses the dict there.
    """
    import wandb

    given = settings.settings or {}
    if not isinstance(given, Mapping):
        return given
    if problems := check_with_wandb(given):
        raise WandbSettingsError(problems)
    return wandb.Settings(**cast("Any", given))


@cache
def _reset_service_variable() -> None:
    """Let this process start a wandb service of its own.

    wandb leaves its service's address in the environment, where a worker that was started by the driver finds it: the
    driver's service may be on another node, and goes with the driver.
    """
    forget_service()


@cache
def _register_quiet_teardown() -> None:
    """Run wandb's own exit handler early, without its traceback.

    Ray ends a worker's child processes, wandb's service among them, before the worker's exit handlers (ray 2.60).
    """
    atexit.register(teardown)


class TrialRun:
    """Opens a run when it is made, by :func:`open_run`; the first call of :meth:`end` finishes it."""

    def __init__(self, settings: WandbSettings, config: Mapping[str, object], context: TrialContext) -> None:
        self.run = open_run(settings, config, context, resolved=context.in_ray)
        self._in_ray = context.in_ray
        self._end_once = threading.Lock()
        self._ended = threading.Event()

    def end(self, exit_code: int) -> None:
        """Finish the run, with its uploads; a failure costs a warning, not the trial."""
        if not self._end_once.acquire(blocking=False):
            return
        try:
            self.run.finish(exit_code=exit_code)
        except Exception as error:
            logger.warning("The W&B run %s could not be finished (%s).", self.run.id, type(error).__name__)
        finally:
            self._ended.set()

    def wait(self, timeout: float) -> bool:
        """Wait until it has ended, at most ``timeout`` seconds; tell whether it has."""
        return self._ended.wait(timeout)

    def leave(self) -> None:
        """Wait for the file of a run that has ended: its trial's process ends next, and has no other use of wandb.

        ``run.finish()`` comes back while wandb's service still writes the last of it (seen in wandb 0.31). Ray kills
        that service with the worker.
        """
        if self._in_ray and self._ended.is_set():
            stop_service()


def exit_code_of(error: BaseException) -> int:
    """Return the exit code for what a training function raised: Tune stops one by ``SystemExit(0)``."""
    stopped = isinstance(error, GeneratorExit) or (isinstance(error, SystemExit) and not error.code)
    return 0 if stopped else 1


@contextmanager
def fail_run_on_error(live: TrialRun) -> Iterator[None]:
    """End the run as failed if the block raises."""
    try:
        yield
    except BaseException as error:
        live.end(exit_code_of(error))
        raise
