"""Settings for Weights & Biases: their types, their validation, and where they stand in a Tune config.

Importing this package loads neither ray nor wandb.
"""

from typed_tune_wandb.settings._configured import configured_base_url, configured_setting
from typed_tune_wandb.settings._effective import (
    default_group,
    effective_mode,
    explicit_option,
    has_project_in_environment,
    is_continued,
    local_folder,
    nested_setting,
    resolve_destination,
    rewound_run_id,
    with_nested_defaults,
    with_nested_values,
)
from typed_tune_wandb.settings._entry import (
    find_wandb_entry,
    redact_api_key,
    replace_wandb_entry,
    strip_wandb_entry,
)
from typed_tune_wandb.settings._environment import check_environment, validate_environment
from typed_tune_wandb.settings._json_schema import SCHEMA_DIFFERENCES, entry_schema
from typed_tune_wandb.settings._limits import shorten, shorten_names
from typed_tune_wandb.settings._logger_options import validate_logger_arguments
from typed_tune_wandb.settings._model import WandbSettings
from typed_tune_wandb.settings._nested import check_with_wandb
from typed_tune_wandb.settings._origins import ResolvedSetting, resolved_settings, resolved_url
from typed_tune_wandb.settings._rules import MAX_NAME_CHARS, MAX_TAG_CHARS
from typed_tune_wandb.settings._search_space import check_search_space
from typed_tune_wandb.settings._types import (
    Goal,
    LoggerOptions,
    RunOverrides,
    UploadCheckpoints,
    WandbConfigDict,
    WandbInitKwargs,
)

__all__ = [
    "MAX_NAME_CHARS",
    "MAX_TAG_CHARS",
    "SCHEMA_DIFFERENCES",
    "Goal",
    "LoggerOptions",
    "ResolvedSetting",
    "RunOverrides",
    "UploadCheckpoints",
    "WandbConfigDict",
    "WandbInitKwargs",
    "WandbSettings",
    "check_environment",
    "check_search_space",
    "check_with_wandb",
    "configured_base_url",
    "configured_setting",
    "default_group",
    "effective_mode",
    "entry_schema",
    "explicit_option",
    "find_wandb_entry",
    "has_project_in_environment",
    "is_continued",
    "local_folder",
    "nested_setting",
    "redact_api_key",
    "replace_wandb_entry",
    "resolve_destination",
    "resolved_settings",
    "resolved_url",
    "rewound_run_id",
    "shorten",
    "shorten_names",
    "strip_wandb_entry",
    "validate_environment",
    "validate_logger_arguments",
    "with_nested_defaults",
    "with_nested_values",
]
