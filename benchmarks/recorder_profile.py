"""The recorder alone, without Ray: CPU, memory and time per row and per run, beside a bare loop of ``run.log``.

Each experiment runs in a process of its own, the two kinds in turn. Run it from the root of the repository:
``python -m benchmarks.recorder_profile``; Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

from benchmarks.common import (
    conditions,
    memory_of,
    metrics,
    middle,
    process_tree,
    run_child,
    runs_below,
    save_figures,
    table,
)

_MODULE: Final = "benchmarks.recorder_profile"
_METRICS: Final = 20
_MOST_AHEAD: Final = 20_000  # rows given to the recorder and not yet recorded: what the driver's memory may hold
_KINDS: Final = ("driver", "recorder", "wandb-core")


class Meter:
    """CPU time and memory of this process (the driver), the recorder's and wandb-core's."""

    def cpu(self) -> dict[str, float]:
        """Seconds of CPU up to now, by kind of process."""
        used = dict.fromkeys(_KINDS, 0.0)
        for process in process_tree(os.getpid()):
            kind = "driver" if process.pid == os.getpid() else process.kind
            if kind in used:
                used[kind] += process.cpu
        used["driver"] = time.process_time()
        return used

    def memory(self) -> dict[str, float]:
        """MB (PSS), by kind of process."""
        used = dict.fromkeys(_KINDS, 0.0)
        for process in process_tree(os.getpid()):
            kind = "driver" if process.pid == os.getpid() else process.kind
            if kind in used:
                used[kind] += memory_of(process.pid)
        return used


def record(spec: dict[str, Any]) -> dict[str, Any]:
    """The recorder: open runs, log rows to them in turn, end them."""
    from typed_tune_wandb.payload import ResultConverter
    from typed_tune_wandb.recording.client import Recorder

    runs, rows, meter, recorder = spec["runs"], spec["rows"], Meter(), Recorder()
    names = [f"run{index:03d}" for index in range(runs)]
    readers = {name: ResultConverter() for name in names}

    def wait_until(rows: int, state: str) -> None:
        while any(recorder.runs[name].state != state for name in names) or _rows_of(recorder) < rows:
            time.sleep(0.001 if runs < 16 else 0.01)

    # A first run bears what comes once: the process, the import of wandb, wandb-core.
    recorder.open("first", {"id": "first", "project": "benchmark", "dir": spec["folder"]}, {})
    recorder.log("first", 1, readers[names[0]].convert(metrics(_METRICS, 0)))
    while recorder.runs["first"].state != "running":
        time.sleep(0.01)
    result: dict[str, Any] = {"memory": [], "before": meter.memory()}

    began = time.perf_counter()
    for name in names:
        recorder.open(name, {"id": name, "project": "benchmark", "dir": spec["folder"]}, {})
    wait_until(0, "running")
    result["open"] = (time.perf_counter() - began) / runs

    cpu, began = meter.cpu(), time.perf_counter()
    pace, samples = spec.get("pace", 0), max(1, rows // spec.get("samples", 1))
    for row in range(rows):
        name = names[row % runs]
        recorder.log(name, row // runs + 1, readers[name].convert(metrics(_METRICS, row)))
        if pace:
            time.sleep(max(0.0, began + row / pace - time.perf_counter()))
        elif row % 1000 == 0:
            while row - _rows_of(recorder) > _MOST_AHEAD:
                time.sleep(0.05)
        if (row + 1) % samples == 0:
            result["memory"].append({"rows": row + 1, **meter.memory()})
    wait_until(rows + 1, "running")
    result["wall"] = (time.perf_counter() - began) / rows
    result["cpu"] = {kind: (used - cpu[kind]) / rows for kind, used in meter.cpu().items()}
    result["after"] = meter.memory()

    began = time.perf_counter()
    for name in names:
        recorder.finish(name, "finished")
    wait_until(0, "finished")
    result["finish"] = (time.perf_counter() - began) / runs
    recorder.finish("first", "finished")
    result["late"] = len(recorder.close(60))
    return result


def _rows_of(recorder: Any) -> int:
    return sum(run.rows for run in list(recorder.runs.values()))


def bare(spec: dict[str, Any]) -> dict[str, Any]:
    """Only wandb, in this process: the same runs, settings and rows, by ``run.log`` in a loop."""
    import wandb

    from typed_tune_wandb.recording.worker._backend import RECORDER_SETTINGS

    runs, rows, meter = spec["runs"], spec["rows"], Meter()

    def opened(name: str) -> wandb.Run:
        settings = wandb.Settings(**RECORDER_SETTINGS)
        return wandb.init(
            id=name, project="benchmark", dir=spec["folder"], reinit="create_new", settings=settings, resume=None
        )

    first = opened("first")
    first.log(metrics(_METRICS, 0), step=1)
    result: dict[str, Any] = {"before": meter.memory()}

    began = time.perf_counter()
    live = [opened(f"run{index:03d}") for index in range(runs)]
    result["open"] = (time.perf_counter() - began) / runs

    cpu, began = meter.cpu(), time.perf_counter()
    pace = spec.get("pace", 0)
    for row in range(rows):
        live[row % runs].log(metrics(_METRICS, row), step=row // runs + 1)
        if pace:
            time.sleep(max(0.0, began + row / pace - time.perf_counter()))
    result["wall"] = (time.perf_counter() - began) / rows
    result["cpu"] = {kind: (used - cpu[kind]) / rows for kind, used in meter.cpu().items()}
    result["after"] = meter.memory()

    began = time.perf_counter()
    for run in live:
        run.finish()
    result["finish"] = (time.perf_counter() - began) / runs
    first.finish()
    return result


def experiment(what: str, *, runs: int, rows: int, **more: int) -> dict[str, Any]:
    """Run one experiment in a process of its own, and count what it left on disk."""
    with tempfile.TemporaryDirectory(prefix="recorder-profile-") as folder:
        spec = {"what": what, "runs": runs, "rows": rows, "folder": folder, **more}
        result = run_child(_MODULE, spec, timeout=600 + rows / 500)
        kept = runs_below(Path(folder))
    result.update(what=what, runs=runs, rows=rows)
    result["kept"] = sum(len(run.history) for name, run in kept.items() if name != "first")
    result["python"] = result["cpu"]["driver"] + result["cpu"]["recorder"]
    result["core"] = result["cpu"]["wandb-core"]
    grown = {kind: result["after"][kind] - result["before"][kind] for kind in _KINDS}
    result["python_memory"] = (grown["driver"] + grown["recorder"]) / runs
    result["core_memory"] = grown["wandb-core"] / runs
    result["core_in_all"] = result["after"]["wandb-core"]
    return result


def table_per_runs(done: dict[tuple[str, int], list[dict[str, Any]]], runs: list[int]) -> str:
    """What a row and a run cost, by the number of open runs."""
    header = [
        "Open runs",
        "Rows kept",
        "CPU per row, bare",
        "CPU per row, recorder (driver + process)",
        "Ratio to bare, 1 run",
        "wandb-core per row, bare / recorder",
        "Rows per second, bare / recorder",
        "Opening a run, bare / recorder",
        "Finish, bare / recorder",
        "Memory per run, bare: Python + wandb-core",
        "Memory per run, recorder: Python + wandb-core",
        "wandb-core in all, bare / recorder",
    ]
    floor = middle(done["bare", runs[0]], "python")
    lines = []
    for count in runs:
        plain, ours = done["bare", count], done["record", count]
        driver = middle([result["cpu"] for result in ours], "driver")
        process = middle([result["cpu"] for result in ours], "recorder")
        lines.append(
            [
                str(count),
                _kept(plain + ours),
                f"{middle(plain, 'python') * 1e6:.0f} µs",
                f"{middle(ours, 'python') * 1e6:.0f} µs ({driver * 1e6:.0f} + {process * 1e6:.0f})",
                f"{middle(ours, 'python') / floor:.2f}",
                f"{middle(plain, 'core') * 1e6:.0f} / {middle(ours, 'core') * 1e6:.0f} µs",
                f"{1 / middle(plain, 'wall'):.0f} / {1 / middle(ours, 'wall'):.0f}",
                *(f"{middle(plain, key) * 1e3:.1f} / {middle(ours, key) * 1e3:.1f} ms" for key in ("open", "finish")),
                *(
                    f"{middle(results, 'python_memory'):.2f} + {middle(results, 'core_memory'):.2f} MB"
                    for results in (plain, ours)
                ),
                " / ".join(f"{middle(results, 'core_in_all'):.0f}" for results in (plain, ours)) + " MB",
            ]
        )
    return table(header, lines)


def _kept(results: list[dict[str, Any]]) -> str:
    lost = sum(result["rows"] - result["kept"] for result in results)
    return "all" if lost == 0 else f"{lost} lost"


def table_over_time(result: dict[str, Any]) -> str:
    """Memory while rows come and come."""
    header = ["Rows", *(f"{kind} (MB)" for kind in _KINDS)]
    lines = [[str(at["rows"]), *(f"{at[kind]:.1f}" for kind in _KINDS)] for at in result["memory"]]
    return table(header, lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few rows and runs: whether it works")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, nargs="+", default=[1, 4, 16, 64, 256])
    parser.add_argument("--rows", type=int, default=25_600, help="rows of each experiment, over all its runs")
    parser.add_argument("--pace", type=int, default=0, help="rows per second; 0 (default): as fast as they go")
    parser.add_argument("--long", type=int, default=1_000_000, help="rows of the long experiment; 0: without it")
    parser.add_argument("--save", type=Path, help="append each experiment's figures to this file, as lines of JSON")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        spec = json.loads(options.child)
        result = {"bare": bare, "record": record}[spec["what"]](spec)
        print(json.dumps(result))
        return
    if options.quick:
        options.rounds, options.runs, options.rows, options.long = 1, [1, 4], 200, 400
    done: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for turn in range(options.rounds):
        for runs in options.runs:
            for what in ("bare", "record"):
                figures = experiment(what, runs=runs, rows=options.rows, pace=options.pace)
                done[what, runs].append(figures)
                if options.save:
                    save_figures(options.save, _MODULE, {"what": what, "runs": runs, "pace": options.pace}, figures)
                print(f"round {turn + 1}: {what}, {runs} runs", file=sys.stderr)
    print(f"{conditions(_MODULE)}; medians of {options.rounds}\n")
    print(table_per_runs(done, options.runs))
    if options.long:
        long = experiment("record", runs=16, rows=options.long, samples=10)
        print(f"\n{options.long} rows on 16 runs, {1 / long['wall']:.0f} per second, kept: {_kept([long])}. Memory:\n")
        print(table_over_time(long))


if __name__ == "__main__":
    main()
