"""A secret that never shows itself, and its way to the workers of a Ray cluster.

The pickle of a secret contains only a random reference. The value stays in the memory of this process and, once the
secret was pickled while Ray runs, in the cluster's own in-memory key-value store, which ends with the cluster.
SECURITY.md says who can read it there.
"""

from __future__ import annotations

from typing import Final, NoReturn
from uuid import uuid4

from typed_tune_wandb import _cluster


class Secret:
    """A text that can be passed around, but is never shown.

    Two secrets are equal if they have the same value, whichever process made them.

    Example:
        >>> from typed_tune_wandb._secret import Secret
        >>> str(Secret("0123456789abcdef0123456789abcdef01234567"))
        'Secret(hidden)'
    """

    __slots__ = ("_reference",)
    _reference: str

    def __init__(self, value: str) -> None:
        object.__setattr__(self, "_reference", _store.add(value))

    @staticmethod
    def of_reference(reference: str) -> Secret:
        """Return the secret with a reference (32 random hexadecimal digits), as a pickle contains it."""
        secret = Secret.__new__(Secret)
        object.__setattr__(secret, "_reference", reference)
        return secret

    def reveal(self) -> str | None:
        """Return the value, or None if neither this process nor its Ray cluster has it (any more)."""
        return _store.get(self._reference)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a Secret cannot be changed")

    def __repr__(self) -> str:
        return "Secret(hidden)"

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        if self._reference == other._reference:
            return True
        # Each process makes references of its own: those of two processes may stand for one value.
        value = self.reveal()
        return value is not None and value == other.reveal()

    def __hash__(self) -> int:
        # Equal secrets may have different references, and a value that cannot be revealed yet. There are few of them.
        return hash(Secret)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce__(self) -> tuple[object, tuple[str]]:
        # Tune pickles a trial's config to send it to a worker: from then on the cluster has to store the value.
        _store.publish(self._reference)
        return Secret.of_reference, (self._reference,)


def as_secret(value: str | Secret | None) -> Secret | None:
    """Return a text as a secret; None and a secret are returned as they are."""
    return Secret(value) if isinstance(value, str) else value


def hidden_value(value: object) -> object:
    """Return the text or the bytes that pydantic's ``SecretStr`` or ``SecretBytes`` hides; None for other values."""
    reveal = getattr(type(value), "get_secret_value", None)
    return reveal(value) if callable(reveal) else None


class _SecretStore:
    """The values of secrets by reference, in this process and in its Ray cluster."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def add(self, value: str) -> str:
        """Store a value and return its reference: one for each value."""
        known = (reference for reference, stored in self._values.items() if stored == value)
        reference = next(known, uuid4().hex)
        self._values[reference] = value
        return reference

    def get(self, reference: str) -> str | None:
        """Return a value, or None if neither this process nor its cluster has it."""
        value = self._values.get(reference)
        if value is None and (fetched := _cluster.fetch(reference)) is not None:
            value = self._values[reference] = fetched.decode()
        return value

    def publish(self, reference: str) -> None:
        """Put a value of this process into the cluster's key-value store, if there is a cluster."""
        if reference in self._values:
            _cluster.store(reference, self._values[reference].encode())


# One for the process: a pickle contains a reference alone, and whoever loads it has no other way to the value.
_store: Final = _SecretStore()
