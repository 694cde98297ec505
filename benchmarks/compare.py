"""Compares two files of figures that benchmarks have saved, and names what got worse.

    python -m benchmarks.tune_overhead --save old.jsonl       # likewise recorder_profile and many_trials
    ...
    python -m benchmarks compare old.jsonl new.jsonl

Measure both on the same quiet machine. The exit code is 1 if something got worse, and 2 if the files cannot be
compared.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any, Final

from attrs import frozen

from benchmarks.common import table

_NOISE: Final = 0.05  # a smaller difference says nothing, even if no two rounds overlap
_MORE_IS_BETTER: Final = ("kept", "reported", "rows_per_second")
Figures = dict[tuple[str, str], list[float]]
"""What was measured (benchmark and labels), and the figure's name → its value in each round."""


@frozen
class Change:
    """A figure in both files.

    Attributes:
        what: The benchmark, and what it measured.
        figure: The figure's name.
        old: The older median.
        new: The newer median.
        verdict: ``"worse"``, ``"better"``, or ``""`` where the rounds overlap, or are less than 5 % apart.
    """

    what: str
    figure: str
    old: float
    new: float
    verdict: str


def read_figures(path: Path) -> Figures:
    """Read a file of figures.

    Raises:
        ValueError: It is no such file.
    """
    found: Figures = {}
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            saved = json.loads(line)
            labels = ", ".join(f"{name} {value}" for name, value in saved["of"].items())
            for figure, value in _flat(saved["figures"]):
                found.setdefault((f"{saved['benchmark']}: {labels}", figure), []).append(value)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{path} is no file that a benchmark has saved (--save).") from None
    return found


def _flat(figures: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for name, value in figures.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}/")
        elif isinstance(value, (int, float)) and not math.isnan(value):
            yield f"{prefix}{name}", float(value)


def compare(old: Figures, new: Figures) -> list[Change]:
    """Compare what is in both files.

    A figure is worse if each of its new rounds is worse than each of its old ones, by 5 % or more. Of rows, more is
    better; of all else, less.

    Example:
        >>> from benchmarks.compare import compare
        >>> [change.verdict for change in compare({("a", "wall"): [1.0, 1.1]}, {("a", "wall"): [1.3, 1.2]})]
        ['worse']
    """
    changes = []
    for key in [key for key in old if key in new]:
        before, after = old[key], new[key]
        more_is_better = key[1].rpartition("/")[2] in _MORE_IS_BETTER
        noise = _NOISE * abs(median(before))
        up, down = min(after) > max(before) + noise, max(after) < min(before) - noise
        verdict = ("better" if up == more_is_better else "worse") if up or down else ""
        changes.append(Change(*key, median(before), median(after), verdict))
    return changes


def report(changes: list[Change]) -> str:
    """Return a Markdown table of what changed; a line if nothing did."""
    header = ["measured", "figure", "old", "new", "new / old", ""]
    lines = [
        [change.what, change.figure, f"{change.old:.4g}", f"{change.new:.4g}", _ratio(change), change.verdict]
        for change in changes
        if change.verdict
    ]
    count = f"{len(changes)} figures are in both files"
    return f"{count}.\n\n{table(header, lines)}" if lines else f"{count}; none got better or worse."


def _ratio(change: Change) -> str:
    return f"{change.new / change.old:.2f}" if change.old else ""
