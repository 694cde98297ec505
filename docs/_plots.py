"""Draws the pictures of the README and the site, light and dark, from numbers that are saved in this repository.

    python docs/_plots.py                    # draw docs/images/*.svg anew
    python docs/_plots.py --digits FOLDER    # first take the learning curves of examples/tune_digits.py out of FOLDER

    PYTHONPATH=. python docs/_plots.py --overview FILE    # first take the history of an overview run out of its file

FOLDER is where Tune kept that experiment (``~/ray_results/train_...``). FILE is ``logger.runs.overview.path`` of the
same example with ``WandbLogger(overview=True)``. The other numbers are those of the tables in benchmarks/README.md.
Each picture holds its numbers as text, so that a test can compare them. Needs the ``docs`` extra.
"""

from __future__ import annotations

import argparse
import html
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
IMAGES: Final = ROOT / "docs" / "images"
DIGITS: Final = IMAGES / "digits.json"
OVERVIEW: Final = IMAGES / "overview.json"
THEMES: Final[Mapping[str, Mapping[str, str]]] = {
    "light": {"text": "#24292f", "muted": "#8c959f", "ours": "#0969da", "theirs": "#cf7f1b", "bare": "#8c959f"},
    "dark": {"text": "#e6edf3", "muted": "#6e7681", "ours": "#58a6ff", "theirs": "#e3a04f", "bare": "#8b949e"},
}
CALLBACK: Final = "inside the callback, in Tune's loop (s)"
WALL: Final = "wall time of `fit()` (s)"
VARIANTS: Final = {"WandbLogger": "ours", "bare `run.log`": "bare", "Ray's callback": "theirs"}


