"""Turning a Tune result or config into what W&B stores, and saying so where it cannot be stored.

Knows neither runs nor threads, and imports neither ray nor wandb.
"""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from enum import Enum
from fnmatch import fnmatchcase
from pathlib import PurePath
from typing import Final, Literal

import attrs
import numpy as np

from typed_tune_wandb._secret import Secret

logger = logging.getLogger(__name__)

NEVER_RECORDED: Final = ("done", "should_checkpoint", "config")
"""Result keys that never reach the history (``config`` does with ``log_config``)."""
CONFIG_KEYS: Final = ("trial_id", "experiment_tag", "node_ip", "experiment_id", "hostname", "pid", "date")
"""Result keys that go to the run's config instead of its history, as in the original integration."""
# wandb writes these into every row itself.
_RESERVED: Final = frozenset({"_step", "_runtime", "_timestamp", "_wandb"})
_ENTRY_KEYS: Final = frozenset({"wandb", "callbacks"})
_NUMBERS: Final = frozenset({float, int, bool, type(None)})
_LARGEST_VALUE: Final = 1_000_000  # bytes or items; W&B's own limit is 10 MB for a whole row
_LARGEST_ARRAY: Final = 1_000  # items of an array that is stored as a list
_DEEPEST: Final = 32
_SECRET_KEY: Final = re.compile(
    r"(^|[_\-.])(api[_-]?keys?|tokens?|passwords?|passwd|pwd|secrets?|credentials?|(access|private|secret)[_-]?keys?)($|[_\-.])",
    re.IGNORECASE,
)
_MASK: Final = "***"

Fate = Literal["history", "config", "nowhere"]


class UnstorableError(ValueError):
    """A value that W&B cannot store; the message says what to report instead."""


@attrs.define
class Payload:
    """One result, ready for a run.

    Attributes:
        row: Metrics by their flat keys (``"train/loss"``): numbers, bools, str, None, lists and dicts of them.
        media: W&B values (Image, Table...), and arrays that are to become media: stored each by itself.
        config: What goes to the run's config.
    """

    row: dict[str, object] = attrs.Factory(dict)
    media: dict[str, object] = attrs.Factory(dict)
    config: dict[str, object] = attrs.Factory(dict)


class Excludes:
    """Which keys a user does not want recorded: exact keys, ``key`` for all of ``key/...``, and globs.

    Example:
        >>> from typed_tune_wandb.payload import Excludes
        >>> excludes = Excludes(["timers", "*/secret"])
        >>> [key for key in ("timers/sample", "loss", "a/secret") if key not in excludes]
        ['loss']
    """

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self._patterns = tuple(pattern.rstrip("/") for pattern in patterns)

    def __contains__(self, key: str) -> bool:
        return any(
            key == pattern or key.startswith(f"{pattern}/") or fnmatchcase(key, pattern) for pattern in self._patterns
        )


