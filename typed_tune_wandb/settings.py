"""WandbSettings: everything a user can say about W&B, through one strict gate into one frozen object.

Importing this module loads neither ray nor wandb.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

import attrs
from attrs import field, frozen

from typed_tune_wandb._entry import (
    ALTERNATIVES,
    LOGGER_FIELDS,
    InitSettings,
    Mode,
    Reinit,
    Resume,
    StrPath,
    WandbConfigDict,
    WandbInitKwargs,
    gate,
)
from typed_tune_wandb._secret import Secret, concealed
from typed_tune_wandb._strict import type_name
from typed_tune_wandb.errors import Problem, WandbSettingsError

__all__ = ["WandbConfigDict", "WandbInitKwargs", "WandbSettings", "find_entry"]


def _items(value: list[str] | tuple[str, ...] | None) -> tuple[str, ...]:
    return tuple(value or ())


def _optional_items(value: list[str] | tuple[str, ...] | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(value)


def _plain(value: object) -> object:
    """A list or dict of the caller's own: what it does to it is not done to the settings."""
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, (list, tuple)) else value


@frozen(kw_only=True)
class WandbSettings:
    r"""What a user says about W&B: a few words for the logger, the rest for ``wandb.init``.

    Nothing is coerced. All mistakes come at once, as one :class:`WandbSettingsError`; a value of None is the same
    as nothing said. The second half has the names and meanings of ``wandb.init`` (wandb 0.31,
    https://docs.wandb.ai/ref/python/init/); what is not set is wandb's default, or Tune's where one is named.

    Attributes:
        api_key: The API key; held in a type that never shows it. Not together with ``api_key_file``.
        api_key_file: A file with the key in its one line; ``~`` is expanded on the driver.
        excludes: Metrics and config that are not recorded: exact keys, ``key`` for all of ``key/...``, and globs.
        log_config: Record the config of every result, to follow hyperparameters that change (PBT).
        entity: The user or team.
        project: 1 to 128 characters, none of ``/\#?%:``. Or by ``WANDB_PROJECT`` or ``WANDB_PROJECT_NAME``.
        dir: Where local run files go; wandb's default is the folder ``wandb`` in the current one.
        id: The run's id. Default: the trial's id.
        name: The run's display name. Default: the trial's name.
        notes: A longer description.
        tags: Labels of 1 to 64 characters.
        config: Added to the trial's config (its own keys win), or the path of a YAML file.
        config_exclude_keys: Deprecated by wandb; ``excludes`` reaches nested keys too.
        config_include_keys: Deprecated by wandb.
        allow_val_change: Whether config values may change later. The logger's default: True.
        group: Default: ``WANDB_GROUP_NAME``, then the experiment's name.
        job_type: The kind of run: ``"train"``, ``"eval"``...
        mode: ``"online"`` (default), ``"offline"``, ``"disabled"`` or ``"shared"``. Or by ``WANDB_MODE``.
        force: Refuse to run without a login.
        reinit: What to do about a live run in the same process. The logger always creates a new one.
        resume: ``"allow"``, ``"never"``, ``"must"`` or ``"auto"``. Not with the next two.
        resume_from: ``"{run id}?_step={step}"``: rewind that run.
        fork_from: ``"{run id}?_step={step}"``: start a new run from there.
        save_code: Keep a copy of the script.
        tensorboard: Deprecated by wandb; ``sync_tensorboard`` is its name.
        sync_tensorboard: Follow TensorBoard's event files.
        monitor_gym: Record videos of gym environments.
        settings: ``wandb.Settings``, or a dict of them. A key in there is moved to ``api_key``.
        extra: Parameters that the installed ``wandb.init`` has and this class does not know yet.

    Raises:
        WandbSettingsError: With every mistake, its path and what was probably meant.

    Example:
        >>> from typed_tune_wandb import WandbSettings
        >>> settings = WandbSettings(project="mnist", tags=["baseline"], excludes=["timers"])
        >>> settings.to_config()
        {'excludes': ['timers'], 'project': 'mnist', 'tags': ['baseline']}
    """

    # --- for the logger: never reaches wandb.init -------------------------------------------------
    api_key: Secret | None = field(default=None, converter=concealed)
    api_key_file: StrPath | None = None
    excludes: tuple[str, ...] = field(default=(), converter=_items)
    log_config: bool = False

    # --- for wandb.init: handed on by init_kwargs() -----------------------------------------------
    entity: str | None = None
    project: str | None = None
    dir: StrPath | None = None
    id: str | None = None
    name: str | None = None
    notes: str | None = None
    tags: tuple[str, ...] | None = field(default=None, converter=_optional_items)
    config: Mapping[str, object] | str | None = None
    config_exclude_keys: list[str] | None = None
    config_include_keys: list[str] | None = None
    allow_val_change: bool | None = None
    group: str | None = None
    job_type: str | None = None
    mode: Mode | None = None
    force: bool | None = None
    reinit: Reinit | None = None
    resume: Resume | None = None
    resume_from: str | None = None
    fork_from: str | None = None
    save_code: bool | None = None
    tensorboard: bool | None = None
    sync_tensorboard: bool | None = None
    monitor_gym: bool | None = None
    settings: InitSettings | dict[str, object] | None = field(
        default=None, repr=lambda held: "None" if held is None else "<hidden>"
    )
    extra: Mapping[str, object] = field(factory=dict)

    # What was said, as against what is so by default: a word of a trial overrides a logger's, a default does not.
    _given: frozenset[str] = field(default=frozenset(), init=False, eq=False, repr=False)

    if not TYPE_CHECKING:
        # Type checkers read the signature off the fields; at run time the gate stands before attrs' own __init__.

        def __init__(self, /, **fields: object) -> None:
            # The words of ``extra`` are the entry's like all others: so attrs.evolve() keeps them.
            extra = fields.pop("extra", None)
            more = extra if isinstance(extra, Mapping) else {} if extra is None else {"extra": extra}
            self._enter({**fields, **more}, "WandbSettings(...)")

    def _enter(self, fields: Mapping[str, object], source: str) -> None:
        said, extra = gate(fields, source)
        attrs_init = getattr(self, "__attrs_init__")  # noqa: B009  # attrs makes it: no type checker knows
        attrs_init(**said, extra=extra)
        object.__setattr__(self, "_given", frozenset(said))

    @classmethod
    def from_dict(
        cls, entry: Mapping[str, object] | WandbSettings, *, source: str = 'config["wandb"]'
    ) -> WandbSettings:
        """Check a raw entry and make settings of it.

        Args:
            entry: The entry itself: a dict with the keys of :class:`WandbConfigDict`, or settings.
            source: What the error calls the entry.

        Raises:
            WandbSettingsError: With every mistake in it.

        Example:
            >>> from typed_tune_wandb import WandbSettings
            >>> WandbSettings.from_dict({"project": "mnist", "run_name": "first"}).name
            'first'
        """
        if isinstance(entry, WandbSettings):
            return entry
        if not isinstance(entry, Mapping):
            expected = f"expected a dict or WandbSettings, got {type_name(entry)}."
            raise WandbSettingsError([Problem("", expected)], source)
        settings = cls.__new__(cls)
        settings._enter(dict(entry), source)
        return settings

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> WandbSettings:
        """Settings of the ``wandb`` entry in a Tune config, or in RLlib's ``logger_config``.

        Args:
            config: A trial's config, or a search space without search values in the entry.

        Raises:
            WandbSettingsError: There is no entry, or there are two, or the entry has mistakes.

        Example:
            >>> from typed_tune_wandb import WandbSettings
            >>> WandbSettings.from_config({"lr": 0.1, "wandb": {"project": "mnist"}}).project
            'mnist'
        """
        found = find_entry(config)
        if found is None:
            advice = 'no W&B entry: add config["wandb"] = {"project": ...}.'
            raise WandbSettingsError([Problem("wandb", advice)], "config")
        source, entry = found
        return cls.from_dict(cast("Mapping[str, object]", entry), source=source)

    def to_config(self) -> WandbConfigDict:
        """The entry as a plain dict of what was set: ``from_dict(s.to_config()) == s``.

        The key in it is no text, but a reference that only this process and its Ray cluster can follow.

        Example:
            >>> from typed_tune_wandb import WandbSettings
            >>> {"lr": 0.1, "wandb": WandbSettings(project="mnist").to_config()}
            {'lr': 0.1, 'wandb': {'project': 'mnist'}}
        """
        said = {name: getattr(self, name) for name in _FIELDS if name in self._given}
        plain = {name: _plain(value) for name, value in said.items()}
        return cast("WandbConfigDict", {**plain, **self.extra})

    def init_kwargs(self) -> WandbInitKwargs:
        """What was set of the second half, ready for ``wandb.init(**settings.init_kwargs())``.

        Example:
            >>> from typed_tune_wandb import WandbSettings
            >>> WandbSettings(project="mnist", log_config=True).init_kwargs()
            {'project': 'mnist'}
        """
        said = cast("dict[str, object]", self.to_config())
        kwargs = {name: value for name, value in said.items() if name not in LOGGER_FIELDS}
        return cast("WandbInitKwargs", kwargs)

    def overridden_by(
        self, entry: Mapping[str, object] | WandbSettings, *, source: str = 'config["wandb"]'
    ) -> WandbSettings:
        """These settings as defaults, with another entry's words in place of them, field by field.

        Of words that exclude each other (``api_key`` and ``api_key_file``; ``resume``, ``resume_from`` and
        ``fork_from``) the entry's replaces the default's.

        Args:
            entry: A raw entry or settings; what it says counts, what it leaves out stays as it is here.
            source: What an error calls the entry.

        Raises:
            WandbSettingsError: The entry has mistakes.

        Example:
            >>> from typed_tune_wandb import WandbSettings
            >>> WandbSettings(project="mnist", group="a").overridden_by({"group": "b"}).to_config()
            {'project': 'mnist', 'group': 'b'}
        """
        said = dict(WandbSettings.from_dict(entry, source=source).to_config())
        kept = dict(self.to_config())
        for alternatives in ALTERNATIVES:
            if any(name in said for name in alternatives):
                for name in alternatives:
                    kept.pop(name, None)
        return WandbSettings.from_dict({**kept, **said}, source=source)


_FIELDS: Final = tuple(f.name for f in attrs.fields(WandbSettings) if f.name not in ("extra", "_given"))
if not TYPE_CHECKING:
    # Help and completion show the fields, not the gate's **fields.
    WandbSettings.__signature__ = inspect.signature(WandbSettings.__attrs_init__)


def find_entry(config: Mapping[str, object]) -> tuple[str, object] | None:
    """Where the W&B entry of a Tune or RLlib config stands, and the entry; None without one.

    Raises:
        WandbSettingsError: The config is no mapping, or it has an entry in both places.
    """
    if not isinstance(config, Mapping):
        problem = Problem("", f"expected a dict with a wandb entry, got {type_name(config)}.")
        raise WandbSettingsError([problem], "config")
    nested = config.get("logger_config")
    places = {'config["wandb"]': config, 'config["logger_config"]["wandb"]': nested}
    found = [
        (source, place["wandb"]) for source, place in places.items() if isinstance(place, Mapping) and "wandb" in place
    ]
    if len(found) > 1:
        both = Problem("wandb", "there are two W&B entries, here and in logger_config: keep one.")
        raise WandbSettingsError([both], "config")
    return found[0] if found else None
