"""ExperimentRuns and the file in which it is kept: no Ray, no wandb."""

from __future__ import annotations

import importlib
import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from typed_tune_wandb import ExperimentRuns, RunInfo
from typed_tune_wandb.experiment._folder import Folder
from typed_tune_wandb.experiment._index import INDEX_FILE, Index, from_json, to_json

fs: Any = importlib.import_module("pyarrow.fs")  # it comes with Ray Tune, without types
RUNS = {
    "a": RunInfo("a", "a-1", "first", "finished", 10, "https://wandb.ai/me/p/runs/a-1", "/x/run-a.wandb", project="p"),
    "b": RunInfo("b", "b-1", "second", "failed", 5, path="/x/run-b.wandb", earlier_paths=("/x/0.wandb",), project="p"),
    "c": RunInfo("c", "c-1", "third", "lost", problem="no disk"),
    "d": RunInfo("d", "d-1", "fourth", "running", 1, "https://wandb.ai/me/p/runs/d-1", "/x/run-d.wandb"),
}


def results(folder: Path, trial_id: str, rows: list[dict[str, Any]], config: dict[str, Any]) -> None:
    """Write a trial's results as Tune does."""
    (folder / f"train_{trial_id}").mkdir(parents=True)
    lines = [json.dumps({**row, "trial_id": trial_id, "config": config}) for row in rows]
    (folder / f"train_{trial_id}" / "result.json").write_text("\n".join([*lines, '{"cut']))


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    """An experiment's folder with the runs and three trials' results."""
    config = {"lr": 0.1, "net": {"width": 3}, "wandb": {"project": "p"}}
    results(tmp_path, "a", [{"loss": 1.0, "nested": {"acc": 0.5}}, {"loss": 3.0, "nested": {"acc": 0.6}}], config)
    results(tmp_path, "b", [{"loss": 2.0}, {"loss": math.nan}], config)
    results(tmp_path, "of-another-logger", [{"loss": 0.0}], config)
    (tmp_path / INDEX_FILE).write_text(to_json(Index("exp", RUNS), tmp_path))
    return tmp_path


def test_it_is_a_mapping_that_follows_the_changes() -> None:
    """As before it had a class of its own."""
    runs = dict(RUNS)
    view = ExperimentRuns(runs, "exp")
    del runs["a"]
    assert (["b", "c", "d"], 3, "b-1", True) == ([*view], len(view), view["b"].id, "c" in view)
    assert view == runs
    with pytest.raises(KeyError):
        view["a"]


def test_it_tells_what_is_left_to_do() -> None:
    """What failed, and what is not on the server."""
    runs = ExperimentRuns(RUNS, "exp")
    assert ["b", "c"] == [*runs.failed]
    assert ["b", "d"] == [*runs.not_uploaded]  # c has no file
    assert [True, False, False, False] == [run.uploaded for run in runs.values()]
    assert [0, 1, None, None] == [run.exit_code for run in runs.values()]
    assert "4 runs: 1 finished, 1 failed, 1 lost, 1 running; 16 rows" == runs.summary()


@given(
    st.builds(
        RunInfo,
        trial_id=st.text(min_size=1),
        id=st.text(min_size=1),
        name=st.sampled_from(["", "train_1", "émile\n"]),
        state=st.sampled_from(["opening", "running", "finished", "failed", "interrupted", "lost"]),
        rows=st.integers(0, 2**53),
        url=st.sampled_from([None, "https://wandb.ai/me/p/runs/a"]),
        path=st.sampled_from(["/x/a/run.wandb", "/exp/wandb/run.wandb"]),
        earlier_paths=st.lists(st.just("/exp/0.wandb"), max_size=2).map(tuple),
        problem=st.none() | st.just("no disk"),
        project=st.text(),
        entity=st.none() | st.text(),
        sync=st.sampled_from(["none", "begun", "done"]),
    )
)
def test_what_is_written_is_read_again(run: RunInfo) -> None:
    """Whatever the run; paths in the experiment's folder move with it."""
    index = Index("exp", {run.trial_id: run}, {"excludes": ["a"]})
    text = to_json(index, "/exp")
    assert index == from_json(text, "/exp")
    changed = Index("exp", {run.trial_id: evolve(run, sync="begun", rows=run.rows + 1)})
    assert changed == from_json(to_json(changed, "/exp"), "/exp")
    moved = from_json(text, "/moved").runs[run.trial_id]
    assert moved.path == run.path.replace("/exp/", "/moved/")