class ResultReader:
    """Reads the results of one trial.

    Args:
        excludes: Keys that are not recorded.
        log_config: Record ``config/...`` of every result too.
        mask_secrets: Store ``***`` for texts in it under keys such as ``api_key``, ``token`` or ``password``.
        media: Hand on numeric arrays of 3 to 5 dimensions, to become images and videos.
        warn: Called with a key and a text where a value is left out. Once per key by default.

    Example:
        >>> from typed_tune_wandb.payload import ResultReader
        >>> ResultReader().read({"loss": 0.5, "eval": {"acc": 1}, "pid": 7, "done": False})
        Payload(row={'loss': 0.5, 'eval/acc': 1}, media={}, config={'pid': 7})
    """

    def __init__(
        self,
        excludes: Iterable[str] = (),
        *,
        log_config: bool = False,
        mask_secrets: bool = True,
        media: bool = False,
        warn: Callable[[str, str], None] | None = None,
    ) -> None:
        self._excludes = Excludes(excludes)
        self._log_config = log_config
        self._mask_secrets = mask_secrets
        self._media = media
        self._warn = WarnOnce() if warn is None else warn
        # A trial reports the same keys again and again: what becomes of each is decided once, by prefix and name. One
        # str for all rows' same key also makes their pickle half as long.
        self._known: dict[str, dict[str, tuple[str, Fate]]] = {}

    def read(self, result: Mapping[str, object]) -> Payload:
        """What of a result goes where. The result itself is not kept: it may change afterwards."""
        payload = Payload()
        self._walk(result, "", payload, 0)
        return payload

    def _walk(self, values: Mapping[str, object], prefix: str, payload: Payload, depth: int) -> None:
        if depth > _DEEPEST:
            self._warn(prefix.rstrip("/"), "it is nested too deeply, or holds itself: report a part of it.")
            return
        known = self._known.setdefault(prefix, {})
        masks = prefix.startswith("config/")
        for name, value in values.items():
            found = known.get(name)
            if found is None:
                key = f"{prefix}{name}"
                found = known[name] = (key, self._fate_of(key))
            key, fate = found
            if fate == "nowhere":
                continue
            # Numbers and texts first: they are nearly all of a result, and isinstance() of an abstract class is slow.
            kind = type(value)
            short = kind is str and isinstance(value, str) and len(value) <= _LARGEST_VALUE
            if kind in _NUMBERS or (short and not masks):
                (payload.row if fate == "history" else payload.config)[key] = value
            elif isinstance(value, Mapping):
                self._walk(value, f"{key}/", payload, depth + 1)
            else:
                self._convert(key, value, fate, payload)

    def _convert(self, key: str, value: object, fate: Fate, payload: Payload) -> None:
        if self._mask_secrets and key.startswith("config/") and any(map(_SECRET_KEY.search, key.split("/"))):
            value = _masked(value)
        if fate == "history" and (is_media(value) or (self._media and _becomes_media(value))):
            payload.media[key] = value
            return
        try:
            stored = storable(value)
        except UnstorableError as error:
            self._warn(key, str(error))
            return
        (payload.row if fate == "history" else payload.config)[key] = stored

    def _fate_of(self, key: str) -> Fate:
        top, _, rest = key.partition("/")
        if key in self._excludes:
            return "nowhere"
        if top == "config" and self._log_config:
            hidden = rest in self._excludes or rest.partition("/")[0] in _ENTRY_KEYS
            return "nowhere" if hidden or rest.startswith("logger_config/wandb") else "history"
        if top in NEVER_RECORDED:
            return "nowhere"
        if key in _RESERVED or not key:
            self._warn(key, "W&B keeps this name for itself: report it under another one.")
            return "nowhere"
        return "config" if top in CONFIG_KEYS else "history"


class WarnOnce:
    """Warns about each key once, in the log."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def __call__(self, key: str, reason: str) -> None:
        """Warn that the value of a key is left out."""
        if key not in self._seen:
            self._seen.add(key)
            logger.warning("%r is left out of the W&B run: %s", key, reason)


def is_media(value: object) -> bool:
    """Whether a value is W&B's own (Image, Table, Histogram...), or a list of such."""
    if isinstance(value, (list, tuple)):
        return len(value) > 0 and all(_is_wandbs_own(item) for item in value)
    return _is_wandbs_own(value)


def _is_wandbs_own(value: object) -> bool:
    return any(cls.__module__.partition(".")[0] == "wandb" for cls in type(value).__mro__)


def _becomes_media(value: object) -> bool:
    return isinstance(value, np.ndarray) and 3 <= value.ndim <= 5 and value.dtype.kind in "iufb"


def storable(value: object) -> object:
    """A value as W&B stores it: a number, bool, str, None, or lists and dicts of them.

    Raises:
        UnstorableError: It cannot be stored; the text says what to report instead.

    Example:
        >>> import numpy as np
        >>> from typed_tune_wandb.payload import storable
        >>> storable([np.float32(0.5), {"n": np.int64(3)}])
        [0.5, {'n': 3}]
    """
    return _storable(value, 0)


