"""Turns one result of a trial into what is recorded of it: a row, media, and what goes to the run's config."""

from __future__ import annotations

import marshal
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast

import attrs
import numpy as np

from typed_tune_wandb._logging import WarnOnce
from typed_tune_wandb.payload._config import TUNE_KEY, sanitize_config
from typed_tune_wandb.payload._layout import RowLayout, is_plain
from typed_tune_wandb.payload._redaction import Redactor
from typed_tune_wandb.payload._routing import ITERATION, Destination, Router
from typed_tune_wandb.payload._scalars import NUMPY_NUMBERS, UnstorableError, type_label, unique_key
from typed_tune_wandb.payload._selection import Excludes
from typed_tune_wandb.payload._values import MAX_DEPTH, NestingError, TooManyItemsError, ValueConverter, readable_items

_MAX_ROW_KEYS: Final = 100_000
_MAX_NESTED_DICTS: Final = 10_000
# What Tune adds to results, also where it has no value for it.
_OFTEN_NONE: Final = ("checkpoint_dir_name", "timesteps_total", "episodes_total", "timesteps_since_restore")
_WANDBS_OWN_STEPS: Final = ("_step", "_runtime", "_timestamp")
_MEDIA_CLASSES: Final = frozenset({"WBValue", "CustomChart", "Visualize"})


@attrs.define
class Payload:
    """One result, ready for a run. Row and config hold exact builtins alone.

    Attributes:
        row: Metrics by their flat keys (``"train/loss"``): numbers, bools, str, None, lists and dicts of them.
        media: W&B values (Image, Table...), and arrays that are to become media: stored each by itself.
        config: What goes to the run's config: what Tune adds to a result about the trial, under the one key
            ``ray_tune``, where it cannot overwrite a hyperparameter named ``date`` or ``trial_id``.
    """

    row: dict[str, object] = attrs.Factory(dict)
    media: dict[str, object] = attrs.Factory(dict)
    config: dict[str, object] = attrs.Factory(dict)

    @property
    def config_snapshot(self) -> dict[str, object]:
        """The config without its date, which differs each second: to find out whether anything else has changed."""
        facts = self.config.get(TUNE_KEY)
        return {key: value for key, value in facts.items() if key != "date"} if isinstance(facts, dict) else {}


