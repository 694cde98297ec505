"""WandbSettings: everything that a user can set for W&B, validated and frozen."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

import attrs
from attrs import field, frozen

from typed_tune_wandb._secret import Secret, as_secret
from typed_tune_wandb.errors import Problem, WandbSettingsError
from typed_tune_wandb.settings._entry import require_wandb_entry
from typed_tune_wandb.settings._search_values import search_values_in
from typed_tune_wandb.settings._types import (
    INTEGRATION_KEYS,
    MUTUALLY_EXCLUSIVE,
    InitSettings,
    Mode,
    Reinit,
    Resume,
    StrPath,
    WandbConfigDict,
    WandbInitKwargs,
)
from typed_tune_wandb.settings._validation import validate
from typed_tune_wandb.settings._wording import to_dict_call, type_name


def _to_tuple(value: list[str] | tuple[str, ...] | None) -> tuple[str, ...]:
    return tuple(value or ())


def _to_optional_tuple(value: list[str] | tuple[str, ...] | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(value)


def _copy_container(value: object) -> object:
    """Copy a list or dict, so that changes to the copy leave the settings alone."""
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, (list, tuple)) else value


@frozen(kw_only=True, repr=False)
class WandbSettings:
    """User settings for W&B. The first fields configure this library, the rest are passed to ``wandb.init``.

    Values are never coerced. All mistakes are reported at once, as one :class:`WandbSettingsError`. A value of None
    counts as not given. The fields for ``wandb.init`` have its names and meanings (wandb 0.31,
    https://docs.wandb.ai/ref/python/init/); where a field is not given, wandb's default applies, or Tune's value where
    the field names one.

    A ``name``, ``group``, ``job_type`` or tag with a ``{`` is a template. Its fields are ``{trainable}``,
    ``{experiment}``, ``{trial_id}``, ``{trial_name}`` and ``{config[key]}`` (``{config[outer][inner]}``,
    ``{config[outer/inner]}``), with a format as for ``str.format``; ``{{`` and ``}}`` are braces.

    Raises:
        WandbSettingsError: With every mistake, its path and what was probably meant.

    Example:
        >>> from typed_tune_wandb import WandbSettings
        >>> settings = WandbSettings(project="mnist", tags=["baseline"], excludes=["timers"])
        >>> settings.to_config()
        {'excludes': ['timers'], 'project': 'mnist', 'tags': ['baseline']}
    """

    if TYPE_CHECKING:
        _explicit: frozenset[str] = field(init=False)
    else:
        # The names of the fields that were given; only these override a logger's defaults. attrs.evolve() copies it
        # with the other fields, and before them: see __init__.
        _explicit: frozenset[str] = field(alias="_explicit", default=frozenset(), eq=False)

    # --- for this library: never passed to wandb.init -----------------------------------------------------------------
    api_key: Secret | None = field(default=None, converter=as_secret)
    """The API key, wrapped in a type that never shows it. Not together with ``api_key_file``."""
    api_key_file: StrPath | None = None
    """A file with the key on its only line; ``~`` is expanded on the driver."""
    excludes: tuple[str, ...] = field(default=(), converter=_to_tuple)
    """Metrics and config that are not recorded: exact keys, ``key`` for all of ``key/...``, and globs."""
    metrics: tuple[str, ...] = field(default=(), converter=_to_tuple)
    """The metrics that are recorded, as patterns like those of ``excludes``, which count more. Default: all."""
    step_metric: str | None = None
    """The metric that W&B draws all others over. The logger's default: ``training_iteration``."""
    log_config: bool = False
    """Record the config of every result, to follow hyperparameters that change (PBT)."""
    mask_secrets: bool = True
    """Redact credentials in what is recorded of a config: ``***`` and six digits in place of each."""
    secret_names: tuple[str, ...] = field(default=(), converter=_to_tuple)
    """Keys whose values are secrets, at any depth of a config: ``"badge"``, or globs such as ``"*_pin"``."""
    public_names: tuple[str, ...] = field(default=(), converter=_to_tuple)
    """Keys whose values are never redacted, and globs. They count more than ``secret_names``."""

    # --- for wandb.init: returned by init_kwargs() --------------------------------------------------------------------
    entity: str | None = None
    """The user or team."""
    project: str | None = None
    r"""1 to 128 characters, none of ``/\#?%:``. Default: ``WANDB_PROJECT``, then ``WANDB_PROJECT_NAME``."""
    dir: StrPath | None = None
    """The folder for local run files. Default: ``WANDB_DIR``, then the folder ``wandb`` in the current one."""
    id: str | None = None
    """The run's id. Default: the trial's id, with eight hexadecimal digits for the experiment."""
    name: str | None = None
    """The run's display name. Default: the trial's name. ``"{trainable}-{config[lr]:.0e}"`` is a template."""
    notes: str | None = None
    """A longer description."""
    tags: tuple[str, ...] | None = field(default=None, converter=_to_optional_tuple)
    """Labels of 1 to 64 characters, or templates: ``["opt:{config[optimizer]}"]``."""
    config: Mapping[str, object] | str | None = field(default=None, hash=False)
    """Added to the trial's config, whose keys it overrides; or the path of a YAML file."""
    config_exclude_keys: list[str] | None = field(default=None, hash=False)
    """Deprecated by wandb; ``excludes`` also reaches nested keys."""
    config_include_keys: list[str] | None = field(default=None, hash=False)
    """Deprecated by wandb."""
    allow_val_change: bool | None = None
    """Whether config values may change later. The logger's default: True."""
    group: str | None = None
    """The run's group, or a template: ``"{experiment}/{config[model]}"``. Default: ``WANDB_RUN_GROUP``, then
    ``WANDB_GROUP_NAME``, then the experiment's name."""
    job_type: str | None = None
    """The kind of run: ``"train"``, ``"eval"``..., or a template."""
    mode: Mode | None = None
    """``"online"`` (default), ``"offline"``, ``"disabled"`` or ``"shared"``. Or set ``WANDB_MODE``."""
    force: bool | None = None
    """Refuse to run without a login."""
    reinit: Reinit | None = None
    """What to do about a live run in the same process. The logger always creates a new one."""
    resume: Resume | None = None
    """``"allow"``, ``"never"``, ``"must"`` or ``"auto"``. Not together with the next two."""
    resume_from: str | None = None
    """``"{run id}?_step={step}"``: rewind that run."""
    fork_from: str | None = None
    """``"{run id}?_step={step}"``: start a new run from there."""
    save_code: bool | None = None
    """Save the script that calls Tune, or the ``program`` and the folder ``code_dir`` in ``settings``."""
    tensorboard: bool | None = None
    """Deprecated by wandb in favor of ``sync_tensorboard``."""
    sync_tensorboard: bool | None = None
    """Follow TensorBoard's event files."""
    monitor_gym: bool | None = None
    """Record videos of gym environments."""
    settings: InitSettings | dict[str, object] | None = field(default=None, hash=False)
    """``wandb.Settings``, or a dict of its fields. An API key in there is moved to ``api_key``."""
    extra: Mapping[str, object] = field(factory=dict, hash=False)
    """Parameters that the installed ``wandb.init`` has and this class does not know yet."""

    if not TYPE_CHECKING:
        # Type checkers read the signature off the fields; at run time the values are validated before attrs' __init__.

        def __init__(self, /, **fields: object) -> None:
            if isinstance(fields.get("_explicit"), frozenset):
                fields = _fields_given_to_evolve(fields)
            # The parameters in ``extra`` are given beside all others, and come back there from an evolved copy.
            extra = fields.pop("extra", None)
            more = extra if isinstance(extra, Mapping) else {} if extra is None else {"extra": extra}
            self._init_validated({**fields, **more}, "WandbSettings(...)")

    def __repr__(self) -> str:
        return f"WandbSettings({', '.join(f'{name}={text}' for name, text in shown_fields(self))})"

    def _repr_html_(self) -> str:
        """Return the table that a notebook shows: what was given, and what holds without it."""
        from typed_tune_wandb.settings._html import settings_table

        return settings_table(self)

    def _init_validated(self, fields: Mapping[str, object], source: str) -> None:
        given, extra = validate(fields, source)
        attrs_init = getattr(self, "__attrs_init__")  # noqa: B009  # attrs makes it: no type checker knows
        attrs_init(**given, extra=extra, _explicit=frozenset(given))

    @classmethod
    def from_dict(
        cls, entry: Mapping[str, object] | WandbSettings, *, source: str = 'config["wandb"]'
    ) -> WandbSettings:
        """Validate a raw entry and return it as settings.

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
            raise WandbSettingsError([Problem("", expected, to_dict_call(entry))], source)
        settings = cls.__new__(cls)
        settings._init_validated(entry, source)
        return settings

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> WandbSettings:
        """Return the settings in the ``wandb`` entry of a Tune config, or of RLlib's ``logger_config``.

        Args:
            config: A trial's config, or a search space without search values in the entry;
                :func:`check_search_space` validates one that has some.

        Raises:
            WandbSettingsError: There is no entry, or there are two, or the entry has mistakes or search values.

        Example:
            >>> from typed_tune_wandb import WandbSettings
            >>> WandbSettings.from_config({"lr": 0.1, "wandb": {"project": "mnist"}}).project
            'mnist'
        """
        source, entry = require_wandb_entry(config)
        if searched := search_values_in(entry):
            message = "is a search value, which only a trial's config has a value for."
            advice = "check_search_space(param_space)"
            raise WandbSettingsError([Problem(path, message, advice) for path in searched], source)
        return cls.from_dict(cast("Mapping[str, object]", entry), source=source)

    def to_config(self) -> WandbConfigDict:
        """Return the given fields as a plain entry: ``WandbSettings.from_dict(s.to_config()) == s``.

        An API key stays a :class:`Secret`: its pickle is a reference that only this process and its Ray cluster can
        resolve.

        Example:
            >>> from typed_tune_wandb import WandbSettings
            >>> {"lr": 0.1, "wandb": WandbSettings(project="mnist").to_config()}
            {'lr': 0.1, 'wandb': {'project': 'mnist'}}
        """
        given = {name: _copy_container(getattr(self, name)) for name in _FIELDS if name in self._explicit}
        return cast("WandbConfigDict", {**given, **self.extra})

    def init_kwargs(self) -> WandbInitKwargs:
        """Return the given fields for wandb, ready for ``wandb.init(**settings.init_kwargs())``.

        Example:
            >>> from typed_tune_wandb import WandbSettings
            >>> WandbSettings(project="mnist", log_config=True).init_kwargs()
            {'project': 'mnist'}
        """
        given = cast("dict[str, object]", self.to_config())
        kwargs = {name: value for name, value in given.items() if name not in INTEGRATION_KEYS}
        return cast("WandbInitKwargs", kwargs)

    def merged_with(
        self, entry: Mapping[str, object] | WandbSettings, *, source: str = 'config["wandb"]'
    ) -> WandbSettings:
        """Return a copy in which the given fields of another entry replace these.

        Of fields that exclude each other (``api_key`` and ``api_key_file``; ``resume``, ``resume_from`` and
        ``fork_from``) the entry's replaces all others.

        Args:
            entry: A raw entry or settings; what it leaves out stays as it is here.
            source: What an error calls the entry.

        Raises:
            WandbSettingsError: The entry has mistakes.

        Example:
            >>> from typed_tune_wandb import WandbSettings
            >>> WandbSettings(project="mnist", group="a").merged_with({"group": "b"}).to_config()
            {'project': 'mnist', 'group': 'b'}
        """
        given = dict(WandbSettings.from_dict(entry, source=source).to_config())
        defaults = dict(self.to_config())
        for alternatives in MUTUALLY_EXCLUSIVE:
            if any(name in given for name in alternatives):
                for name in alternatives:
                    defaults.pop(name, None)
        return WandbSettings.from_dict({**defaults, **given}, source=source)

    overridden_by = merged_with
    """The former name of :meth:`merged_with`."""


_MAX_KEY_CHARS: Final = 32  # an API key has 40 or more, and may stand for a name by mistake
_FIELDS: Final = tuple(f.name for f in attrs.fields(WandbSettings) if f.name not in ("extra", "_explicit"))


def shown_fields(settings: WandbSettings) -> list[tuple[str, str]]:
    """Return the given fields and their values as a message may show them: no key, and of a dict the keys alone."""
    given = cast("dict[str, object]", settings.to_config())
    return [(name, _text_of(name, value)) for name, value in given.items()]


def _text_of(name: str, value: object) -> str:
    if name == "settings" or name not in _FIELDS:
        return "<hidden>"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_short(key)}: ..." for key in value) + "}"
    return repr(value)


def _short(key: object) -> str:
    return text if len(text := repr(key)) <= _MAX_KEY_CHARS else "..."


def _fields_given_to_evolve(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the changes given to ``attrs.evolve``, and the fields that were explicit before.

    ``attrs.evolve`` passes its changes first, then every other field of the original in order: ``_explicit`` is the
    first of these, and the defaults among the rest are dropped here.
    """
    names = list(fields)
    changed = names[: names.index("_explicit")]
    kept = {*changed, *fields["_explicit"], "extra"}
    return {name: value for name, value in fields.items() if name in kept}


if not TYPE_CHECKING:
    # Help and completion show the fields instead of **fields.
    _signature = inspect.signature(WandbSettings.__attrs_init__)
    _shown = [parameter for parameter in _signature.parameters.values() if parameter.name != "_explicit"]
    WandbSettings.__signature__ = _signature.replace(parameters=_shown)