def _storable(value: object, depth: int) -> object:
    if type(value) in _NUMBERS:
        return value
    if isinstance(value, str):
        if len(value) > _LARGEST_VALUE:
            raise UnstorableError(f"it has {len(value)} characters: report at most {_LARGEST_VALUE}.")
        return str(value)
    if isinstance(value, (np.generic, np.ndarray)):
        return _of_array(value)
    if isinstance(value, (bool, int, float)):
        return value
    if depth > _DEEPEST:
        raise UnstorableError("it is nested too deeply, or holds itself: report a part of it.")
    if isinstance(value, Mapping):
        return {str(key): _storable(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        if len(value) > _LARGEST_VALUE:
            raise UnstorableError(f"it has {len(value)} items: report a wandb.Histogram or a wandb.Table.")
        return [_storable(item, depth + 1) for item in value]
    if getattr(value, "ndim", None) == 0 and callable(item := getattr(value, "item", None)):
        return _storable(item(), depth + 1)  # a tensor of one number
    raise UnstorableError(_advice(value))


def _of_array(value: np.generic | np.ndarray) -> object:
    if value.dtype.kind not in "iufbUS":
        raise UnstorableError(f"its dtype is {value.dtype}: report numbers or str.")
    if value.size == 1:
        return _storable(value.item(), 0)
    if value.size > _LARGEST_ARRAY:
        raise UnstorableError(
            f"it is an array of {value.size} items: report a wandb.Histogram, a wandb.Image or a summary of it "
            "(or turn 3-D to 5-D arrays into media by WandbLogger(media=True))."
        )
    return value.tolist()


def _advice(value: object) -> str:
    kind = f"it is a {type(value).__module__}.{type(value).__qualname__}"
    if isinstance(value, (bytes, bytearray)):
        return f"{kind}: decode it to a str."
    if isinstance(value, (set, frozenset)):
        return f"{kind}: report a sorted list."
    if isinstance(value, (date, Enum, PurePath)):
        return f"{kind}: report str(...) of it."
    if type(value).__name__ == "DataFrame":
        return f"{kind}: report wandb.Table(dataframe=...)."
    if type(value).__name__ in ("Tensor", "EagerTensor", "Array"):
        return f"{kind}: report its .item(), its .tolist() or a wandb.Histogram."
    if callable(value):
        return f"{kind}: report its name."
    return f"{kind}: report numbers, bools, str, None, lists or dicts of them, or W&B values such as wandb.Image."


def storable_config(
    config: Mapping[str, object], excludes: Iterable[str] = (), *, mask_secrets: bool = True
) -> dict[str, object]:
    """A trial's config as the run's config: without the W&B entry, and with a name for what cannot be stored.

    Args:
        config: The trial's config, as Tune hands it out.
        excludes: Keys that are left out; ``"a/b"`` reaches into nested dicts.
        mask_secrets: Store ``***`` for texts under keys such as ``api_key``, ``token`` or ``password``.

    Example:
        >>> from typed_tune_wandb.payload import storable_config
        >>> storable_config({"lr": 0.1, "model": dict, "hf_token": "abc", "wandb": {"project": "p"}})
        {'lr': 0.1, 'model': 'builtins.dict', 'hf_token': '***'}
    """
    bare = without_entry(config)
    cleaned = _config_value(
        {k: v for k, v in bare.items() if k != "callbacks"}, "", Excludes(excludes), mask_secrets, 0
    )
    return cleaned if isinstance(cleaned, dict) else {}


def without_entry(config: Mapping[str, object]) -> dict[str, object]:
    """A config less its W&B entry, also the one inside RLlib's ``logger_config``."""
    bare = {key: value for key, value in config.items() if key != "wandb"}
    nested = bare.get("logger_config")
    if isinstance(nested, Mapping) and "wandb" in nested:
        bare["logger_config"] = {key: value for key, value in nested.items() if key != "wandb"}
    return bare


def _config_value(value: object, path: str, excludes: Excludes, mask: bool, depth: int) -> object:
    if depth > _DEEPEST:
        return "<nested too deeply, or holds itself>"
    if isinstance(value, Mapping):
        cleaned: dict[str, object] = {}
        for name, item in value.items():
            key = f"{path}/{name}" if path else str(name)
            if key in excludes:
                continue
            hidden = _masked(item) if mask and _SECRET_KEY.search(str(name)) else item
            cleaned[str(name)] = _config_value(hidden, key, excludes, mask, depth + 1)
        return cleaned
    if isinstance(value, (list, tuple)):
        return [_config_value(item, path, excludes, mask, depth + 1) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((_config_value(item, path, excludes, mask, depth + 1) for item in value), key=repr)
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, (PurePath, datetime, date)):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return _config_value(fields, path, excludes, mask, depth + 1)
    try:
        return storable(value)
    except UnstorableError:
        return _name_of(value)


def _masked(value: object, depth: int = 0) -> object:
    """A value with a mask in the place of every text in it; numbers stay what they are."""
    if isinstance(value, (str, bytes, Secret)):
        return _MASK if value else value
    if isinstance(value, Mapping) and depth < _DEEPEST:
        return {key: _masked(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)) and depth < _DEEPEST:
        return [_masked(item, depth + 1) for item in value]
    return value


def _name_of(value: object) -> str:
    """What an object is, in words: never its repr, which may hold a secret or an address in memory."""
    if isinstance(value, np.ndarray):
        return f"array of shape {value.shape}, {value.dtype}"
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{getattr(named, '__module__', '?')}.{getattr(named, '__qualname__', '?')}"
