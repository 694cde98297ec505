"""Turns a trial's config into the run's config: plain values, within bounds, without credentials."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from contextlib import suppress
from itertools import islice
from typing import Any, Final

from typed_tune_wandb._logging import WarnOnce
from typed_tune_wandb.payload._objects import describe, key_text
from typed_tune_wandb.payload._redaction import Redactor, Secrecy
from typed_tune_wandb.payload._scalars import (
    EXACT_SCALARS,
    MAX_INT,
    Unordered,
    Unreadable,
    UnstorableError,
    digest,
    encodable,
    exact_scalar,
    scalar_text,
    type_label,
    unique_key,
)
from typed_tune_wandb.payload._selection import Excludes
from typed_tune_wandb.payload._values import (
    ROOT,
    NestingError,
    Place,
    TooManyItemsError,
    ValueConverter,
    readable_elements,
    readable_items,
)
from typed_tune_wandb.settings._entry import ENTRY_PATHS

TUNE_KEY: Final = "ray_tune"
"""Key of the run's config under which stands what Tune reports of a trial: its id, its node, its process..."""
_RESERVED_KEYS: Final = frozenset({TUNE_KEY, "_wandb"})
_MAX_VALUE_ITEMS: Final = 10_000
_MAX_CONFIG_ITEMS: Final = 50_000
_MAX_VALUE_VISITS: Final = 50_000
_MAX_CONFIG_VISITS: Final = 200_000
_MIN_VALUE_VISITS: Final = 1_000  # what is left for a value when others have used up the config's
_MAX_CONFIG_CHARS: Final = 5_000_000
_MAX_TEXT_CHARS: Final = 100_000
_SHORT_TEXT_CHARS: Final = 100  # of a text that is shortened
_MIN_KEY_ITEMS: Final = 8  # numbers in a row that may be the bytes of a key
_MAX_SAMPLE_ITEMS: Final = 1_000
# wandb takes these for artifacts to be used, and gives the run up where it cannot use them.
_ARTIFACT: Final = "wandb-artifact://"
_ARTIFACT_DICT: Final = ("_type", "artifactVersion")


class _ConfigConverter(ValueConverter):
    """Converts one config. A value that cannot be stored becomes a text; only one that cannot be read is left out."""

    max_value_items = _MAX_VALUE_ITEMS

    def __init__(self, excludes: Excludes, redactor: Redactor, warn: Callable[[str, str], None]) -> None:
        super().__init__()
        self._excludes = excludes
        self._redactor = redactor
        self._warn = warn
        # A large value that stands at many places is summarized once, and kept here so that its id is not used again.
        self._summaries: dict[int, tuple[object, str]] = {}

    def convert_config(self, config: Mapping[str, object]) -> dict[str, object]:
        """Convert a whole config."""
        converted: dict[str, object] = {}
        try:
            self.fill(converted, config, ROOT, _MAX_CONFIG_ITEMS)
        except TooManyItemsError:
            self._warn("config", f"it has more than {_MAX_CONFIG_ITEMS} items: only the first are recorded.")
        except Exception as error:
            self._warn("config", f"it cannot be read ({type(error).__name__}): pass a dict.")
        return converted

    def fill(self, converted: dict[str, object], values: Mapping[Any, object], place: Place, max_size: int) -> None:
        """Convert the items of a mapping; one that cannot be read costs itself alone."""
        is_root = not self._containers
        for key, item in readable_items(values):
            if is_root:  # one value's size must not cost another
                left = min(_MAX_VALUE_VISITS, _MAX_CONFIG_VISITS - self._visits)
                self.max_visits = self._visits + max(_MIN_VALUE_VISITS, left)
            path = place.path
            try:
                name = self.key(key, values, converted)
                path = name if is_root else f"{place.path}/{name}"
                if path in self._excludes or path in ENTRY_PATHS:
                    continue
                secrecy = self._redactor.secrecy(name, place.secrecy)
                if name == "value" and "name" in values:  # {"name": "DB_PASSWORD", "value": ...}
                    secrecy = self._redactor.secrecy(key_text(values["name"]), secrecy)
                value = self.convert(item, Place(path, secrecy))
                if (name, value) == _ARTIFACT_DICT:
                    value = "artifact version"
                converted[self._stored_key(name, place, secrecy, converted)] = value
            except TooManyItemsError:
                raise
            except Exception as error:
                self._warn(self._redactor.redact_text(path), _reason(error))
            self.check_size(max_size)

    def element(self, item: object, previous: object, place: Place) -> object:
        """Convert one item of a sequence; a text takes the place of one that cannot be read."""
        if type(previous) is str and previous.startswith("--"):
            place = Place(place.path, self._redactor.secrecy(previous, place.secrecy))
        try:
            return self.convert(item, place)
        except TooManyItemsError:
            raise
        except Exception as error:
            self._warn(self._redactor.redact_text(place.path), _reason(error))
            return "<cannot be read>"

    def convert(self, value: object, place: Place = ROOT) -> object:
        """Convert a value, with all that it holds; too large a one becomes a summary."""
        if type(value) in EXACT_SCALARS:
            self._size += 1
            self._visits += 1
            return self.scalar(value, place)
        hidden = self._redactor.mask_hidden(value)
        if hidden is not None:
            return hidden
        known = self._summaries.get(id(value))
        if known is not None:
            return self.scalar(known[1], place)
        size = self._size
        try:
            return super().convert(value, place)
        except NestingError:
            return self.scalar("<nested too deeply, or holds itself>", place)
        except TooManyItemsError:
            self._size = size + 1
            self._summaries[id(value)] = value, summary(value)
            return self.scalar(self._summaries[id(value)][1], place)

    def describe(self, value: object) -> object:
        """Return a value as a scalar, a mapping, a sequence or an ``Unordered``."""
        described = describe(value)
        if isinstance(described, Unreadable):
            return super().describe(described)
        scalar = exact_scalar(described)
        if type(scalar) in EXACT_SCALARS or isinstance(described, (Mapping, Sequence, Unordered)):
            return scalar
        return type_label(value)

    def sequence(self, children: object, place: Place, max_size: int) -> object:
        """Convert the items of a sequence; a list of numbers with a secret name may be the bytes of a key."""
        converted = super().sequence(children, place, max_size)
        if place.secrecy >= Secrecy.SECRET and isinstance(converted, list) and len(converted) >= _MIN_KEY_ITEMS:
            return self._redactor.mask(repr(converted)) if set(map(type, converted)) <= {int, float} else converted
        return converted

    def scalar(self, value: object, place: Place) -> object:
        """Return an exact builtin scalar as it is stored."""
        if type(value) is int and not -MAX_INT < value < MAX_INT:
            value = scalar_text(value)
        if not isinstance(value, str):
            return self._redactor.redact_scalar(value, place.secrecy) if place.secrecy >= Secrecy.SECRET else value
        if len(value) > _MAX_TEXT_CHARS and place.secrecy < Secrecy.LIKELY:
            value = _shortened(value, self._redactor, place.secrecy)
        text = encodable(self._redactor.redact_text(value, place.secrecy))
        self._chars += len(text)
        if self._chars > _MAX_CONFIG_CHARS and len(text) > _SHORT_TEXT_CHARS:
            text = _shortened(text, self._redactor, place.secrecy)
        return text.replace(_ARTIFACT, "wandb-artifact:", 1) if text.startswith(_ARTIFACT) else text

    def _stored_key(self, name: str, place: Place, secrecy: Secrecy, converted: Mapping[str, object]) -> str:
        # The keys of a dict named "tokens" may be the tokens.
        within = Secrecy.HINT if place.secrecy >= Secrecy.TOKEN else Secrecy.NONE
        text = name if secrecy is Secrecy.PUBLIC else self._redactor.redact_text(name, within)
        if not self._containers:
            # wandb strips dashes, and keeps the one key for itself; the other is ours.
            text = text.strip("-")
            if text in _RESERVED_KEYS:
                text = f"{text} (hyperparameter)"
        return unique_key(text, converted)


