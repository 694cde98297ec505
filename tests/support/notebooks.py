"""Makes a notebook of each program of ``examples``: ``python -m tests.support.notebooks`` writes them all anew.

The docstring becomes text, and ``# %%`` begins a cell. A program without such lines has a cell for its imports and one
for each function, class and block after them.
"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any, Final

EXAMPLES: Final = Path(__file__).parents[2] / "examples"
NOTEBOOKS: Final = EXAMPLES / "notebooks"
_MARK: Final = re.compile(r"^# %%( \[markdown\])?\n", re.MULTILINE)


def notebook_of(path: Path) -> dict[str, Any]:
    """Return a program as a notebook (nbformat 4), without outputs."""
    source = path.read_text(encoding="utf-8")
    module = ast.parse(source)
    docstring = ast.get_docstring(module) or ""
    code = "".join(source.splitlines(keepends=True)[module.body[0].end_lineno or 0 :])
    title, _, text = docstring.partition("\n")
    cells = [("markdown", f"# {title}\n{text}")]
    cells += _marked_cells(code) if _MARK.search(code) else [("code", cell) for cell in _cells(code)]
    return {
        "cells": [_cell(kind, content.strip("\n"), number) for number, (kind, content) in enumerate(cells)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _marked_cells(code: str) -> list[tuple[str, str]]:
    _, *parts = _MARK.split(code)
    cells = []
    for mark, content in zip(parts[::2], parts[1::2], strict=True):
        text = re.sub(r"^# ?", "", content.strip("\n"), flags=re.MULTILINE)
        cells.append(("markdown", text) if mark else ("code", content))
    return cells


def _cells(code: str) -> list[str]:
    """Return a program in parts: what comes before the first function, and each function, class and block after it."""
    lines = code.splitlines(keepends=True)
    starts = [0]
    for node in ast.parse(code).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.If)) or starts[-1]:
            first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", []))]) - 1
            while first and lines[first - 1].startswith("#"):
                first -= 1
            starts.append(first)
    return ["".join(lines[start:end]) for start, end in zip(starts, [*starts[1:], len(lines)], strict=True)]


def _cell(kind: str, source: str, number: int) -> dict[str, Any]:
    cell = {"cell_type": kind, "id": f"cell{number}", "metadata": {}, "source": source.splitlines(keepends=True)}
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})


def main() -> None:
    """Write the notebooks of all examples."""
    NOTEBOOKS.mkdir(exist_ok=True)
    for path in sorted(EXAMPLES.glob("*.py")):
        text = json.dumps(notebook_of(path), indent=1, ensure_ascii=False)
        (NOTEBOOKS / f"{path.stem}.ipynb").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
