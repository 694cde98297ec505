"""``typed-tune-wandb report`` as a process, and its page in a browser."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command_line import call, call_for_json
from tests.support.experiments import write_experiment

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def test_the_page_is_written() -> None:
    """To report.html, or where -o says; --json prints what it is made of, and writes nothing."""
    write_experiment(Path("exp"))
    made = call_for_json("report", "exp", "--metric", "loss", "--mode", "min")
    assert not Path("report.html").exists()
    assert ("loss", "min", "t5", 6) == (
        made["metric"],
        made["mode"],
        made["trials"][0]["trial_id"],
        len(made["trials"]),
    )
    assert "nan" == made["trials"][0]["config"]["momentum"]
    for arguments, name in (([], "report.html"), (["-o", "x.html"], "x.html")):
        done = call("report", "exp", *arguments)
        assert (0, "") == (done.returncode, done.stderr)
        assert re.fullmatch(rf"{name}: 6 trials, \d\.\d MB\n", done.stdout)
        assert Path(name).read_text().startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "has no wandb_runs.json"),
        (["exp", "--metric", "acc"], "no trial has reported a finite number as 'acc'. Metrics: loss, nested/acc."),
        (["exp", "-o", "no/folder.html"], "No such file or directory"),
    ],
)
def test_wrong_calls(arguments: list[str], said: str) -> None:
    """2, and no traceback."""
    write_experiment(Path("exp"))
    done = call("report", *arguments)
    assert (2, "") == (done.returncode, done.stdout)
    assert said in done.stderr


def test_without_plotly_it_says_what_to_install() -> None:
    """The extra is not needed for --json."""
    write_experiment(Path("exp"))
    program = "import sys; sys.modules['plotly'] = None; from typed_tune_wandb.cli._main import run; run()"
    command = [sys.executable, "-c", program, "report", "exp"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=Path.cwd())
    assert (2, "") == (done.returncode, done.stdout)
    assert 'pip install "typed-tune-wandb[report]"' in done.stderr
    subprocess.run([*command, "--json"], capture_output=True, check=True, timeout=120)


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium to open the page in: apt-get install chromium")
def test_a_browser_draws_the_plots() -> None:
    """All axes and curves, without an error in its console, and without the button that sends a plot to a server."""
    write_experiment(Path("exp"))
    assert 0 == call("report", "exp", "--metric", "loss", "--mode", "min").returncode
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader", "--enable-logging=stderr"]
    page = Path("report.html").absolute()
    command = [str(CHROMIUM), *options, f"--user-data-dir={page.parent}/browser", "--virtual-time-budget=20000"]
    done = subprocess.run(
        [*command, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=300, check=True
    )
    drawn = done.stdout
    curves = re.findall(r'<path class="js-line"[^>]* d="M[^"]+"', drawn)
    assert 5 == len(curves)  # of the trials with a value
    assert ["lr", "net/act", "depth", "badge", "momentum", "loss"] == re.findall(
        r'class="axis-title"[^>]*>(?:<tspan[^>]*>)?([^<]+)<', drawn
    )
    assert re.search(r'id="parameters-error" hidden', drawn)
    assert re.search(r'id="curves-error" hidden', drawn)
    assert "WebGL is not supported" not in re.sub(r"<script>.*?</script>", "", drawn, flags=re.DOTALL)
    assert {"Zoom", "Pan", "Reset axes", "Download plot as a PNG"} == {*re.findall(r'data-title="([^"]*)"', drawn)}
    assert [] == [line for line in done.stderr.splitlines() if "CONSOLE" in line and "GL Driver Message" not in line]
