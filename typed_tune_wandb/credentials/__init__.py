"""The API key of a run: where it comes from, and the type that never shows it."""

from typed_tune_wandb._secret import Secret
from typed_tune_wandb.credentials._resolve import resolve_api_key
from typed_tune_wandb.credentials._sources import Credential

__all__ = ["Credential", "Secret", "resolve_api_key"]