def sanitize_config(
    config: Mapping[str, object],
    excludes: Iterable[str] = (),
    *,
    mask_secrets: bool = True,
    redactor: Redactor | None = None,
    warn: Callable[[str, str], None] | None = None,
) -> dict[str, object]:
    """Return a trial's config as the run's config: exact builtins, without the W&B entry and without credentials.

    What is neither number nor text is recorded as the text, list or dict that it means; a value that holds too much,
    as a summary; an object, by the name of its class.

    Args:
        config: The trial's config, as Tune hands it out: a dict or any other mapping.
        excludes: Keys that are left out; ``"a/b"`` reaches into nested dicts.
        mask_secrets: Redact credentials, as ``redactor`` does it.
        redactor: Which names are secret. The default's, if None.
        warn: Called with a path and a text where a value cannot be read. Once per path by default.

    Example:
        >>> from datetime import timedelta
        >>> from typed_tune_wandb.payload import sanitize_config
        >>> sanitize_config({"lr": 0.1, "model": dict, "limit": timedelta(hours=1), "wandb": {"project": "p"}})
        {'lr': 0.1, 'model': 'builtins.dict', 'limit': '1:00:00'}
        >>> sanitize_config({"hf_token": "abc"})["hf_token"][:3]
        '***'
    """
    chosen = (redactor or Redactor()) if mask_secrets else Redactor(public_names=["*"])
    return _ConfigConverter(Excludes(excludes), chosen, WarnOnce() if warn is None else warn).convert_config(config)


def summary(value: object) -> str:
    """Return a text for a container that is too large: its class, its length, and a digest of its scalars."""
    label = type_label(value).removeprefix("builtins.")
    count = len(value) if isinstance(value, (Sequence, Mapping, Set)) else "too many"
    return f"{label} of {count} items, {digest(_sample(value))}"


def _sample(value: object) -> bytes:
    if isinstance(value, (list, tuple)):
        if set(map(type, value)) <= {int, float, bool}:
            with suppress(OverflowError):
                return array("d", value).tobytes()
        value = value[:: len(value) // _MAX_SAMPLE_ITEMS + 1]
    items = readable_items(value) if isinstance(value, Mapping) else readable_elements(value)
    scalars = (part for item in islice(items, _MAX_SAMPLE_ITEMS) for part in (item if type(item) is tuple else (item,)))
    return "\0".join(scalar_text(part) for part in scalars if type(part) in EXACT_SCALARS).encode(errors="replace")


def _shortened(text: str, redactor: Redactor, secrecy: Secrecy) -> str:
    # Redacted before it is cut: half a credential has no known shape.
    head = redactor.redact_text(text[: 10 * _SHORT_TEXT_CHARS], min(secrecy, Secrecy.NONE))[:_SHORT_TEXT_CHARS]
    return f"{head}... ({len(text)} characters, {digest(text.encode(errors='replace'))})"


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, UnstorableError) else f"it cannot be read ({type(error).__name__})."
