"""Marks of an experiment's best run and checkpoint on the server, by wandb's public API."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from typed_tune_wandb.recording._protocol import BestMarked, MarkBest
from typed_tune_wandb.recording.worker._interface import describe_error

if TYPE_CHECKING:
    from wandb import Api

TAG: Final = "best"
ALIAS: Final = "best-of-experiment"


def mark_best(command: MarkBest) -> BestMarked:
    """Tag the best run, and take the tag from those that had it before; the same for the alias of its checkpoint."""
    import wandb

    try:
        overrides = {} if command.base_url is None else {"base_url": command.base_url}
        api = wandb.Api(api_key=command.key, overrides=overrides, timeout=command.timeout_s)
        for path, artifact in command.others.items():
            # The user may have deleted it since.
            with suppress(Exception):
                _tag(api, path, wanted=False)
            with suppress(Exception):
                _alias(api, path, artifact, ALIAS, wanted=False)
        _tag(api, command.run, wanted=True)
        if command.artifact:
            _alias(api, command.run, command.artifact, TAG, wanted=True)
    except Exception as error:
        return BestMarked(describe_error(error))
    return BestMarked(None)


def _tag(api: Api, path: str, *, wanted: bool) -> None:
    run: Any = api.run(path)  # its fields are set from the server's answer
    if (TAG in run.tags) != wanted:
        run.tags = [*run.tags, TAG] if wanted else [tag for tag in run.tags if tag != TAG]
        run.update()


def _alias(api: Api, path: str, name: str, at: str, *, wanted: bool) -> None:
    """Give the version at one alias the experiment's alias, or take it away."""
    artifact = api.artifact(f"{path.rpartition('/')[0]}/{name}:{at}")
    if (ALIAS in artifact.aliases) != wanted:
        artifact.aliases = [*artifact.aliases, ALIAS] if wanted else [a for a in artifact.aliases if a != ALIAS]
        artifact.save()
