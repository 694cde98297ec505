"""Validation of WandbLogger's own arguments, together with the settings that it is given."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any, Final, get_type_hints

from typed_tune_wandb.errors import Problem, WandbSettingsError
from typed_tune_wandb.settings._converter import problems_in, strict_converter
from typed_tune_wandb.settings._installed_wandb import media_parameters
from typed_tune_wandb.settings._model import WandbSettings
from typed_tune_wandb.settings._types import LOGGER_KEYS, LoggerOptions
from typed_tune_wandb.settings._wording import unknown_key

_converter: Final = strict_converter()
_METRIC: Final = "the name of a metric, or False for none"
_UPLOADS: Final = 'True, False, "best", "last", or a number of checkpoints, 1 or more'


def validate_logger_arguments(
    options: Mapping[str, object],
    defaults: WandbSettings | Mapping[str, object] | None,
    fields: Mapping[str, object],
    *,
    source: str = "WandbLogger(...)",
) -> tuple[LoggerOptions, WandbSettings]:
    """Validate everything that WandbLogger is called with.

    Args:
        options: The logger's own arguments.
        defaults: Settings for all trials.
        fields: Fields of :class:`WandbSettings` that replace those of ``defaults``.
        source: What an error calls the call.

    Returns:
        The options, with a default for each that is not given, and the settings.

    Raises:
        WandbSettingsError: With every mistake at once.

    Example:
        >>> from typed_tune_wandb.settings import validate_logger_arguments
        >>> options, settings = validate_logger_arguments({"upload_timeout": 60}, None, {"project": "mnist"})
        >>> options.upload_timeout, options.on_error, settings.project
        (60.0, 'warn', 'mnist')
    """
    problems: list[Problem] = []
    settings = WandbSettings()
    for entry in (defaults, fields):
        try:
            settings = settings if entry is None else settings.merged_with(entry, source=source)
        except WandbSettingsError as error:
            problems += error.problems
    plain, wrong = _structure(options)
    problems += wrong
    if problems:
        raise WandbSettingsError(problems, source)
    return plain, settings


def _structure(options: Mapping[str, object]) -> tuple[LoggerOptions, list[Problem]]:
    """Return the options with plain values, and the problems of those that have none."""
    types = get_type_hints(LoggerOptions)
    plain: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, value in options.items():
        if name not in types:
            problems.append(unknown_key(name, LOGGER_KEYS))
            continue
        try:
            plain[name] = _converter.structure(value, types[name])
        except ValueError as error:
            problems += [_reworded(problem, value) for problem in problems_in(error, (), name)]
    problems += _check_best(plain)
    seconds = plain.get("upload_timeout", 0.0)
    if not (math.isfinite(seconds) and 0 <= seconds <= threading.TIMEOUT_MAX):
        problems.append(Problem("upload_timeout", "expected a number of seconds, 0 or more, and finite."))
    if plain.get("media") and find_spec("PIL") is None:
        problems.append(Problem("media", 'needs Pillow: pip install "wandb[media]".'))
    for kind in ("Image", "Video"):
        problems += _check_media_options(kind, plain.get(f"{kind.lower()}_kwargs") or {})
    return LoggerOptions(**plain), problems


def _reworded(problem: Problem, value: object) -> Problem:
    """Return a problem with all that its argument takes, and the word that was meant by Tune's word."""
    found = problem.message.partition(", got ")[2]
    if problem.path == "upload_checkpoints":
        return Problem(problem.path, f"expected {_UPLOADS}, got {found}", problem.suggestion)
    if problem.path == "metric":
        return Problem(problem.path, f"expected {_METRIC}, got {found}")
    if problem.path == "goal":
        message = f'expected "maximize" or "minimize" (Tune\'s modes "max" and "min"), got {found}'
        meant = {"max": '"maximize"', "min": '"minimize"'}.get(value) if isinstance(value, str) else None
        return Problem(problem.path, message, meant or problem.suggestion)
    return problem


def _check_best(given: Mapping[str, object]) -> Iterator[Problem]:
    """Yield the mistakes in what tells the best trial and the best checkpoints."""
    number = given.get("upload_checkpoints")
    if isinstance(number, int) and not isinstance(number, bool) and number < 1:
        yield Problem("upload_checkpoints", f"expected {_UPLOADS}.")
    if given.get("metric") == "" or given.get("metric") is True:
        yield Problem("metric", f"expected {_METRIC}, got {given['metric']!r}.")
    for name, other in (("metric", "goal"), ("goal", "metric")):
        # A wrong value of the other one has a problem of its own.
        value, beside = given.get(name), given.get(other, "")
        if isinstance(value, str) and value and (beside is None or beside is False):
            yield Problem(name, f"needs {other} beside it.")


def _check_media_options(kind: str, given: Mapping[str, object]) -> Iterator[Problem]:
    """Yield the mistakes in the arguments for ``wandb.Image`` or ``wandb.Video``."""
    path = f"{kind.lower()}_kwargs"
    known = media_parameters(kind)
    for name, value in given.items():
        if name not in known:
            problem = unknown_key(name, tuple(known))
            if known:
                yield Problem(f"{path}.{problem.path}", problem.message, problem.suggestion)
            continue
        try:
            if known[name] is not None:
                _converter.structure(value, known[name])
        except ValueError as error:
            yield from problems_in(error, (), f"{path}.{name}")
            continue
        tried = kind == "Image" and name in ("mode", "file_type") and value is not None
        if tried and (refusal := _refusal_of_image({name: value})):
            yield Problem(f"{path}.{name}", f"wandb.Image refuses this value ({refusal}).")


def _refusal_of_image(options: dict[str, Any]) -> str | None:
    """Return what wandb.Image raises for options that only it and Pillow know; None if it takes them."""
    import numpy as np
    import wandb

    refusal = None
    for channels in ((3,), (), (4,)):  # older releases take a mode for arrays of its shape alone
        try:
            wandb.Image(np.zeros((2, 2, *channels), np.uint8), **options)
        except Exception as error:  # whatever they raise
            refusal = refusal or type(error).__name__
        else:
            return None
    return refusal
