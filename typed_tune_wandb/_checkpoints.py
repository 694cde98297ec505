"""Where a Tune checkpoint lies, and how its files outlive Tune's own clean-up until they are uploaded."""

from __future__ import annotations

import logging
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from typed_tune_wandb._messages import SaveCheckpoint

if TYPE_CHECKING:
    from ray.tune import Checkpoint

logger = logging.getLogger(__name__)

_SCHEMES: Final = {"s3": "s3", "gcs": "gs", "abfs": "abfs", "hdfs": "hdfs"}


def artifact_of(checkpoint: Checkpoint, trial_id: str, run_name: str, metrics: dict[str, object]) -> SaveCheckpoint:
    """The artifact version that a checkpoint becomes.

    Args:
        checkpoint: What Tune has saved; a local folder is uploaded, one in cloud storage becomes a reference.
        trial_id: Tune's id of the trial.
        run_name: The run's name; the artifact is called ``checkpoint_{run name}``.
        metrics: The metrics of the result it belongs to.
    """
    iteration = metrics.get("training_iteration")
    aliases = ("latest", *([f"iteration-{iteration}"] if iteration is not None else []))
    # Artifact names hold letters, digits, "_", "-" and "." (docs.wandb.ai/guides/artifacts).
    name = re.sub(r"[^\w.-]", "-", f"checkpoint_{run_name}", flags=re.ASCII)
    scheme = _scheme(checkpoint.filesystem)
    if scheme is not None:
        return SaveCheckpoint(trial_id, name, f"{scheme}://{checkpoint.path}", aliases, metrics)
    held = _hard_linked(Path(checkpoint.path))
    location = held or Path(checkpoint.path)
    return SaveCheckpoint(trial_id, name, str(location), aliases, metrics, remove_after=held is not None)


def _scheme(filesystem: object) -> str | None:
    """The URI scheme of a remote file system, or None for the local one."""
    kind = getattr(filesystem, "type_name", "local")
    if kind.startswith("py::"):
        protocol = getattr(getattr(getattr(filesystem, "handler", None), "fs", None), "protocol", "file")
        kind = protocol if isinstance(protocol, str) else protocol[0]
    return None if kind in ("local", "file") else _SCHEMES.get(kind, kind)


def _hard_linked(folder: Path) -> Path | None:
    """The folder's files once more, as hard links: ``num_to_keep`` may remove the originals before they are uploaded.

    Returns:
        A folder beside it, or None where the file system has no hard links or the checkpoint is not on this node.
    """
    try:
        held = Path(tempfile.mkdtemp(prefix=".wandb-", dir=folder.parent))
        for parent, _, names in os.walk(folder):
            target = held / Path(parent).relative_to(folder)
            target.mkdir(exist_ok=True)
            for name in names:
                os.link(Path(parent, name), target / name)
    except OSError as error:
        logger.debug("The checkpoint %s is uploaded from where it lies: %s", folder, error)
        return None
    return held
