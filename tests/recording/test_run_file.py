"""The reader of wandb's local files, on files that the real wandb writes."""

from __future__ import annotations

from pathlib import Path

import pytest
import wandb

from tests.support.offline import read_runs
from tests.support.recorder import wait_for
from typed_tune_wandb.recording._run_file import last_step, read_rows


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of several blocks: 400 rows, every tenth longer than a block, and a summary and a config between."""
    folder = tmp_path_factory.mktemp("run")
    settings = wandb.Settings(console="off", x_disable_stats=True, x_disable_meta=True, silent=True)
    run = wandb.init(id="r", project="p", mode="offline", dir=folder, settings=settings, reinit="create_new")
    for step in range(400):
        text = {"text": "x" * 40_000} if step % 10 == 0 else {}
        run.log({"loss": step / 2, "nested": {"deep": {"acc": step}}, **text}, step=step * 3, commit=True)
        if step % 50 == 0:
            run.config.update({f"step_{step}": step})
    run.finish()
    (path,) = folder.rglob("*.wandb")
    wait_for(lambda: read_runs(folder)["r"].exit_code == 0)  # finish() comes back a moment before it is written
    return path


def test_rows_are_read_as_they_were_logged(whole: Path) -> None:
    """With their steps and nested values, without what wandb adds."""
    rows = dict(read_rows(whole))
    assert [*range(0, 1200, 3)] == [*rows]
    assert (198.0, {"deep": {"acc": 396}}) == (rows[1188]["loss"], rows[1188]["nested"])
    assert {"loss", "nested", "_timestamp"} == set(rows[1188])
    assert [1194, 1197] == [step for step, _ in read_rows(whole, first_step=1192)]


def test_the_last_step_is_that_of_the_last_row(whole: Path) -> None:
    """Whatever comes after it."""
    assert 1197 == last_step(whole)


def test_a_file_that_is_cut_anywhere_gives_what_is_whole(whole: Path, tmp_path: Path) -> None:
    """A killed wandb-core leaves such: rows and last step agree, and never an error."""
    data = whole.read_bytes()
    cut = tmp_path / "cut.wandb"
    before = -1
    for length in [0, 3, 7, 8, *range(100, len(data), 9_973), len(data) - 1]:
        cut.write_bytes(data[:length])
        steps = [step for step, _ in read_rows(cut)]
        assert (steps[-1] if steps else -1) == last_step(cut)
        assert last_step(cut) >= before
        before = last_step(cut)
    assert before == 1197


def test_a_tail_without_rows_does_not_hide_the_last_one(whole: Path, tmp_path: Path) -> None:
    """However long it is; it is not searched where a search before has seen the rest."""
    data = whole.read_bytes()
    longer = tmp_path / "longer.wandb"
    longer.write_bytes(data + b"\0" * 20_000_000)
    assert 1197 == last_step(longer)
    assert -1 == last_step(longer, searched_bytes=len(data) + 15_000_000)


@pytest.mark.parametrize("content", [None, b"", b"no file of wandb's at all" * 5_000])
def test_what_is_no_file_of_wandbs_has_no_rows(content: bytes | None, tmp_path: Path) -> None:
    """Nor one that is not there."""
    path = tmp_path / "r.wandb"
    if content is not None:
        path.write_bytes(content)
    assert (-1, []) == (last_step(path), list(read_rows(path)))
