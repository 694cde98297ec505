"""Checkpoints on file systems that wrap others: uploaded, or a reference that can be followed."""

# mypy: disable-error-code="import-untyped,misc"
from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.cached import SimpleCacheFileSystem
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from pyarrow import fs
from ray import tune

from tests.support.offline import read_runs
from tests.support.trainables import Checkpointed
from typed_tune_wandb import WandbLogger
from typed_tune_wandb.recording.checkpoints import CheckpointArtifact, checkpoint_artifact
from typed_tune_wandb.recording.client import Recorder


def arrow(filesystem: Any) -> fs.FileSystem:
    return fs.PyFileSystem(fs.FSSpecHandler(filesystem))


class Cloud(MemoryFileSystem):
    """A cloud's file system, by its name alone: nothing of it is read."""

    protocol = ("gs", "gcs")

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path


def s3() -> fs.FileSystem:
    return fs.S3FileSystem(anonymous=True, region="us-east-1")


def described(filesystem: Any, path: str) -> CheckpointArtifact:
    return checkpoint_artifact(tune.Checkpoint(path, filesystem), "run", {"training_iteration": 3})


@pytest.mark.parametrize(
    ("make", "path", "expected"),
    [
        (fs.LocalFileSystem, "/a/c", "/a/c"),
        (lambda: arrow(LocalFileSystem()), "/a/c", "/a/c"),
        (lambda: fs.SubTreeFileSystem("/base", fs.LocalFileSystem()), "a/c", "/base/a/c"),
        (lambda: fs.SubTreeFileSystem("in", fs.SubTreeFileSystem("/b", fs.LocalFileSystem())), "c", "/b/in/c"),
        (lambda: arrow(DirFileSystem("/base", LocalFileSystem())), "a/c", "/base/a/c"),
        (lambda: arrow(DirFileSystem("in", DirFileSystem("/b", LocalFileSystem()))), "c", "/b/in/c"),
        (lambda: fs.SubTreeFileSystem("a", arrow(DirFileSystem("/base", LocalFileSystem()))), "c", "/base/a/c"),
        (s3, "bucket/c", "s3://bucket/c"),
        (lambda: fs.SubTreeFileSystem("bucket/exp", s3()), "c", "s3://bucket/exp/c"),
        (lambda: arrow(Cloud()), "bucket/c", "gs://bucket/c"),
        (lambda: arrow(DirFileSystem("bucket/exp", Cloud())), "c", "gs://bucket/exp/c"),
        (lambda: arrow(SimpleCacheFileSystem(fs=Cloud())), "bucket/c", "gs://bucket/c"),
    ],
)
def test_the_files_are_named_where_they_are(make: Any, path: str, expected: str) -> None:
    """By a local path or a URI, through every wrapper."""
    artifact = described(make(), path)
    assert (expected, None) == (artifact.location, artifact.to_download)
    assert artifact.is_remote == ("://" in expected)


@pytest.mark.parametrize("wrap", [arrow, lambda memory: fs.SubTreeFileSystem("/", arrow(memory))])
def test_files_behind_no_uri_are_uploaded(wrap: Any, tmp_path: Path) -> None:
    """Where nobody could follow a reference, the files themselves are the artifact; no copy of them is left."""
    memory = MemoryFileSystem()
    memory.pipe({"/exp/checkpoint_000000/model": b"weights", "/exp/checkpoint_000000/deep/more": b"more"})
    artifact = described(wrap(memory), "/exp/checkpoint_000000")
    recorder = Recorder()
    recorder.open("t", {"id": "t", "name": "t", "project": "p", "mode": "offline", "dir": str(tmp_path)}, {})
    recorder.save_checkpoint("t", artifact)
    recorder.finish("t", "finished")
    assert [] == recorder.close(timeout=60)
    (logged,) = read_runs(tmp_path)["t"].artifacts
    assert {"model": 7, "deep/more": 4} == {entry.path: entry.size for entry in logged.manifest.contents}
    assert [] == [entry.external_ref for entry in logged.manifest.contents if hasattr(entry, "external_ref")]


def test_a_checkpoint_that_is_gone_costs_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Tune may have removed it (``num_to_keep``): rows and run go on."""
    artifact = described(arrow(MemoryFileSystem()), "/nowhere/checkpoint_000000")
    recorder = Recorder()
    recorder.open("t", {"id": "t", "name": "t", "project": "p", "mode": "offline", "dir": str(tmp_path)}, {})
    with caplog.at_level(logging.WARNING):
        recorder.save_checkpoint("t", artifact)
        recorder.finish("t", "finished")
        assert [] == recorder.close(timeout=60)
    assert 1 == sum("a checkpoint of trial t" in record.getMessage() for record in caplog.records)
    assert 0 == read_runs(tmp_path)["t"].exit_code


@pytest.mark.usefixtures("small_ray")
@pytest.mark.parametrize("kind", ["subtree", "dir"])
def test_in_an_experiment(kind: str, tmp_path: Path) -> None:
    """Tune's own storage is such a file system: each checkpoint is uploaded."""
    base = str(tmp_path / "ray")
    Path(base).mkdir()
    wrapped = {
        "subtree": lambda: fs.SubTreeFileSystem(base, fs.LocalFileSystem()),
        "dir": lambda: arrow(DirFileSystem(base, LocalFileSystem())),
    }[kind]()
    logger = WandbLogger(project="p", mode="offline", dir=tmp_path / "files", upload_checkpoints=True)
    tune.Tuner(
        Checkpointed,
        param_space={"lr": 1.0},
        run_config=tune.RunConfig(
            name="exp",
            storage_path="results",
            storage_filesystem=wrapped,
            callbacks=[logger],
            stop={"training_iteration": 2},
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=1),
            verbose=0,
        ),
    ).fit()
    (run,) = read_runs(tmp_path / "files").values()
    assert 2 <= len(run.artifacts)
    for artifact in run.artifacts:
        assert 0 < sum(entry.size for entry in artifact.manifest.contents)
