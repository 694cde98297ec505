"""A W&B sweep for a search whose trials open their runs themselves."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from typed_tune_wandb.credentials import resolve_api_key
from typed_tune_wandb.errors import Problem, WandbRunError, WandbSettingsError
from typed_tune_wandb.recording.sweep import UPLOADING_MODES, SweepInfo, SweepProcess
from typed_tune_wandb.settings import (
    Goal,
    WandbSettings,
    effective_mode,
    nested_setting,
    replace_wandb_entry,
    resolve_destination,
)
from typed_tune_wandb.settings._entry import require_wandb_entry
from typed_tune_wandb.settings._search_values import search_values_in
from typed_tune_wandb.tune._init_arguments import explicit_wandb_settings
from typed_tune_wandb.tune._metric import MODES
from typed_tune_wandb.tune._run_config import redactor_of
from typed_tune_wandb.tune._search_space import SearchSpace, sweep_config

logger = logging.getLogger(__name__)

_OF_SWEEP: Final = ("project", "entity", "mode", "settings", "api_key", "api_key_file")


def with_sweep(
    param_space: Mapping[str, Any], *, name: str = "tune", metric: str | None = None, goal: Goal | None = None
) -> dict[str, Any]:
    """Create a W&B sweep of a search space; return the space with an entry that makes every trial's run a part of it.

    For :func:`wandb_mixin`, :class:`WandbTrainableMixin` and :func:`setup_wandb`; ``WandbLogger(sweep=True)`` creates a
    sweep by itself. Where runs are not online, there is no sweep, one warning, and the space as it is. The sweep stays
    open: ``wandb sweep --stop`` finishes it.

    Args:
        param_space: The search space, with a W&B entry. Its ``project``, ``entity``, ``mode``, ``settings`` and key are
            no search values.
        name: The sweep's name. Default ``"tune"``.
        metric: The metric that the search is for; None if there is none.
        goal: ``"maximize"`` or ``"minimize"``, together with ``metric``.

    Raises:
        WandbSettingsError: There is no entry, or it or the arguments have mistakes.
        WandbRunError: The server has not created the sweep.

    Example:
        >>> from ray import tune
        >>> from typed_tune_wandb import with_sweep
        >>> space = {"lr": tune.loguniform(1e-4, 1e-1), "wandb": {"project": "mnist", "mode": "offline"}}
        >>> "settings" in with_sweep(space, metric="loss", goal="minimize")["wandb"]
        False
    """
    source, entry = require_wandb_entry(param_space)
    if goal is not None and goal not in MODES:
        problem = Problem("goal", f'expected "maximize" or "minimize", got {goal!r}.')
        raise WandbSettingsError([problem], "with_sweep(...)")
    found = WandbSettings.from_config({"wandb": _without_search_values(entry, source)})
    settings = resolve_destination(found, default_group=None)
    if effective_mode(settings) not in UPLOADING_MODES:
        logger.warning("The search is no W&B sweep: its runs are not online.")
        return dict(param_space)
    redactor, excludes = redactor_of(settings), tuple(settings.excludes or ())
    space = SearchSpace(param_space, metric, None if goal is None else MODES[goal])
    config, unsaid = sweep_config(space, name, redactor, excludes)
    if unsaid:
        logger.warning("The configuration of the W&B sweep leaves out: %s.", "; ".join(unsaid))
    key = resolve_api_key(settings).explicit_key
    sweep = SweepInfo(config, settings.project or "", settings.entity)
    base_url = nested_setting(settings, "base_url")
    with SweepProcess(sweep, key=None if key is None else key.reveal(), base_url=base_url) as process:
        sweep = process.wait()
    if sweep.problem is not None:
        raise WandbRunError(f"The W&B sweep could not be created: {sweep.problem}.")
    own = settings.settings if isinstance(settings.settings, dict) else explicit_wandb_settings(settings.settings)
    fields = entry if isinstance(entry, Mapping) else {}
    return replace_wandb_entry(param_space, {**fields, "settings": {**(own or {}), "sweep_id": sweep.id}})


def _without_search_values(entry: object, source: str) -> object:
    """Return an entry without its search values.

    Raises:
        WandbSettingsError: One is where the sweep needs a value.
    """
    if not isinstance(entry, Mapping):
        return entry
    searched = [str(key) for key, value in entry.items() if search_values_in({"": value})]
    message = "expected a value, got a search value: the sweep has one."
    if problems := [Problem(key, message) for key in searched if key in _OF_SWEEP]:
        raise WandbSettingsError(problems, source)
    return {key: value for key, value in entry.items() if key not in searched}
