"""Helpers of the payload's tests."""

from __future__ import annotations

import json
from collections.abc import Iterator

from typed_tune_wandb.payload import sanitize_config


class Warnings(list[tuple[str, str]]):
    """Takes what a converter warns of."""

    def __call__(self, key: str, reason: str) -> None:
        self.append((key, reason))

    @property
    def keys(self) -> list[str]:
        return [key for key, _ in self]


def types_in(value: object) -> Iterator[type]:
    """The class of a value, of its keys, and of all that it holds."""
    yield type(value)
    if isinstance(value, dict):
        for key, item in value.items():
            yield type(key)
            yield from types_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from types_in(item)


EXACT = {type(None), bool, int, float, str, list, dict}


def classes_not_exact(value: object) -> set[type]:
    """The classes in a value that are no exact builtins."""
    return {*types_in(value)} - EXACT


def encoded(value: object) -> bytes:
    """A value as wandb encodes it: JSON, and the keys as UTF-8 (protobuf)."""
    if isinstance(value, dict):
        for key in value:
            key.encode("utf-8")
    return json.dumps(value, ensure_ascii=False).encode("utf-8")


def stored(value: object) -> object:
    """What the run's config holds of one hyperparameter."""
    return sanitize_config({"value": value})["value"]
