"""The key-value store of a Ray cluster: it is in the cluster's memory, and ends with it.

Ray has no public name for it; these ones were seen in ray 2.51 and 2.60.
"""

from __future__ import annotations

import sys
from typing import Final

_NAMESPACE: Final = b"typed_tune_wandb"


def is_running() -> bool:
    """Return whether this process is connected to a Ray cluster."""
    ray = sys.modules.get("ray")
    return ray is not None and bool(getattr(ray, "is_initialized", bool)())


def is_client() -> bool:
    """Return whether this process is connected by Ray Client (``ray.init("ray://...")``): Tune runs elsewhere then."""
    if not is_running():
        return False
    import ray.util.client

    return bool(ray.util.client.ray.is_connected())


def store(key: str, value: bytes) -> None:
    """Keep a value in the cluster, if there is one."""
    if is_running():
        from ray.experimental.internal_kv import _internal_kv_put

        _internal_kv_put(key, value, namespace=_NAMESPACE)


def fetch(key: str) -> bytes | None:
    """Return a value that the cluster has, or None."""
    if not is_running():
        return None
    from ray.experimental.internal_kv import _internal_kv_get

    value = _internal_kv_get(key, namespace=_NAMESPACE)
    return None if value is None else bytes(value)
