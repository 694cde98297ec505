"""The settings that a run would have, each with its source."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Final

from attrs import frozen

from typed_tune_wandb._hooks import LOCATION_HOOK, call_hook
from typed_tune_wandb.credentials import resolve_api_key
from typed_tune_wandb.errors import Problem, WandbSettingsError
from typed_tune_wandb.payload import Redactor
from typed_tune_wandb.settings import (
    ResolvedSetting,
    WandbSettings,
    check_environment,
    check_with_wandb,
    find_wandb_entry,
    resolve_destination,
    resolved_settings,
    resolved_url,
)
from typed_tune_wandb.settings._search_space import enumerate_entries

_NOT_SET: Final = "-"


@frozen
class SettingsExplanation:
    """What holds for a run: :func:`explain_settings` makes it.

    Attributes:
        settings: ``mode``, ``entity``, ``project``, ``group``, ``url``, ``folder`` and ``api_key``, each with its value
            and its source. The value of the key is never in it.
        problems: What would end an experiment before its first trial.
    """

    settings: tuple[ResolvedSetting, ...]
    problems: tuple[Problem, ...] = ()

    def __str__(self) -> str:
        shown = [(row.name, row.value or _NOT_SET, row.source) for row in self.settings]
        widths = [max(len(row[column]) for row in shown) for column in (0, 1)]
        lines = [f"{name:{widths[0]}}  {value:{widths[1]}}  {source}" for name, value, source in shown]
        return "\n".join([*lines, *(f"problem: {problem}" for problem in self.problems)])


def explain_settings(
    config: Mapping[str, object] | None = None, *, defaults: WandbSettings | None = None
) -> SettingsExplanation:
    """Tell which settings a run would have, and where each comes from: a field, a variable, a file, a hook, a default.

    Nothing is opened and no server is asked; hooks that name a project or a key are called, as before a trial.

    Args:
        config: A trial's config or a search space, with its W&B entry; of a search space, the first candidates count.
            None: what holds without any; then it is no problem that nothing names a project.
        defaults: What ``WandbLogger`` is given.

    Returns:
        The settings and their sources. Mistakes do not raise: they are in ``problems``.

    Example:
        >>> from typed_tune_wandb import explain_settings
        >>> explained = explain_settings({"wandb": {"project": "mnist", "mode": "offline"}})
        >>> [(row.name, row.value) for row in explained.settings if row.source.startswith("the field")]
        [('mode', 'offline'), ('project', 'mnist')]
    """
    problems: dict[Problem, None] = {}

    def tried(step: Callable[[], object]) -> object:
        try:
            return step()
        except WandbSettingsError as error:
            problems.update(dict.fromkeys(error.problems))
            return None

    logger_settings = defaults or WandbSettings()
    source, entry = "", WandbSettings()
    if config is not None and isinstance(found := tried(lambda: find_wandb_entry(config)), tuple):
        source = found[0]
        candidates = tried(lambda: enumerate_entries(found[1], source))
        entry = candidates[0] if isinstance(candidates, list) and candidates else entry
    settings = logger_settings.merged_with(entry)

    def field_source(field: str) -> str:
        given = source if field.partition(".")[0] in entry.to_config() else "WandbLogger(...)"
        return f"the field {field} of {given}"

    tried(lambda: check_environment(os.environ))
    problems.update(dict.fromkeys(check_with_wandb(settings.settings)))
    rows = [*resolved_settings(settings, field_source, lambda: tried(lambda: call_hook(LOCATION_HOOK)))]
    rows.insert(-1, resolved_url(settings, field_source))
    if config is not None or any(row.name == "project" and row.value for row in rows):
        tried(lambda: resolve_destination(settings, default_group=None))
    shown = [ResolvedSetting(row.name, _redacted(row), row.source) for row in rows]
    return SettingsExplanation((*shown, _key_row(settings, tried)), tuple(problems))


def _key_row(settings: WandbSettings, tried: Callable[[Callable[[], object]], object]) -> ResolvedSetting:
    sources: list[str] = []
    tried(lambda: sources.append(resolve_api_key(settings).source))
    needed = bool(sources) and not sources[0].startswith("none")
    return ResolvedSetting("api_key", "***" if needed else None, sources[0] if sources else "no usable key is found")


def _redacted(row: ResolvedSetting) -> str | None:
    return row.value if row.value is None else str(Redactor().redact(row.name, row.value))  # a URL may hold a password
