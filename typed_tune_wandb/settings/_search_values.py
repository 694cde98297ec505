"""Ray's search values: which values are some, and what they may become. Importing this module does not import Ray."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from typed_tune_wandb.settings._converter import read_mapping
from typed_tune_wandb.settings._wording import key_name

_RAY_MODULE: Final = "ray.tune.search.sample"


def candidates_of(value: Any) -> list[object] | None:
    """Return what a search value may become, as far as that is known; None for any other value."""
    if is_categorical(value):
        return list(value.categories)
    if _is_a(value, "Domain"):
        # Validation looks only at the type of a number.
        return [0.0] if _is_a(value, "Float") else [0] if _is_a(value, "Integer") else []
    if isinstance(value, dict) and len(value) == 1:
        if isinstance(grid := value.get("grid_search"), (list, tuple)):
            return list(grid)
        if "eval" in value:
            return []
    return None


def is_categorical(value: object) -> bool:
    """Return whether a value is a ``tune.choice``."""
    return _is_a(value, "Categorical")


def search_values_in(entry: object) -> list[str]:
    """Return the paths of the search values in an entry, with ``""`` for the entry itself.

    A dict ``{"eval": ...}`` counts as none: in a trial's config it is what it says.
    """
    return [*_search_values(entry, "", set())]


def _search_values(value: object, path: str, seen: set[int]) -> Iterator[str]:
    if id(value) in seen:  # a dict may contain itself
        return
    if _is_a(value, "Domain") or (isinstance(value, dict) and "grid_search" in value and candidates_of(value)):
        yield path
    elif isinstance(value, Mapping):
        seen.add(id(value))
        with suppress(ValueError):  # it cannot be read: validation reports it
            for key, item in read_mapping(value).items():
                yield from _search_values(item, f"{path}.{key_name(key)}".lstrip("."), seen)
    elif isinstance(value, (list, tuple)):
        seen.add(id(value))
        for index, item in enumerate(value):
            yield from _search_values(item, f"{path}[{index}]", seen)


def _is_a(value: object, name: str) -> bool:
    # Whoever has an instance has imported Ray already; nobody else needs to.
    cls = getattr(sys.modules.get(_RAY_MODULE), name, None)
    return isinstance(cls, type) and isinstance(value, cls)
