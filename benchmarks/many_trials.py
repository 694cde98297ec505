"""What one driver's recorder takes: many trials at once, many one after another, and more and more rows per second.

Tune's events are played to a real ``WandbLogger``, which records offline; Ray does not run. Each experiment runs in a
process of its own. From the root of the repository: ``python -m benchmarks.many_trials``; Linux only.

    python -m benchmarks.many_trials live          # 1,024 trials at once
    python -m benchmarks.many_trials sequence      # 10,000 trials, 16 at a time
    python -m benchmarks.many_trials rate          # 1,000 trials of 1, 2, 4... rows per second
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

import psutil
from attrs import define

from benchmarks.common import conditions, memory_of, metrics, process_tree, run_child, save_figures, table

_MODULE: Final = "benchmarks.many_trials"
_METRICS: Final = 20
_AT_ONCE: Final = 16
_SAVE_INTERVAL_S: Final = 10.0  # Tune saves the experiment's state at most so often by itself
_TIMEOUT_S: Final = 3_600
_RATES: Final = [1_000, 2_000, 4_000]  # rows per second
_KINDS: Final = ("other", "recorder", "wandb-core")


@define
class SyntheticTrial:
    """What the callback asks a trial of Tune for."""

    trial_id: str
    config: dict[str, Any]
    storage: Any
    local_experiment_path: str
    remote_experiment_path: str
    status: str = "PENDING"
    experiment_dir_name: str = "many_trials"
    trainable_name: str = "train"
    checkpoint: Any = None
    last_result: dict[str, Any] | None = None
    iteration: int = 0

    @property
    def evaluated_params(self) -> dict[str, Any]:
        """The search values."""
        return {"lr": self.config["lr"]}

    def get_trainable_cls(self) -> type:
        """Return some class that opens no run."""
        return dict

    def __str__(self) -> str:
        return f"train_{self.trial_id}"


class Driver:
    """Plays Tune's events to the callback, and measures how long each kind takes.

    Args:
        folder: Where the experiment and the runs' files are.
    """

    def __init__(self, folder: str) -> None:
        from pyarrow.fs import LocalFileSystem

        from typed_tune_wandb import WandbLogger

        self._folder = folder
        self._storage = SimpleNamespace(storage_filesystem=LocalFileSystem())
        self._entry = {"project": "benchmark", "mode": "offline", "dir": folder}
        self._began = time.perf_counter()
        self._saved_at_s = 0.0
        self.callback: Any = WandbLogger(quiet=True)
        self.trials: list[SyntheticTrial] = []
        self.seconds: dict[str, list[float]] = {}
        self.callback.setup()

    def timed(self, kind: str, function: Any, *args: Any, **keywords: Any) -> None:
        """Call a function and keep its time."""
        began = time.perf_counter()
        function(*args, **keywords)
        self.seconds.setdefault(kind, []).append(time.perf_counter() - began)

    def start(self) -> SyntheticTrial:
        """Start one more trial."""
        number = len(self.trials)
        config = {"wandb": dict(self._entry), "lr": 1 / (number + 1), "layers": number % 7}
        trial = SyntheticTrial(f"t{number:05d}", config, self._storage, self._folder, self._folder)
        self.trials.append(trial)
        self.step()
        trial.status = "RUNNING"
        self.timed("start", self.callback.log_trial_start, trial)
        return trial

    def step(self) -> None:
        """Begin a turn of Tune's loop; save the experiment's state as often as Tune does."""
        self.timed("step", self.callback.on_step_begin, iteration=0, trials=cast("Any", self.trials))
        if time.perf_counter() - self._saved_at_s > _SAVE_INTERVAL_S:
            self.timed("save", self.callback.get_state)
            self._saved_at_s = time.perf_counter()

    def report(self, trial: SyntheticTrial) -> None:
        """Report one result of a trial."""
        trial.iteration += 1
        own = {"training_iteration": trial.iteration, "trial_id": trial.trial_id, "config": trial.config, "done": False}
        trial.last_result = {**metrics(_METRICS, trial.iteration), **own}
        self.timed("result", self.callback.log_trial_result, 0, trial, trial.last_result)

    def end(self, trial: SyntheticTrial) -> None:
        """End a trial."""
        trial.status = "TERMINATED"
        self.timed("end", self.callback.log_trial_end, trial)

    def close(self) -> dict[str, Any]:
        """End the experiment; return what is known of its runs."""
        self.timed("close", self.callback.on_experiment_end, self.trials)
        runs = self.callback.runs
        return {"rows": sum(run.rows for run in runs.values()), "states": sorted({run.state for run in runs.values()})}

    def recorded(self) -> int:
        """Return how many rows the recorder has recorded up to now."""
        return sum(run.rows for run in self.callback.runs.values())

    def taken(self, kind: str) -> dict[str, float]:
        """Return the median and the longest time of one kind of call since the last time it was asked, in ms."""
        times = sorted(self.seconds.pop(kind, [0.0]))
        return {"median": 1000 * times[len(times) // 2], "longest": 1000 * times[-1]}


def resources() -> dict[str, dict[str, float]]:
    """Return memory (MB, PSS), threads and open files by kind of process: this one, the recorder's, wandb-core."""
    used = {kind: {"memory": 0.0, "threads": 0, "files": 0, "cpu": 0.0} for kind in _KINDS}
    for process in process_tree(os.getpid()):
        own, handle = used[process.kind], psutil.Process(process.pid)
        own["memory"] += memory_of(process.pid)
        own["threads"] += handle.num_threads()
        own["files"] += handle.num_fds()
        own["cpu"] += process.cpu
    return used


