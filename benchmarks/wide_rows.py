"""What a wide row costs in Tune's loop: reading the result and handing the row to the recorder, per value.

Rows of 20, 200 and 2,000 metrics: plain and nested ones, numbers of numpy, long texts, and names that change with every
row. Run it from the root of the repository: ``python -m benchmarks.wide_rows``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np

from benchmarks.common import conditions, save_figures, table

_MODULE: Final = "benchmarks.wide_rows"
_ROWS: Final = 50
_LONG_TEXT_CHARS: Final = 10_000
_GROUP: Final = 20  # metrics of each dict, where they are nested
_PAUSE_S: Final = 0.02  # between two rows: the recorder's process does its part meanwhile
Result = dict[str, Any]
KINDS: Final[dict[str, Callable[[int, int], Result]]] = {
    "floats": lambda row, width: {f"metric_{at}": (row + 1) / (at + 1) for at in range(width)},
    "nested": lambda row, width: {
        f"group_{first}": {f"metric_{at}": (row + 1) / (at + 1) for at in range(first, first + _GROUP)}
        for first in range(0, width, _GROUP)
    },
    "numpy": lambda row, width: {f"metric_{at}": np.float32(row / (at + 1)) for at in range(width)},
    "long texts": lambda row, width: {f"text_{at}": f"{row}" + "x" * _LONG_TEXT_CHARS for at in range(width)},
    "new names in each row": lambda row, width: {f"metric_{row}_{at}": row / (at + 1) for at in range(width)},
}


def measured(kind: str, width: int, rows: int, folder: Path) -> list[float]:
    """Record rows of one kind in a run; return how long each took in this process, in seconds."""
    from typed_tune_wandb.payload import ResultConverter
    from typed_tune_wandb.recording.client import Recorder

    recorder, converter = Recorder(), ResultConverter()
    recorder.open("run", {"id": "run", "project": "benchmark", "mode": "offline", "dir": folder}, {})
    while recorder.runs["run"].state != "running":
        time.sleep(0.01)
    spent = []
    for row in range(rows):
        result = KINDS[kind](row, width)
        began = time.perf_counter()
        recorder.log("run", row + 1, converter.convert(result))
        spent.append(time.perf_counter() - began)
        time.sleep(_PAUSE_S)
    recorder.finish("run", "finished")
    recorder.close(60)
    recorded = recorder.runs["run"].rows
    assert recorded == rows, f"{recorded} of {rows} rows are recorded"
    return spent


def main() -> None:
    """Measure all kinds at all widths, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="only show that it works")
    parser.add_argument("--save", type=Path, help="append the figures to this file, as lines of JSON")
    options = parser.parse_args()
    widths, rows = ([20], 3) if options.quick else ([20, 200, 2_000], _ROWS)
    lines = []
    for kind in KINDS:
        for width in [20] if kind == "long texts" else widths:
            with tempfile.TemporaryDirectory() as folder:
                spent = measured(kind, width, rows, Path(folder))
            per_value = median(spent) / width
            lines.append([kind, str(width), f"{1e6 * median(spent):.0f}", f"{1e6 * per_value:.2f}"])
            if options.save is not None:
                save_figures(options.save, _MODULE, {"kind": kind, "width": width}, {"s_per_value": per_value})
    print(f"{conditions(_MODULE)}; medians of {rows} rows\n")
    print(table(["values", "in a row", "in Tune's loop, per row (µs)", "per value (µs)"], lines))


if __name__ == "__main__":
    main()
