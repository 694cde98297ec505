"""What W&B costs a Tune experiment: none, Ray's own callback, wandb alone, and this library's logger.

Every experiment runs in a process of its own, the variants in turn. All trials of an experiment run at once: each
reports its first row, waits until all others have begun, and reports the rest as fast as it goes. Run it from the root
of the repository: ``python -m benchmarks.tune_overhead``; Linux only.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Any, Final

from attrs import Factory, define

from benchmarks.common import (
    conditions,
    machine_cpu,
    memory_of,
    metrics,
    middle,
    process_tree,
    run_child,
    runs_below,
    save_figures,
    table,
)

_MODULE: Final = "benchmarks.tune_overhead"
_VARIANTS: Final = ("none", "ray", "bare", "ours")
_MOST_FOR_RAY: Final = 16  # trials: its callback takes minutes beyond
_EVENTS: Final = (
    *("setup", "on_step_begin", "on_step_end", "on_trial_start", "on_trial_restore", "on_trial_save"),
    *("on_trial_result", "on_trial_complete", "on_trial_recover", "on_trial_error", "on_checkpoint"),
    *("on_experiment_end", "get_state"),
)

# --- inside an experiment's process -----------------------------------------------------------------------------------

Spent = dict[str, list[float]]


def timed(callback: type[Any], spent: Spent) -> type[Any]:
    """A callback class whose instances note the seconds that each of Tune's calls takes."""

    def around(event: str) -> Callable[..., Any]:
        inner = getattr(callback, event)

        def outer(self: Any, *args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return inner(self, *args, **kwargs)
            finally:
                spent[event].append(time.perf_counter() - began)

        return outer

    return type(callback.__name__, (callback,), {event: around(event) for event in _EVENTS})


def observer(started: dict[str, float], results: list[tuple[str, float]]) -> Any:
    """A callback that notes when trials start and when their results come; it goes before the one that is measured."""
    from ray.tune import Callback

    class Observer(Callback):
        def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            started.setdefault(trial.trial_id, time.time())

        def on_trial_result(
            self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
        ) -> None:
            results.append((trial.trial_id, time.time()))

    return Observer()


def bare(spent: Spent) -> Any:
    """The least that a callback can do: ``wandb.init``, ``run.log``, ``run.finish``, there and then, in Tune's loop."""
    from ray.tune.logger import LoggerCallback

    from typed_tune_wandb.payload import ResultConverter
    from typed_tune_wandb.recording.worker._backend import RECORDER_SETTINGS

    class Bare(LoggerCallback):
        def __init__(self) -> None:
            self.runs: dict[str, Any] = {}
            self.reader = ResultConverter()

        def log_trial_start(self, trial: Any) -> None:
            import wandb  # as the recorder does: while the experiment runs

            settings = wandb.Settings(**RECORDER_SETTINGS)
            self.runs[trial.trial_id] = wandb.init(
                id=trial.trial_id, project="benchmark", reinit="create_new", settings=settings, resume=None
            )

        def log_trial_result(self, iteration: int, trial: Any, result: dict[str, Any]) -> None:
            self.runs[trial.trial_id].log(self.reader.convert(result).row, step=iteration)

        def log_trial_end(self, trial: Any, failed: bool = False) -> None:
            self.runs[trial.trial_id].finish(exit_code=int(failed))

    return timed(Bare, spent)()


def training(config: dict[str, Any]) -> None:
    """A trial: one row, then, when all trials have begun, the others as fast as they go."""
    from ray import tune

    count, begun = config["metrics"], Path(config["begun"])
    tune.report(metrics(count, 0))
    (begun / tune.get_context().get_trial_id()).touch()
    while sum(1 for _ in begun.iterdir()) < config["trials"]:
        time.sleep(0.1)
    for row in range(1, config["rows"]):
        tune.report(metrics(count, row))


def experiment(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Run one experiment in this process."""
    trials, folder = spec["trials"], Path(spec["folder"])
    # Tune starts at most 16 trials ahead of the machine's cores otherwise.
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(trials)
    os.environ["WANDB_DIR"] = str(folder)
    import ray
    from ray import tune

    spent: Spent = defaultdict(list)
    started: dict[str, float] = {}
    results: list[tuple[str, float]] = []
    callbacks = [observer(started, results), *_measured(spec["variant"], spent)]
    (folder / "begun").mkdir()
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=100_000_000,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    tuner = tune.Tuner(
        tune.with_resources(training, {"cpu": 0.01}),
        param_space={
            "trial": tune.grid_search(list(range(trials))),
            "begun": str(folder / "begun"),
            **{name: spec[name] for name in ("trials", "rows", "metrics")},
        },
        tune_config=tune.TuneConfig(reuse_actors=False),
        run_config=tune.RunConfig(
            name="benchmark", storage_path=str(folder / "results"), callbacks=callbacks, verbose=0
        ),
    )
    busy, cpu, began = machine_cpu(), time.process_time(), time.perf_counter()
    grid = tuner.fit()
    wall, cpu, busy = time.perf_counter() - began, time.process_time() - cpu, machine_cpu() - busy
    errors = [str(error) for error in grid.errors]
    ray.shutdown()
    if errors:
        raise RuntimeError(errors[0])
    first = dict(reversed(results))
    return {
        "wall": wall,
        "driver_cpu": cpu,
        "machine_cpu": busy,
        "reporting": results[-1][1] - max(first.values()),
        "spent": spent,
        "started": started,
        "first_result": first,
    }


def _measured(variant: str, spent: Spent) -> list[Any]:
    if variant == "ray":
        from ray.air.integrations.wandb import WandbLoggerCallback

        return [timed(WandbLoggerCallback, spent)(project="benchmark")]
    if variant == "bare":
        return [bare(spent)]
    if variant == "ours":
        from typed_tune_wandb import WandbLogger

        return [timed(WandbLogger, spent)(project="benchmark", mode="offline")]
    return []


# --- around it --------------------------------------------------------------------------------------------------------


@define
class Sampler:
    """Watches an experiment's processes from outside: the driver, and those that W&B adds."""

    most: int = 0
    memory: dict[str, float] = Factory(dict)
    cpu: dict[int, tuple[str, float]] = Factory(dict)

    def __call__(self, root: int) -> None:
        """Take one sample."""
        tree = [process for process in process_tree(root) if process.pid == root or process.kind != "other"]
        self.most = max(self.most, len(tree) - 1)
        used: dict[str, float] = defaultdict(float)
        for process in tree:
            kind = "driver" if process.pid == root else process.kind
            used[kind] += memory_of(process.pid)
            self.cpu[process.pid] = (kind, process.cpu)
        self.memory.update({kind: max(amount, self.memory.get(kind, 0.0)) for kind, amount in used.items()})

    def cpu_of(self, *kinds: str) -> float:
        """Seconds of CPU of all processes of these kinds, as last seen."""
        return sum(cpu for kind, cpu in self.cpu.values() if kind in kinds)


def measured(variant: str, *, trials: int, rows: int, count: int) -> dict[str, float]:
    """Run one experiment in a process of its own; its figures."""
    sampler = Sampler()
    with tempfile.TemporaryDirectory(prefix="tune-overhead-") as folder:
        spec = {"variant": variant, "trials": trials, "rows": rows, "metrics": count, "folder": folder}
        result = run_child(_MODULE, spec, timeout=300 + trials * rows, sampler=sampler)
        runs = runs_below(Path(folder))
    spent: Spent = result["spent"]
    loop = {event: sum(seconds) for event, seconds in spent.items() if event != "on_experiment_end"}
    delays = [
        min(row["_timestamp"] for row in run.history) - result["started"][run_id.partition("-")[0]]  # the trial's id
        for run_id, run in runs.items()
        if run.history
    ]
    arrivals = [moment - result["started"][trial_id] for trial_id, moment in result["first_result"].items()]
    added = {kind: amount for kind, amount in sampler.memory.items() if kind != "driver"}
    return {
        "wall": result["wall"],
        "reporting": result["reporting"],
        "inside": sum(loop.values()),
        "setup": loop.get("setup", 0.0),
        "per_result": sum(spent.get("on_trial_result", [])) / (trials * rows),
        "wait": sum(spent.get("on_experiment_end", [])),
        "processes": sampler.most,
        "driver_memory": sampler.memory["driver"],
        "core_memory": added.pop("wandb-core", 0.0),
        "other_memory": sum(added.values()),
        "arrival": median(arrivals),
        "delay": median(delays) if delays else float("nan"),
        "worst_delay": max(delays, default=float("nan")),
        "kept": sum(len(run.history) for run in runs.values()),
        "driver_cpu": result["driver_cpu"],
        "machine_cpu": result["machine_cpu"],
        "busy": result["machine_cpu"] / result["wall"] / (os.cpu_count() or 1),
        "added_cpu": sampler.cpu_of("recorder", "logging actor", "queue actor"),
        "core_cpu": sampler.cpu_of("wandb-core"),
        **{f"inside/{event}": seconds for event, seconds in loop.items()},
    }


def report(done: Mapping[str, list[dict[str, float]]], trials: int, rows: int) -> str:
    """The table of one number of trials."""

    def cells(figure: Callable[[str], str], base: Iterable[str] = ()) -> list[str]:
        absent = set(_VARIANTS) - set(done) | set(base)
        return ["" if variant in absent else figure(variant) for variant in _VARIANTS]

    def line(label: str, key: str, digits: int, scale: float = 1.0, *, base: bool = True, goal: str = "") -> list[str]:
        value = {variant: middle(results, key) * scale for variant, results in done.items()}
        shown = cells(lambda variant: f"{value[variant]:.{digits}f}", () if base else ("none",))
        ratios = [_ratio(value, "none") if base else "", _ratio(value, "ray"), _ratio(value, "bare")]
        return [label, *shown, *ratios, goal]

    def extra(label: str, *keys: str, goal: str = "") -> list[str]:
        total = {variant: sum(middle(results, key) for key in keys) for variant, results in done.items()}
        if "none" not in total:
            return [label, *cells(lambda variant: "", _VARIANTS), "", "", "", goal]
        value = {variant: (amount - total["none"]) / trials for variant, amount in total.items()}
        shown = cells(lambda variant: f"{value[variant]:.1f}", ("none",))
        return [label, *shown, "", _ratio(value, "ray"), _ratio(value, "bare"), goal]

    against = ("to no W&B", "to Ray's", "to bare")
    lost = {variant: [trials * rows - int(result["kept"]) for result in results] for variant, results in done.items()}
    kept = cells(lambda variant: "all" if not any(lost[variant]) else f"lost {lost[variant]}", ("none",))
    return table(
        [f"{trials} trials", "no W&B", "Ray's callback", "bare `run.log`", "WandbLogger", *against, "goal"],
        [
            line("wall time of `fit()` (s)", "wall", 1, goal="≤ 1.05 of no W&B at 16"),
            line("of it, from the last trial's first result on (s)", "reporting", 1),
            line("inside the callback, in Tune's loop (s)", "inside", 3, base=False, goal="≤ 1/300 of Ray's at 16"),
            line("of it, per result (ms)", "per_result", 3, 1e3, base=False),
            line("of it, setup (ms)", "setup", 1, 1e3, base=False),
            line("wait at the end, in `on_experiment_end` (s)", "wait", 2, base=False),
            line("extra processes", "processes", 0, base=False, goal="≤ 2"),
            extra("extra memory per trial, driver and wandb-core (MB)", "driver_memory", "core_memory", goal="≤ 3"),
            line("of it, wandb-core, in all (MB)", "core_memory", 1, base=False),
            line("extra memory of the recorder or the actors, in all (MB)", "other_memory", 0, base=False),
            line("first result at Tune after the trial's start, median (s)", "arrival", 2),
            line("first row recorded after the trial's start, median (s)", "delay", 2, base=False, goal="< 0.3 at 16"),
            line("the same, worst (s)", "worst_delay", 2, base=False),
            [f"rows kept of {trials * rows}", *kept, "", "", "", "all"],
            line("CPU of the driver (s)", "driver_cpu", 1),
            line("CPU of the recorder or the actors (s)", "added_cpu", 1, base=False),
            line("CPU of wandb-core (s)", "core_cpu", 1, base=False),
            line("CPU of the whole machine (s)", "machine_cpu", 1),
            line("of what its cores had to give (%)", "busy", 0, 1e2),
        ],
    )


def _ratio(value: Mapping[str, float], base: str) -> str:
    """This library's figure over another variant's; none over next to nothing."""
    if base not in value or "ours" not in value or value[base] < 1e-3 or value["ours"] <= 0:
        return ""
    ratio = value["ours"] / value[base]
    return f"{ratio:.2f}" if ratio > 0.1 else f"1/{1 / ratio:.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two trials, a few rows: whether it works")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trials", type=int, nargs="+", default=[4, 16, 64])
    parser.add_argument("--rows", type=int, default=200, help="results of each trial")
    parser.add_argument("--metrics", type=int, default=20, help="metrics of each result")
    parser.add_argument("--variants", nargs="+", choices=_VARIANTS, default=list(_VARIANTS))
    parser.add_argument("--save", type=Path, help="append each experiment's figures to this file, as lines of JSON")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(experiment(json.loads(options.child))))
        return
    if options.quick:
        options.rounds, options.trials, options.rows = 1, [2], 5
    done: dict[int, dict[str, list[dict[str, float]]]] = {trials: defaultdict(list) for trials in options.trials}
    for turn in range(options.rounds):
        for trials in options.trials:
            for variant in options.variants:
                if variant == "ray" and trials > _MOST_FOR_RAY:
                    continue
                figures = measured(variant, trials=trials, rows=options.rows, count=options.metrics)
                done[trials][variant].append(figures)
                print(f"round {turn + 1}, {trials} trials, {variant}: {figures['wall']:.1f} s", file=sys.stderr)
                if options.save:
                    save_figures(options.save, _MODULE, {"variant": variant, "trials": trials}, figures)
    print(f"{conditions(_MODULE)}; medians of {options.rounds}; {options.rows} results of {options.metrics} metrics\n")
    print("\n\n".join(report(done[trials], trials, options.rows) for trials in options.trials))


if __name__ == "__main__":
    main()
