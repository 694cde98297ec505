"""The notebooks of the examples: they are what the programs are, and one of them is executed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.notebooks import EXAMPLES, NOTEBOOKS, notebook_of
from tests.support.offline import read_runs
from tests.support.pages import ROOT


def test_the_notebooks_are_those_of_the_examples() -> None:
    """``python -m tests.support.notebooks`` writes them anew."""
    examples = {path.stem: path for path in EXAMPLES.glob("*.py")}
    assert {*examples} == {path.stem for path in NOTEBOOKS.glob("*.ipynb")}
    for name, path in examples.items():
        saved = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))
        assert notebook_of(path) == saved, f"{name}: python -m tests.support.notebooks"


def test_the_pages_colab_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In Jupyter's kernel, cell by cell."""
    nbformat = pytest.importorskip("nbformat", reason="needs the docs extra")
    nbclient = pytest.importorskip("nbclient", reason="needs the docs extra")
    pytest.importorskip("ipykernel", reason="needs the docs extra")
    for name, value in {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "WANDB_MODE": "offline"}.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(NOTEBOOKS / "colab.ipynb", as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=200, kernel_name="python3", resources=resources).execute()
    runs = read_runs(tmp_path)
    assert {0} == {run.exit_code for run in runs.values()}
    assert len(runs) > 1
    shown = json.dumps(notebook.cells[-1].outputs)
    assert "<table" in shown
    assert all(run.trial_id in shown for run in runs.values())
