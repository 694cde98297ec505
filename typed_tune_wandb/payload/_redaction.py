"""Redacts credentials in a config, by the name of a value and by what the value looks like."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final

import attrs

from typed_tune_wandb._secret import Secret, hidden_value
from typed_tune_wandb.payload._credentials_in_text import is_secret_text, mask_credentials
from typed_tune_wandb.payload._secret_names import Secrecy, secrecy_of

__all__ = ["Redactor", "Secrecy"]

_MASK: Final = "***"
_MASK_DIGITS: Final = 6
_MIN_SECRET_NUMBER: Final = 1_000
_SEPARATOR: Final = re.compile(r"[-. ]|(?<=[a-z0-9])(?=[A-Z])")  # "myBadge", "my-badge" and "my.badge" are "my_badge"
_TRIAL_NUMBER: Final = re.compile(r"\d+_")  # at the beginning of Tune's experiment tag: "3_badge=k1tten"
# Drawn in each process, and on no disk.
_PROCESS_KEY: Final = os.urandom(32)


def _patterns(names: Iterable[str]) -> tuple[str, ...]:
    if isinstance(names, str):
        raise TypeError(f"a list of names is expected, got the text {names!r}: write [{names!r}].")
    return tuple(_normalized(name) for name in names)


def _normalized(name: str) -> str:
    return _SEPARATOR.sub("_", name).strip("_").lower()


@attrs.frozen
class Redactor:
    """Replaces credentials by ``***`` and six digits, such as ``***3fa9c1``.

    A value is judged by the names on its way (``db/password``) and by its own look: ``hfToken`` hides its value, but
    ``pad_token`` and ``token_pooling`` do not, and a key of a known shape is found under every name, inside a longer
    text as well.

    The digits tell two values of a search apart. They are a keyed hash, with a key that is drawn in each process and
    stays in its memory: who reads them at W&B cannot try out passwords against them, not even short ones. So a value
    has the same digits in all trials that one process records (all of an experiment's, with ``WandbLogger``), and
    others in the next session.

    Attributes:
        secret_names: Further names whose values are secrets: ``"license"``, or patterns such as ``"*_pin"``. Case and
            the separators ``_ - .`` make no difference.
        public_names: Names whose values are recorded as they are. They count more than ``secret_names``.

    Example:
        >>> from typed_tune_wandb.payload import Redactor
        >>> redactor = Redactor(secret_names=["badge"], public_names=["sample_password"])
        >>> [redactor.redact(name, "k1tten")[:3] for name in ("badge", "sample_password", "name", "db_password")]
        ['***', 'k1t', 'k1t', '***']
    """

    secret_names: tuple[str, ...] = attrs.field(default=(), converter=_patterns)
    public_names: tuple[str, ...] = attrs.field(default=(), converter=_patterns)

    def secrecy(self, name: str, outer: Secrecy = Secrecy.NONE) -> Secrecy:
        """Return how secret a name makes its value, inside of a value that is already so secret."""
        own = _secrecy(name, self.secret_names, self.public_names)
        if own is Secrecy.PUBLIC or (outer is Secrecy.PUBLIC and own is Secrecy.NONE):
            return Secrecy.PUBLIC
        return max(outer, own)

    def redact(self, name: str, value: object) -> object:
        """Return a scalar as it may be recorded under a name."""
        return self.redact_scalar(value, self.secrecy(name))

    def redact_scalar(self, value: object, secrecy: Secrecy) -> object:
        """Return a scalar (None, bool, int, float, str) as it may be recorded."""
        if isinstance(value, str):
            return self.redact_text(value, secrecy)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            is_long = secrecy is Secrecy.SECRET and abs(value) >= _MIN_SECRET_NUMBER
            return self.mask(repr(value)) if is_long or secrecy is Secrecy.EXPLICIT else value
        return value

    def redact_text(self, text: str, secrecy: Secrecy = Secrecy.NONE) -> str:
        """Return a text without what is secret in it."""
        if secrecy is Secrecy.PUBLIC:
            return text
        if secrecy > Secrecy.NONE and is_secret_text(text, secrecy):
            return self.mask(text)
        return mask_credentials(text, self.mask, self._secrecy_in_text)

    def mask(self, secret: str) -> str:
        """Return the mask of a secret: it tells one secret from another, and nothing else about it."""
        data = secret.encode("utf-8", "surrogatepass")
        return _MASK + hashlib.blake2b(data, key=_PROCESS_KEY).hexdigest()[:_MASK_DIGITS]

    def _secrecy_in_text(self, name: str) -> Secrecy:
        number = _TRIAL_NUMBER.match(name)
        return self.secrecy(name[number.end() :] if number else name)

    def mask_hidden(self, value: object) -> str | None:
        """Return the mask of an object that hides a text (a ``Secret``, pydantic's ``SecretStr``); None for others."""
        if isinstance(value, Secret):
            return self.mask(value.reveal() or "")
        revealed = hidden_value(value)
        if isinstance(revealed, bytes):
            return self.mask(revealed.decode("latin-1"))
        return self.mask(revealed) if isinstance(revealed, str) else None


@lru_cache(maxsize=10_000)
def _secrecy(name: str, secret_names: tuple[str, ...], public_names: tuple[str, ...]) -> Secrecy:
    normalized = _normalized(name)
    if any(fnmatchcase(normalized, pattern) for pattern in public_names):
        return Secrecy.PUBLIC
    if any(fnmatchcase(normalized, pattern) for pattern in secret_names):
        return Secrecy.EXPLICIT
    return secrecy_of(name)