def live(driver: Driver, trials: int, rows: int) -> Iterator[dict[str, Any]]:
    """Many trials at once: a line when all are open, one when all have reported, one at the end."""
    before, began = resources(), time.perf_counter()
    everyone = [driver.start() for _ in range(trials)]
    while any(run.state == "opening" for run in driver.callback.runs.values()):
        time.sleep(0.05)
    opened = time.perf_counter() - began
    yield {"phase": "open", "seconds": opened, "start": driver.taken("start"), "step": driver.taken("step")}
    for _ in range(rows):
        driver.step()
        for trial in everyone:
            driver.report(trial)
    while driver.recorded() < trials * rows:
        time.sleep(0.05)
    now = resources()
    per_run = {kind: (now[kind]["memory"] - before[kind]["memory"]) / trials for kind in _KINDS}
    calls = {kind: driver.taken(kind) for kind in ("result", "save", "step")}
    yield {"phase": "rows", "seconds": time.perf_counter() - began - opened, **calls, "now": now, "per_run": per_run}
    began = time.perf_counter()
    for trial in everyone:
        driver.end(trial)
    end = driver.close()
    yield {"phase": "end", "seconds": time.perf_counter() - began, "end": driver.taken("end"), **end}


def sequence(driver: Driver, trials: int, rows: int) -> Iterator[dict[str, Any]]:
    """Many trials one after another, 16 at a time: a line for each tenth."""
    running: list[SyntheticTrial] = []
    part, began = max(1, trials // 10), time.perf_counter()
    for number in range(1, trials + 1):
        running.append(driver.start())
        if len(running) == _AT_ONCE:
            trial = running.pop(0)
            for _ in range(rows):
                driver.step()
                driver.report(trial)
            driver.end(trial)
        while sum(trial.iteration for trial in driver.trials[-2 * part :]) - _recent(driver, 2 * part) > 50 * rows:
            time.sleep(0.01)  # a trial trains for longer than this one does: the recorder is not far behind
        if number % part == 0:
            driver.timed("save", driver.callback.get_state)
            calls = {kind: driver.taken(kind) for kind in ("start", "step", "result", "end", "save")}
            yield {"trials": number, "seconds": time.perf_counter() - began, **calls, "now": resources()}
            began = time.perf_counter()
    for trial in running:
        driver.end(trial)
    reported = sum(trial.iteration for trial in driver.trials)
    yield {"reported": reported, **driver.close(), "close": driver.taken("close")}


def _recent(driver: Driver, number: int) -> int:
    runs = driver.callback.runs
    return sum(runs[trial.trial_id].rows for trial in driver.trials[-number:] if trial.trial_id in runs)


def rate(driver: Driver, trials: int, rows_per_second: int, seconds: float) -> Iterator[dict[str, Any]]:
    """Rows at a pace, over all trials in turn: the share of the loop's time, and how far the recorder is behind."""
    everyone = [driver.start() for _ in range(trials)]
    while any(run.state != "running" for run in driver.callback.runs.values()):
        time.sleep(0.05)
    driver.seconds.clear()
    before, began, behind, reported = resources(), time.perf_counter(), [], 0
    looked_s = began
    while (now := time.perf_counter()) - began < seconds:
        due = int((now - began) * rows_per_second)
        if reported >= due:
            time.sleep(0.002)
            continue
        driver.step()
        for _ in range(min(due - reported, 50)):
            driver.report(everyone[reported % trials])
            reported += 1
        if now - looked_s > 1:
            behind.append(reported - driver.recorded())
            looked_s = now
    took = time.perf_counter() - began
    after = resources()
    busy = {kind: sum(driver.seconds.get(kind, [])) / took for kind in ("result", "step", "save")}
    cpu = {kind: (after[kind]["cpu"] - before[kind]["cpu"]) / took for kind in _KINDS}
    longest = {kind: driver.taken(kind)["longest"] for kind in ("result", "step", "save")}
    for trial in everyone:
        driver.end(trial)
    end = driver.close()
    yield {
        "reported": reported / took,
        "behind": behind,
        "busy": busy,
        "cpu": cpu,
        "longest": longest,
        "now": after,
        "lost": reported - end["rows"],
        "close": driver.taken("close")["longest"],
    }


_PARTS: Final[Mapping[str, Callable[..., Iterator[dict[str, Any]]]]] = {
    "live": live,
    "sequence": sequence,
    "rate": rate,
}


def child(spec: dict[str, Any]) -> None:
    """Play one experiment, and print its lines as one JSON list."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        driver = Driver(folder)
        print(json.dumps({"lines": list(_PARTS[spec["part"]](driver, **spec["arguments"]))}))


def _measure(save: Path | None, part: str, **arguments: Any) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = run_child(_MODULE, {"part": part, "arguments": arguments}, _TIMEOUT_S)["lines"]
    for number, line in enumerate(lines):
        if save is not None:
            save_figures(save, _MODULE, {"part": part, "line": number, **arguments}, line)
    return lines


def _time(call: dict[str, float]) -> str:
    return f"{call['median']:.2f} / {call['longest']:.0f}"


def print_live(save: Path | None, trials: int, rows: int) -> None:
    """Measure many trials at once, and print the table."""
    opened, logged, ended = _measure(save, "live", trials=trials, rows=rows)
    now, per_run = logged["now"], logged["per_run"]
    print(f"{trials} trials at once, {rows} rows each; kept: {ended['rows']} of {trials * rows}\n")
    lines = [
        ["all runs open after (s)", f"{opened['seconds']:.1f}"],
        ["start of a trial, in Tune's loop, median / longest (ms)", _time(opened["start"])],
        ["a result, in Tune's loop, median / longest (ms)", _time(logged["result"])],
        ["on_step_begin, median / longest (ms)", _time(logged["step"])],
        ["get_state, median / longest (ms)", _time(logged["save"])],
        ["end of a trial, in Tune's loop, median / longest (ms)", _time(ended["end"])],
        ["all runs ended after (s)", f"{ended['seconds']:.1f}"],
        ["memory per run: driver / recorder / wandb-core (MB)", " / ".join(f"{per_run[kind]:.2f}" for kind in _KINDS)],
        ["threads: driver / recorder / wandb-core", " / ".join(str(now[kind]["threads"]) for kind in _KINDS)],
        ["open files: driver / recorder / wandb-core", " / ".join(str(now[kind]["files"]) for kind in _KINDS)],
    ]
    print(table(["", "measured"], lines))


def print_sequence(save: Path | None, trials: int, rows: int) -> None:
    """Measure many trials one after another, and print the table."""
    *parts, last = _measure(save, "sequence", trials=trials, rows=rows)
    print(
        f"{trials} trials, {_AT_ONCE} at a time, {rows} rows each; kept: {last['rows']} of {last['reported']}; ", end=""
    )
    print(f"states: {last['states']}; wait at the end: {last['close']['longest'] / 1000:.1f} s\n")
    header = ["Trials", "trials per second", "start (ms)", "on_step_begin (ms)", "result (ms)", "end (ms)"]
    header += ["get_state (ms)", "memory (MB)", "threads", "open files"]
    lines = []
    for part in parts:
        calls = [_time(part[kind]) for kind in ("start", "step", "result", "end", "save")]
        used = [
            " / ".join(f"{part['now'][kind][figure]:.0f}" for kind in _KINDS)
            for figure in ("memory", "threads", "files")
        ]
        lines.append([str(part["trials"]), f"{trials / 10 / part['seconds']:.0f}", *calls, *used])
    print("Times: median / longest. Memory, threads and files: driver / recorder / wandb-core.\n")
    print(table(header, lines))


def print_rate(save: Path | None, trials: int, rates: list[int], seconds: float) -> None:
    """Measure more and more rows per second, and print the table."""
    header = ["Rows per second, asked", "reported", "lost", "Tune's loop, in the callback", "CPU: driver", "recorder"]
    header += [
        "wandb-core",
        "rows behind, half way / at the end",
        "longest result / step / get_state (ms)",
        "wait at the end (s)",
    ]
    lines = []
    for rows_per_second in rates:
        (line,) = _measure(save, "rate", trials=trials, rows_per_second=rows_per_second, seconds=seconds)
        print(f"{rows_per_second} rows per second: done", file=sys.stderr)
        behind = line["behind"] or [0]
        lines.append(
            [
                *(str(rows_per_second), f"{line['reported']:.0f}", str(line["lost"])),
                f"{sum(line['busy'].values()):.0%}",
                *(f"{line['cpu'][kind]:.0%}" for kind in _KINDS),
                f"{behind[len(behind) // 2]} / {behind[-1]}",
                " / ".join(f"{line['longest'][kind]:.0f}" for kind in ("result", "step", "save")),
                f"{line['close'] / 1000:.1f}",
            ]
        )
    print(f"{trials} trials at once, {seconds:.0f} s each. 100 % of CPU is one core.\n")
    print(table(header, lines))


def main() -> None:
    """Measure the parts that are asked for."""
    if sys.argv[1:2] == ["--child"]:
        child(json.loads(sys.argv[2]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(_PARTS)}; all if none is given")
    parser.add_argument("--quick", action="store_true", help="only show that it works")
    parser.add_argument("--save", type=Path, help="append the figures to this file, as lines of JSON")
    options = parser.parse_args()
    save: Path | None = options.save
    print(f"{conditions(_MODULE)}\n")
    if unknown := {*options.parts} - {*_PARTS}:
        parser.error(f"there is no part {unknown.pop()!r}: the parts are {', '.join(_PARTS)}.")
    for part in options.parts or _PARTS:
        if part == "live":
            print_live(save, 16, 5) if options.quick else print_live(save, 1_024, 20)
        elif part == "sequence":
            print_sequence(save, 40, 5) if options.quick else print_sequence(save, 10_000, 10)
        else:
            print_rate(save, 16, [16], 3) if options.quick else print_rate(save, 1_000, _RATES, 30)
        print()


if __name__ == "__main__":
    main()