def test_no_secret_is_written() -> None:
    """Neither in a URL, a name, nor in the text of an error."""
    url = "https://me:hunter2hunter2@wandb.example.com/me/p/runs/a"
    run = RunInfo("a", "a", "lr=1 password=hunter2hunter2", url=url, problem="HTTP 401: api_key=hunter2hunter2")
    assert "hunter2" not in to_json(Index("exp", {"a": run}))


@pytest.mark.parametrize("text", ["[]", "{}", '{"version": 2, "runs": [], "experiment": ""}', "no JSON"])
def test_another_file_is_an_error(text: str, tmp_path: Path) -> None:
    """One of a newer release too."""
    (tmp_path / INDEX_FILE).write_text(text)
    with pytest.raises(ValueError, match=r"wandb_runs.json|Expecting value"):
        ExperimentRuns.load(tmp_path)


def test_a_newer_release_may_add_keys(tmp_path: Path) -> None:
    """They are passed over."""
    content = json.loads(to_json(Index("exp", RUNS)))
    content["more"] = content["runs"][0]["more"] = 1
    (tmp_path / INDEX_FILE).write_text(json.dumps(content))
    assert ExperimentRuns.load(tmp_path) == RUNS


def test_a_folder_without_the_file_says_what_it_is_not(tmp_path: Path) -> None:
    """A FileNotFoundError."""
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(FileNotFoundError, match="has no wandb_runs"):
            ExperimentRuns.load(path)


def test_the_best_run_is_tunes(experiment: Path) -> None:
    """By the last value or the best one; nested metrics with a slash; numbers that are none do not count."""
    runs = ExperimentRuns.load(experiment)
    assert ("b", "a") == (runs.best("loss", "min").trial_id, runs.best("loss", "min", "all").trial_id)
    assert [("a", 3.0), ("b", 2.0)] == runs.ranked("loss", "max")
    assert [("a", 1.0), ("b", 2.0)] == runs.ranked("loss", "min", "all")
    assert "a" == runs.best("nested/acc", "max").trial_id
    with pytest.raises(ValueError, match="no trial has reported a finite number as 'none'"):
        runs.best("none", "max")
    with pytest.raises(ValueError, match='expected mode "min" or "max"'):
        runs.best("loss", "maximize")  # type: ignore[arg-type]  # the mistake


def test_the_table_has_runs_parameters_and_results(experiment: Path) -> None:
    """One row for each run, and none of another logger."""
    table = ExperimentRuns.load(experiment).to_pandas()
    assert ["a", "b", "c", "d"] == [*table["trial_id"]]
    assert (0.1, 3.0, 0.6, 3) == tuple(table.loc[0, ["config/lr", "config/net/width", "nested/acc", "loss"]])
    assert not [name for name in table.columns if "wandb" in name]


def test_the_notebooks_table_is_escaped() -> None:
    """Names are the user's; only web pages are links."""
    runs = {"a": RunInfo("a", "a", "<script>", url="javascript:alert(1)"), **RUNS}
    text = ExperimentRuns(runs, "<exp>")._repr_html_()
    assert "<script>" not in text
    assert "<exp>" not in text
    assert 2 == text.count("<a href=")
    assert '<a href="https://wandb.ai/me/p/runs/a-1">' in text


class TestFolder:
    """Local, or a file system of pyarrow's."""

    def test_what_is_written_is_whole(self, tmp_path: Path) -> None:
        folder = Folder.at(tmp_path)
        folder.write("a", "one")
        folder.write("a", "two")
        assert ("two", None, ["a"]) == (folder.read("a"), folder.read("b"), os.listdir(tmp_path))

    def test_another_file_system(self, tmp_path: Path) -> None:
        (tmp_path / "exp" / "trial").mkdir(parents=True)
        folder = Folder(fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem()), "exp")
        folder.write(INDEX_FILE, to_json(Index("exp", RUNS)))
        assert RUNS == from_json(str(folder.read(INDEX_FILE))).runs
        assert ["trial"] == [Path(sub.path).name for sub in folder.subfolders()]

    def test_a_uri(self, tmp_path: Path) -> None:
        ExperimentRuns(RUNS, "exp", Folder.at(tmp_path.as_uri())).save()
        assert ExperimentRuns.load(tmp_path.as_uri()) == RUNS

    def test_runs_without_a_folder(self) -> None:
        with pytest.raises(ValueError, match="no folder"):
            ExperimentRuns(RUNS).save()
        assert {} == ExperimentRuns(RUNS).results()
