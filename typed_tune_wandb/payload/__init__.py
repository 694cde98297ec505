"""Turns Tune's results and configs into what W&B stores, and says so where it cannot be stored.

Whatever class a value has, it leaves here as exact builtins, without credentials, and within bounds. This package knows
neither runs nor threads, and imports neither ray nor wandb.
"""

from typed_tune_wandb.payload._config import TUNE_KEY, sanitize_config
from typed_tune_wandb.payload._redaction import Redactor
from typed_tune_wandb.payload._results import Payload, ResultConverter, is_media
from typed_tune_wandb.payload._routing import DROPPED_KEYS, TUNE_FACTS
from typed_tune_wandb.payload._scalars import UnstorableError
from typed_tune_wandb.payload._selection import Excludes
from typed_tune_wandb.payload._values import to_json_value

__all__ = [
    "DROPPED_KEYS",
    "TUNE_FACTS",
    "TUNE_KEY",
    "Excludes",
    "Payload",
    "Redactor",
    "ResultConverter",
    "UnstorableError",
    "is_media",
    "sanitize_config",
    "to_json_value",
]