def benchmark(trials: int) -> dict[str, dict[str, str]]:
    """Return a table of ``benchmarks.tune_overhead`` as figure → variant → cell."""
    text = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    (table,) = re.findall(rf"^\| {trials} trials \|.*\n(?:\|.*\n)+", text, re.MULTILINE)
    header, _, *lines = ([cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines())
    return {line[0]: dict(zip(header[1:], line[1:], strict=True)) for line in lines}


def learning_curves(folder: Path) -> list[dict[str, Any]]:
    """Return the accuracy of each trial by epoch, and its step size, from what Tune wrote."""
    curves = []
    for path in sorted(folder.glob("*/result.json")):
        results = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        accuracy = [round(result["accuracy"], 4) for result in results]
        curves.append({"eta0": round(results[0]["config"]["eta0"], 5), "accuracy": accuracy})
    return curves


def overview_history(file: Path) -> dict[str, list[float]]:
    """Return the columns of an overview run's history."""
    from tests.support.offline import read_file

    runs: dict[str, Any] = {}
    read_file(file, runs)
    (run,) = runs.values()
    names = ("seconds", "trials/running", "trials/finished", "best/accuracy")
    rows = [row for row in run.history if "seconds" in row]
    return {name: [round(row.get(name, 0.0), 4) for row in rows] for name in names}


def memory_over_time() -> dict[str, list[float]]:
    """Return the columns of the long experiment of ``benchmarks.recorder_profile``."""
    text = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"^\| Rows \| driver .*\n(?:\|.*\n)+", text, re.MULTILINE)
    header, _, *lines = ([cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines())
    return {name: [float(line[i]) for line in lines] for i, name in enumerate(header)}


def pictures() -> dict[str, tuple[Callable[[Any, Mapping[str, str], Any], None], Any, tuple[float, float]]]:
    """Return name → how a picture is drawn, its numbers, and its size in inches."""
    variants = [name for name in VARIANTS if name != "no W&B"]
    in_loop = {
        f"{trials} trials": {name: float(benchmark(trials)[CALLBACK][name]) for name in variants} for trials in (4, 16)
    }
    wall = {
        f"{trials} trials": {name: float(benchmark(trials)[WALL][name]) for name in ("no W&B", *variants)}
        for trials in (4, 16)
    }
    curves = json.loads(DIGITS.read_text(encoding="utf-8"))
    return {
        "digits": (_draw_digits, {"curves": curves, "seconds": in_loop["16 trials"]}, (9.0, 3.4)),
        "overview": (_draw_overview, json.loads(OVERVIEW.read_text(encoding="utf-8")), (9.0, 3.0)),
        "callback-time": (_draw_callback_time, in_loop, (7.0, 2.9)),
        "wall-time": (_draw_wall_time, wall, (7.0, 3.3)),
        "memory": (_draw_memory, memory_over_time(), (7.0, 3.0)),
    }


def main() -> None:
    """Draw all pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--digits", type=Path, metavar="FOLDER")
    parser.add_argument("--overview", type=Path, metavar="FILE")
    options = parser.parse_args()
    if options.digits is not None:
        _write(DIGITS, learning_curves(options.digits))
    if options.overview is not None:
        _write(OVERVIEW, overview_history(options.overview))
    for name, (draw, numbers, size) in pictures().items():
        for theme, colors in THEMES.items():
            _save(IMAGES / f"{name}-{theme}.svg", draw, numbers, size, colors)


def _write(path: Path, numbers: Any) -> None:
    path.write_text(json.dumps(numbers, separators=(",", ":")) + "\n", encoding="utf-8")


def _save(path: Path, draw: Callable[..., None], numbers: Any, size: tuple[float, float], colors: Any) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    text, muted = colors["text"], colors["muted"]
    style = {
        **dict.fromkeys(["text.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor"], text),
        **dict.fromkeys(["axes.edgecolor", "xtick.color", "ytick.color"], muted),
        **dict.fromkeys(["axes.spines.top", "axes.spines.right"], False),
        "svg.fonttype": "none",
        "svg.hashsalt": path.stem,
        "font.size": 10.0,
        "axes.titlesize": 11.0,
        "axes.titlelocation": "left",
        "font.family": "sans-serif",
    }
    with mpl.rc_context(style):
        figure = pyplot.figure(figsize=size, layout="constrained")
        draw(figure, colors, numbers)
        figure.savefig(path, transparent=True, metadata={"Date": None, "Creator": None})
        pyplot.close(figure)
    saved = path.read_text(encoding="utf-8")
    saved = re.sub(r"font-family: [^;\"]+", "font-family: system-ui, sans-serif", saved)
    numbers_as_text = html.escape(json.dumps(numbers), quote=False)
    saved = saved.replace(" <metadata>", f" <desc>{numbers_as_text}</desc>\n <metadata>", 1)
    path.write_text("\n".join(line.rstrip() for line in saved.splitlines()) + "\n", encoding="utf-8")


def _draw_digits(figure: Any, colors: Mapping[str, str], numbers: Any) -> None:
    curves_axes, bars_axes = figure.subplots(1, 2, width_ratios=[1.25, 1])
    best = max(numbers["curves"], key=lambda curve: curve["accuracy"][-1])
    for curve in numbers["curves"]:
        style = {"color": colors["ours"], "linewidth": 2.2} if curve is best else {"color": colors["muted"]}
        epochs = range(1, len(curve["accuracy"]) + 1)
        curves_axes.plot(epochs, curve["accuracy"], **{"linewidth": 1.2, **style}, marker="o", markersize=2.2)
    title = f"examples/tune_digits.py: 10 runs, the best {best['accuracy'][-1]:.3f}"
    curves_axes.set(title=title, xlabel="epoch", ylabel="accuracy")
    _bars(bars_axes, numbers["seconds"], colors)
    bars_axes.set(title="Seconds that Tune's loop waits, 16 trials")


def _draw_overview(figure: Any, colors: Mapping[str, str], numbers: Any) -> None:
    trials, best = figure.subplots(1, 2, sharex=True)
    seconds = numbers["seconds"]
    for name, color in (("trials/running", "theirs"), ("trials/finished", "ours")):
        trials.step(seconds, numbers[name], where="post", color=colors[color], linewidth=1.8)
        place = seconds[-1], numbers[name][-1]
        trials.annotate(name, place, (-4, 14), textcoords="offset points", ha="right", color=colors[color])
    trials.set(title="trials", xlabel="seconds")
    known = [(at, value) for at, value in zip(seconds, numbers["best/accuracy"], strict=True) if value]
    best.step(*zip(*known, strict=True), where="post", color=colors["ours"], linewidth=1.8)
    best.set(title=f"best/accuracy, at the end {known[-1][1]:.3f}", xlabel="seconds")


def _bars(axes: Any, seconds: Mapping[str, float], colors: Mapping[str, str]) -> None:
    names = [*reversed([*seconds])]
    values = [seconds[name] for name in names]
    axes.barh(names, values, color=[colors[VARIANTS[name]] for name in names], height=0.55)
    axes.set_yticks(range(len(names)), [name.replace("`", "") for name in names])
    axes.set_xlim(0, max(values) * 1.25)
    for place, value in enumerate(values):
        axes.text(value + max(values) * 0.02, place, f"{value:.2f}", va="center")
    axes.tick_params(left=False)
    axes.spines["left"].set_visible(False)


def _draw_callback_time(figure: Any, colors: Mapping[str, str], numbers: Any) -> None:
    for axes, (title, seconds) in zip(figure.subplots(1, 2, sharey=True), numbers.items(), strict=True):
        _bars(axes, seconds, colors)
        axes.set(title=title, xlabel="seconds inside the callback")


def _draw_wall_time(figure: Any, colors: Mapping[str, str], numbers: Any) -> None:
    for axes, (title, seconds) in zip(figure.subplots(1, 2, sharey=True), numbers.items(), strict=True):
        names = [*reversed([*seconds])]
        values = [seconds[name] for name in names]
        shades = [colors[VARIANTS[name]] if name in VARIANTS else colors["text"] for name in names]
        axes.barh(names, values, color=shades, height=0.55)
        axes.set_yticks(range(len(names)), [name.replace("`", "") for name in names])
        axes.set_xlim(0, max(values) * 1.25)
        for place, value in enumerate(values):
            axes.text(value + max(values) * 0.02, place, f"{value:.1f}", va="center")
        axes.set(title=title, xlabel="seconds of fit()")


def _draw_memory(figure: Any, colors: Mapping[str, str], numbers: Any) -> None:
    axes = figure.subplots()
    rows, *columns = numbers.items()
    for (name, values), color in zip(columns, ("ours", "text", "theirs"), strict=True):
        axes.plot([row / 1000 for row in rows[1]], values, color=colors[color], marker="o", markersize=3)
        label = name.removesuffix(" (MB)")
        axes.annotate(label, (rows[1][-1] / 1000, values[-1]), (0, 7), textcoords="offset points", ha="right")
    axes.set(xlabel="thousand rows recorded, in 16 runs", ylabel="MB", ylim=(0, 130))


if __name__ == "__main__":
    main()
