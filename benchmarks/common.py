"""What the benchmarks share: processes and their costs, rows on disk, Markdown tables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Final

import psutil
from attrs import frozen

from tests.support.offline import OfflineRun, read_file
from typed_tune_wandb import __version__

MEGABYTE: Final = 2**20
# Nothing goes online and nothing is printed, whatever the user's environment says.
OFFLINE: Final = {"WANDB_MODE": "offline", "WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true"}


@frozen
class Process:
    """A process at one moment: its kind, its CPU time so far (seconds)."""

    pid: int
    kind: str
    cpu: float


def process_tree(root: int) -> list[Process]:
    """A process and everything below it."""
    try:
        top = psutil.Process(root)
        processes = [top, *top.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
    tree = []
    for process in processes:
        with suppress(psutil.Error), process.oneshot():  # it may end meanwhile
            times = process.cpu_times()
            tree.append(Process(process.pid, _kind(" ".join(process.cmdline())), times.user + times.system))
    return tree


def _kind(command: str) -> str:
    for kind, mark in {
        "recorder": "typed_tune_wandb.recording.worker",
        "wandb-core": "wandb-core",
        "logging actor": "ray::_WandbLoggingActor",
        "queue actor": "ray::_QueueActor",
    }.items():
        if mark in command:
            return kind
    return "other"


def machine_cpu() -> float:
    """Seconds that all cores of the machine have been busy, for whatever process, since it started."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    return float(sum(times) - idle - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0))


def memory_of(pid: int) -> float:
    """The proportional set size of a process, in MB: shared pages count once among those who share them."""
    try:
        memory = psutil.Process(pid).memory_full_info()
    except psutil.Error:
        return 0.0
    return float(getattr(memory, "pss", memory.uss)) / MEGABYTE


def runs_below(folder: Path) -> dict[str, OfflineRun]:
    """Every offline run below a folder, by id, each reduced to what it takes to count it."""
    runs: dict[str, OfflineRun] = {}
    for path in sorted({path.resolve() for path in folder.rglob("*.wandb")}):
        found: dict[str, OfflineRun] = {}
        read_file(path, found)
        for run_id, run in found.items():
            run.history = [{"_timestamp": row["_timestamp"]} for row in run.history if "metric_00" in row]
            if run_id in runs:
                runs[run_id].history += run.history
            else:
                runs[run_id] = run
    return runs


def metrics(count: int, row: int) -> dict[str, float]:
    """A row of metrics as a training reports them."""
    return {f"metric_{index:02d}": (row + 1) / (index + 1) for index in range(count)}


def run_child(module: str, spec: Mapping[str, Any], timeout: float, sampler: Any = None) -> dict[str, Any]:
    """One experiment in a process of its own; what it prints as its last line is its result.

    Args:
        module: The benchmark, as ``python -m`` takes it.
        spec: What to do.
        timeout: After so many seconds the experiment is stopped.
        sampler: Called with the child's pid again and again while it runs.
    """
    command = [sys.executable, "-m", module, "--child", json.dumps(spec)]
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **OFFLINE}, text=True
    )
    deadline = time.monotonic() + timeout
    while True:
        try:
            output, errors = child.communicate(timeout=0.5)
            break
        except subprocess.TimeoutExpired:
            if time.monotonic() > deadline:
                child.kill()
                child.wait()
                raise
            if sampler is not None:
                sampler(child.pid)
    if child.returncode != 0:
        raise RuntimeError(f"{spec} ended with {child.returncode}:\n{errors[-3000:]}")
    result: dict[str, Any] = json.loads(output.splitlines()[-1])
    return result


def middle(results: Iterable[Mapping[str, Any]], key: str) -> float:
    """The median of one figure over several experiments."""
    return median(float(result[key]) for result in results)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, the first column to the left, the others to the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def save_figures(path: Path, benchmark: str, of: Mapping[str, object], figures: Mapping[str, Any]) -> None:
    """Append what one round has measured to a file, as a line of JSON that ``python -m benchmarks compare`` reads.

    Args:
        path: The file.
        benchmark: The benchmark's module.
        of: What was measured: label → value, such as the number of trials.
        figures: Name → number; nested ones may be dicts.
    """
    line = {"benchmark": benchmark, "conditions": conditions(benchmark), "of": of, "figures": figures}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def conditions(module: str) -> str:
    """When, on what, with which versions and by which command: what stands above every table."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    libraries = ", ".join(
        [f"typed-tune-wandb {__version__}", *(f"{name} {version(name)}" for name in ("ray", "wandb"))]
    )
    python = ".".join(str(part) for part in sys.version_info[:3])
    command = " ".join(["python", "-m", module, *sys.argv[1:]])
    machine = f"{os.cpu_count()} cores, {memory:.0f} GB"
    return f"{time.strftime('%Y-%m-%d')}, {machine}, Python {python}, {libraries}; `{command}`"
