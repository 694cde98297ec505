"""What is checked of a trial before it starts, beside its settings."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ray.tune.experiment import Trial

from typed_tune_wandb._wandb_internals import is_silent_server
from typed_tune_wandb.credentials import Secret
from typed_tune_wandb.errors import Problem, WandbSettingsError
from typed_tune_wandb.settings import find_wandb_entry
from typed_tune_wandb.tune.trainable import has_wandb_mixin


def check_trainable(trial: Trial) -> None:
    """Check that a trial has one run: the logger's, or the trainable's own.

    Raises:
        WandbSettingsError: The trainable opens its own.
    """
    if has_wandb_mixin(trial.get_trainable_cls()):
        message = "the trainable opens its own run (wandb_mixin): leave WandbLogger out, or the mixin."
        raise WandbSettingsError([Problem("wandb", message)], "the experiment")


def check_search_values(trial: Trial) -> None:
    """Check that no search value is an API key: Tune names folders by search values.

    Raises:
        WandbSettingsError: One is.
    """
    found = find_wandb_entry(trial.config)
    key = found[1].get("api_key") if found and isinstance(found[1], dict) else None
    text = key.reveal() if isinstance(key, Secret) else None
    if text is not None and text in repr(trial.evaluated_params):
        advice = (
            "it is a search value, which Tune writes into names of folders: search over WandbSettings(api_key=...)."
        )
        raise WandbSettingsError([Problem("api_key", advice)])


def check_folder(folder: Path) -> None:
    """Check that a folder for local files can be written: wandb would silently take another one.

    Raises:
        WandbSettingsError: It cannot be made, or not be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise WandbSettingsError([Problem("dir", f"{folder} cannot be written ({error.strerror}).")]) from None


def describe_login_problem(problem: str, url: str, source: str) -> str:
    """Return what is wrong with a login, and what to do: no server, no permission, or a wrong key.

    Args:
        problem: What wandb says of it.
        url: The server.
        source: Where the key comes from.

    Example:
        >>> from typed_tune_wandb.tune._checks import describe_login_problem
        >>> describe_login_problem("timed out", "https://wandb.ai", "WANDB_API_KEY").partition(" (")[0]
        'no W&B server answers at https://wandb.ai'
    """
    if is_silent_server(problem):
        found = f"no W&B server answers at {url} ({problem}). Check WANDB_BASE_URL and the network"
    elif "permission" in problem.lower():
        found = f"W&B at {url} gives the API key from {source} no permission ({problem}). Take a key that has it"
    else:
        found = f"W&B at {url} does not take the API key from {source} ({problem}). Take the key of {url}/authorize"
    return (
        f"{found}, or record with mode='offline' and upload later by `typed-tune-wandb sync`. "
        "WandbLogger(verify=False) leaves this check out."
    )