class ResultConverter:
    """Converts the results of one trial.

    Args:
        excludes: Keys that are not recorded.
        metrics: The metrics that are recorded, as patterns like those of ``excludes``, which count more. All, if empty.
        step_metric: The metric that all are drawn over: it is always recorded, and a result without it is warned of.
            None for ``training_iteration``, which is always recorded too.
        log_config: Record ``config/...`` of every result too.
        mask_secrets: Redact credentials in it, and in what Tune adds.
        redactor: Which names are secret. The default's, if None.
        media: Hand on numeric arrays of 3 to 5 dimensions, to become images and videos.
        warn: Called with a key and a text where a value is left out. Once per key by default.

    Example:
        >>> from typed_tune_wandb.payload import ResultConverter
        >>> ResultConverter().convert({"loss": 0.5, "eval": {"acc": 1}, "pid": 7, "done": False})
        Payload(row={'loss': 0.5, 'eval/acc': 1}, media={}, config={'ray_tune': {'pid': 7}})
    """

    def __init__(
        self,
        excludes: Iterable[str] = (),
        *,
        metrics: Iterable[str] = (),
        step_metric: str | None = None,
        log_config: bool = False,
        mask_secrets: bool = True,
        redactor: Redactor | None = None,
        media: bool = False,
        warn: Callable[[str, str], None] | None = None,
    ) -> None:
        self._patterns = tuple(excludes)
        self._redactor = (redactor or Redactor()) if mask_secrets else Redactor(public_names=["*"])
        self._media = media
        self._warn = WarnOnce() if warn is None else warn
        self._step_metric = step_metric
        self._router = Router(
            Excludes(self._patterns), log_config, self._warn, metrics, ITERATION if step_metric is None else step_metric
        )
        self._configs: dict[str, tuple[bytes | None, dict[str, object]]] = {}
        self._facts: tuple[dict[str, object], dict[str, object]] = {}, {}
        self._names: tuple[object, ...] | None = None  # of the result before
        self._layout: RowLayout | None = None
        # The budget of the one result that is being converted:
        self._values: ValueConverter | None = None
        self._nested_dicts = 0

    def convert(self, result: Mapping[str, object]) -> Payload:
        """Return what of a result goes where. The result itself is not kept: it may change afterwards.

        What cannot be stored is left out, with a warning that names its key; nothing is raised.
        """
        payload = Payload()
        self._values, self._nested_dicts = None, 0
        try:
            if type(result) is not dict and not isinstance(result, Mapping):
                raise TypeError
            names = tuple(result) if type(result) is dict else None
            if names is None or names != self._names or not self._add_by_layout(result, payload):
                self._walk(result, "", payload, ())
            if names is not None and names != self._names:
                self._names, self._layout = names, RowLayout.of(names, self._router.known(""))
            self._complete(payload.row)
        except Exception as error:
            self._warn("result", f"it cannot be read ({type(error).__name__}): report a dict.")
        return payload

    def _complete(self, row: dict[str, object]) -> None:
        for key in _OFTEN_NONE:
            if key in row and row[key] is None:
                del row[key]
        step = self._step_metric
        if step is not None and step not in _WANDBS_OWN_STEPS and type(row.get(step)) not in (int, float):
            self._warn(step, "a result has no number of this name, which is the step metric. Its row is recorded.")

    def _add_by_layout(self, result: Mapping[str, object], payload: Payload) -> bool:
        """Add a result with the names of the one before; tell whether that can be done."""
        layout = self._layout
        row = layout.row(result) if layout is not None else None
        if layout is None or row is None:
            return False
        payload.row = row
        if layout.facts:
            self._add_facts(layout.facts_of(result), payload)
        return True

    def _walk(self, values: Mapping[str, Any], prefix: str, payload: Payload, parents: tuple[int, ...]) -> None:
        routes = self._router.known(prefix)
        row = payload.row
        facts: dict[str, object] = {}
        items: Iterable[tuple[Any, Any]] = values.items() if type(values) is dict else readable_items(values)
        for name, value in items:
            route = routes.get(name)
            if route is None:
                route = self._router.new(prefix, name)
            key, destination = route
            # Numbers and short texts first: they are nearly all of a result.
            if destination == "history":
                if type(value) is float or is_plain(value):
                    row[key] = value
                elif (number := NUMPY_NUMBERS.get(type(value))) is not None:
                    row[key] = number(value)
                else:
                    self._add(key, destination, value, payload, parents)
            elif destination == "tune":
                facts[key] = value
            elif destination == "nested":
                if isinstance(value, Mapping):
                    self._add(key, destination, value, payload, parents)
            elif destination != "drop":
                self._add(key, destination, value, payload, parents)
        if facts:
            self._add_facts(facts, payload)

    def _add(
        self, key: str, destination: Destination, value: object, payload: Payload, parents: tuple[int, ...]
    ) -> None:
        """Add a value that is not just a number or a short text; one that cannot be stored costs itself alone."""
        size = len(payload.row)
        try:
            if destination == "config":
                self._add_config(key, value, payload)
            elif isinstance(value, Mapping):
                self._add_nested(key, value, payload, parents)
            elif is_media(value) or (self._media and _is_media_array(value)):
                payload.media[unique_key(key, payload.media)] = value
            else:
                stored = self._stored(value)
                payload.row[unique_key(key, payload.row) if destination == "shared" else key] = stored
        except Exception as error:
            if isinstance(error, TooManyItemsError) and isinstance(value, Mapping):
                if parents:
                    raise  # the whole of the value that the result has under one name is too large
                while len(payload.row) > size:
                    payload.row.popitem()
            self._warn(key, _reason(error))

    def _add_nested(self, key: str, value: Mapping[str, object], payload: Payload, parents: tuple[int, ...]) -> None:
        self._nested_dicts += 1
        if id(value) in parents or len(parents) >= MAX_DEPTH:
            raise NestingError
        if self._nested_dicts > _MAX_NESTED_DICTS or len(payload.row) + len(value) > _MAX_ROW_KEYS:
            raise TooManyItemsError
        self._walk(value, f"{key}/", payload, (*parents, id(value)))

    def _add_config(self, key: str, value: object, payload: Payload) -> None:
        """Add the trial's config to the row (``log_config``), flat and without credentials."""
        seen, flat = self._configs.get(key, (None, {}))
        # Nearly always the config of the result before. marshal takes exact builtins alone: no code of others runs.
        try:
            fingerprint = marshal.dumps(cast("Any", value))
        except ValueError:
            fingerprint = None
        if fingerprint is None or fingerprint != seen:
            flat = self._flat_config(key, value)
            self._configs[key] = fingerprint, flat
        payload.row.update(flat)

    def _flat_config(self, key: str, value: object) -> dict[str, object]:
        inner = key.partition("/")[2]
        config = {inner: value} if inner else value
        if not isinstance(config, Mapping):
            raise UnstorableError(f"it is a {type_label(config)}: a config is a dict.")
        warn = self._warn
        sanitized = sanitize_config(
            config, self._patterns, redactor=self._redactor, warn=lambda path, reason: warn(f"config/{path}", reason)
        )
        flat = Payload()
        self._walk(sanitized, "config/", flat, ())
        return flat.row

    def _add_facts(self, facts: dict[str, object], payload: Payload) -> None:
        """Add what Tune says of the trial; but for the date it is nearly always what it was in the result before."""
        seen, stored = self._facts
        if facts != seen:
            changed = {key: value for key, value in facts.items() if key not in stored or seen[key] != value}
            stored = {key: value for key, value in stored.items() if key in facts and key not in changed}
            for key, value in changed.items():
                try:
                    stored[key] = self._redactor.redact_scalar(self._stored(value), self._redactor.secrecy(key))
                except Exception as error:
                    self._warn(key, _reason(error))
            self._facts = facts, stored
        payload.config[TUNE_KEY] = stored  # never changed, but replaced

    def _stored(self, value: object) -> object:
        if self._values is None:
            self._values = ValueConverter()
        return self._values.convert(value)


def _reason(error: Exception) -> str:
    if isinstance(error, UnstorableError):
        return str(error)
    return f"it cannot be read ({type(error).__name__}): report a plain value."


def is_media(value: object) -> bool:
    """Whether a value is one of W&B's own for a row (Image, Table, Histogram...), or a list of such."""
    if isinstance(value, (list, tuple)):
        return len(value) > 0 and all(_is_wandb_type(item) for item in value)
    return _is_wandb_type(value)


def _is_wandb_type(value: object) -> bool:
    # Not by isinstance(): wandb is not to be imported here.
    return any(
        cls.__name__ in _MEDIA_CLASSES and str(cls.__module__).partition(".")[0] == "wandb"
        for cls in type(value).__mro__
    )


def _is_media_array(value: object) -> bool:
    return isinstance(value, np.ndarray) and 3 <= value.ndim <= 5 and value.dtype.kind in "iufb"
