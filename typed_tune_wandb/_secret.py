"""A secret that shows itself nowhere, and its way to the workers of a Ray cluster.

A pickle of a secret holds a random reference alone. The value itself waits in the memory of this process and, once a
secret was pickled under a running Ray, in the cluster's own in-memory key-value store, which goes with the cluster.
SECURITY.md says who can read it there.
"""

from __future__ import annotations

import sys
from typing import NoReturn
from uuid import uuid4

_NAMESPACE = b"typed_tune_wandb"

# The values by reference, in the memory of this process alone.
_values: dict[str, str] = {}


class Secret:
    """A text that is held, but never shown.

    Example:
        >>> from typed_tune_wandb._secret import Secret
        >>> str(Secret("0123456789abcdef0123456789abcdef01234567"))
        'Secret(hidden)'
    """

    __slots__ = ("_reference",)
    _reference: str

    def __init__(self, value: str) -> None:
        known = (reference for reference, held in _values.items() if held == value)
        reference = next(known, uuid4().hex)
        _values[reference] = value
        object.__setattr__(self, "_reference", reference)

    @staticmethod
    def of_reference(reference: str) -> Secret:
        """The secret that a pickle names by its reference (32 random hexadecimal digits)."""
        secret = Secret.__new__(Secret)
        object.__setattr__(secret, "_reference", reference)
        return secret

    def reveal(self) -> str | None:
        """The text itself, or None where neither this process nor its Ray cluster holds it (any more)."""
        if self._reference not in _values:
            value = _fetched(self._reference)
            if value is None:
                return None
            _values[self._reference] = value
        return _values[self._reference]

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a Secret cannot be changed")

    def __repr__(self) -> str:
        return "Secret(hidden)"

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._reference == other._reference

    def __hash__(self) -> int:
        return hash(self._reference)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce__(self) -> tuple[object, tuple[str]]:
        # Tune pickles a trial's config to send it to a worker: from then on the value has to wait in the cluster.
        _publish(self._reference)
        return Secret.of_reference, (self._reference,)


def concealed(value: str | Secret | None) -> Secret | None:
    """A text as a secret; None and a secret stay what they are."""
    return Secret(value) if isinstance(value, str) else value


def _ray_is_running() -> bool:
    ray = sys.modules.get("ray")
    return ray is not None and bool(getattr(ray, "is_initialized", bool)())


def _publish(reference: str) -> None:
    """Leave a value in the cluster's key-value store, where there is a cluster."""
    if reference in _values and _ray_is_running():
        # Ray has no public name for its key-value store; this one was seen in ray 2.60.
        from ray.experimental.internal_kv import _internal_kv_put

        _internal_kv_put(reference, _values[reference].encode(), namespace=_NAMESPACE)


def _fetched(reference: str) -> str | None:
    """A value out of the cluster's key-value store."""
    if not _ray_is_running():
        return None
    from ray.experimental.internal_kv import _internal_kv_get

    value = _internal_kv_get(reference, namespace=_NAMESPACE)
    return None if value is None else bytes(value).decode()
