"""Where a Tune checkpoint lies, and how its files outlive Tune's own clean-up until they are uploaded."""

from __future__ import annotations

import logging
import os
import posixpath
import re
import shutil
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

if TYPE_CHECKING:
    from ray.tune import Checkpoint

logger = logging.getLogger(__name__)

# The file systems whose paths are addresses, by pyarrow's and fsspec's names for them, and the schemes of their URIs.
# A path on any other one (a zip file, memory, SFTP) leads nobody to the files without the file system itself.
_URI_SCHEMES: Final = {
    "s3": "s3",
    "s3a": "s3",
    "gcs": "gs",
    "gs": "gs",
    "hdfs": "hdfs",
    "abfs": "abfs",
    "abfss": "abfs",
    "az": "abfs",
}
_LOCAL: Final = frozenset({"local", "file"})
_CACHES: Final = frozenset({"filecache", "simplecache", "blockcache", "cached"})


@frozen
class CheckpointArtifact:
    """The artifact version that a checkpoint becomes.

    Attributes:
        name: Name of the artifact.
        location: Local folder, which is uploaded, or URI, which becomes a reference.
        aliases: Aliases of the version.
        metadata: Metrics of the result it belongs to.
        keep: How many of the run's checkpoints are uploaded, when it ends: those with the highest scores, the later
            ones where they are equal. 0: this one is uploaded at once.
        score: What they are compared by.
        to_download: The checkpoint, where its files are neither local nor behind a URI: they are downloaded first.
    """

    name: str
    location: str
    aliases: tuple[str, ...] = ()
    metadata: Mapping[str, object] = {}
    keep: int = 0
    score: float = 0.0
    to_download: Checkpoint | None = None

    @property
    def is_remote(self) -> bool:
        """Whether it becomes a reference."""
        return "://" in self.location


def checkpoint_artifact(checkpoint: Checkpoint, run_name: str, metrics: Mapping[str, object]) -> CheckpointArtifact:
    """Describe the artifact version that a Tune checkpoint becomes.

    Args:
        checkpoint: What Tune has saved; a local folder is uploaded, one in cloud storage becomes a reference, and one
            on another file system is downloaded and uploaded.
        run_name: The run's name; the artifact is called ``checkpoint_{run name}``.
        metrics: The metrics of the result it belongs to.
    """
    iteration = metrics.get("training_iteration")
    aliases = ("latest", *([f"iteration-{iteration}"] if iteration is not None else []))
    # Artifact names hold letters, digits, "_", "-" and "." (docs.wandb.ai/guides/artifacts).
    name = re.sub(r"[^\w.-]", "-", f"checkpoint_{run_name}", flags=re.ASCII)
    kind, path = _unwrap(checkpoint.filesystem, checkpoint.path)
    if kind in _LOCAL:
        return CheckpointArtifact(name, str(Path(path)), aliases, metrics)
    if kind in _URI_SCHEMES:
        return CheckpointArtifact(name, f"{_URI_SCHEMES[kind]}://{path}", aliases, metrics)
    return CheckpointArtifact(name, "", aliases, metrics, to_download=checkpoint)


def _unwrap(filesystem: Any, path: str) -> tuple[str, str]:
    """Give the name of the file system that others only wrap, and a checkpoint's path on it.

    Args:
        filesystem: One of pyarrow's, which may wrap one of fsspec's.
        path: The path on it.
    """
    while True:
        name = getattr(filesystem, "type_name", None)  # pyarrow's
        protocol = getattr(filesystem, "protocol", "file")  # fsspec's
        kind = name or (protocol if isinstance(protocol, str) else protocol[0])
        if kind == "subtree":
            filesystem, path = filesystem.base_fs, posixpath.join(filesystem.base_path, path)
        elif kind.startswith("py::"):
            filesystem = getattr(filesystem.handler, "fs", None)
            if filesystem is None:  # a handler of the user's own
                return kind, path
        elif kind == "dir":
            filesystem, path = filesystem.fs, posixpath.join(filesystem.path, path)
        elif kind in _CACHES:
            filesystem = filesystem.fs
        else:
            return kind, path


class SnapshotFolders:
    """Hard links to the files of checkpoints, one folder each, until the checkpoints are uploaded.

    Tune's ``num_to_keep`` may remove the originals before. The links stand in one folder beside the trials' folders, on
    the same disk as the checkpoints; it goes with the last of them.
    """

    def __init__(self) -> None:
        self._roots: dict[Path, Path] = {}
        self._lock = threading.Lock()  # a checkpoint is downloaded by another thread than Tune's

    def add(self, folder: str) -> str | None:
        """Link the files of a checkpoint.

        Returns:
            The folder with the links, or None if there are no hard links here or no such folder: then the checkpoint is
            uploaded from where it lies.
        """
        source = Path(folder)
        if not source.is_dir():
            return None
        snapshot = None
        try:
            snapshot = Path(tempfile.mkdtemp(dir=self._root(source)))
            for parent, _, names in os.walk(source):
                target = snapshot / Path(parent).relative_to(source)
                target.mkdir(exist_ok=True)
                for name in names:
                    os.link(Path(parent, name), target / name)
        except OSError as error:
            logger.debug("The checkpoint %s is uploaded from where it lies: %s", folder, error)
            if snapshot is not None:
                self.remove(str(snapshot))
            return None
        return str(snapshot)

    def download(self, checkpoint: Checkpoint) -> str:
        """Copy the files of a checkpoint from wherever they lie; give the folder with the copies."""
        folder = tempfile.mkdtemp(dir=self._root_in(Path(tempfile.gettempdir())))
        try:
            return str(checkpoint.to_directory(folder))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def remove(self, snapshot: str) -> None:
        """Remove the files of a checkpoint that is uploaded; another folder is left alone."""
        if Path(snapshot).parent in self._roots.values():
            shutil.rmtree(snapshot, ignore_errors=True)

    def close(self) -> None:
        """Remove all of them."""
        while self._roots:
            _, root = self._roots.popitem()
            shutil.rmtree(root, ignore_errors=True)

    def _root(self, source: Path) -> Path:
        # <experiment>/<trial>/<checkpoint>: the experiment's folder, where the trials' own clean-up does not reach.
        return self._root_in(source.parent.parent if source.parent.parent != source.parent else source.parent)

    def _root_in(self, place: Path) -> Path:
        with self._lock:
            if place not in self._roots or not self._roots[place].is_dir():
                self._roots[place] = Path(tempfile.mkdtemp(prefix=".wandb-checkpoints-", dir=place))
            return self._roots[place]
