import os
from collections.abc import Mapping
from typing import Any

from ray.train._checkpoint import Checkpoint as TrainCheckpoint
from typing_extensions import Self

class Checkpoint(TrainCheckpoint):
    # Ray annotates the base class, so that tune.Checkpoint.from_directory() would lose its own class.
    @classmethod
    def from_directory(cls, path: str | os.PathLike[str]) -> Self: ...

# Mapping and not dict: a TypedDict is a dict at runtime, but only a Mapping to a type checker.
# The base checkpoint class: ray.train.Checkpoint is taken too.
def report(metrics: Mapping[str, Any], *, checkpoint: TrainCheckpoint | None = None) -> None: ...
def get_checkpoint() -> Checkpoint | None: ...
def _in_tune_session() -> bool: ...
