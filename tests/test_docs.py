"""The README and the site: their programs run or are type-checked, and what they say is what was measured.

``tests/test_tutorial.py`` runs the tutorial, ``tests/cli/test_docs.py`` the command line, and ``tests/test_parity.py``
the programs of docs/migration.md.
"""

from __future__ import annotations

import html
import json
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
import pytest
from ray import tune
from ray.air.integrations.wandb import WandbLoggerCallback

from tests.support import checkers
from tests.support.offline import read_runs
from tests.support.pages import ROOT, Block, has_commands, pages, python_blocks, rendered, run_blocks
from tests.wandb_server.fixture import API_KEY
from typed_tune_wandb import WandbLogger, WandbSettings
from typed_tune_wandb._hooks import API_KEY_HOOK, LOCATION_HOOK, RUN_INFO_HOOK
from typed_tune_wandb._launch import LAUNCH_VARIABLE, SWEEP_VARIABLE
from typed_tune_wandb.settings import WandbConfigDict
from typed_tune_wandb.settings._effective import GROUP_VARIABLES, PROJECT_VARIABLES
from typed_tune_wandb.settings._types import CONTINUATION_KEYS, LOGGER_KEYS

README = ROOT / "README.md"
ELSEWHERE = ("docs/migration.md", "docs/tutorial.md")  # run by another test, as one program


def blocks(*, checked: bool) -> list[Block]:
    """The different Python blocks of all pages, which are either type-checked or run."""
    found = [block for page in pages() for block in python_blocks(page) if str(page.relative_to(ROOT)) not in ELSEWHERE]
    return list({block.text: block for block in reversed(found) if block.checked == checked}.values())


def test_every_program_runs(tmp_path: Path) -> None:
    """Each by itself; it prints what the page says that it prints."""
    programs = blocks(checked=False)
    assert len(programs) > 15
    outcomes = run_blocks(programs, tmp_path)
    assert {} == {name: seen["error"] for name, seen in outcomes.items() if seen["error"]}
    assert [] == [block.name for block in programs if block.printed not in outcomes[block.name]["printed"]]
    assert 5 == len([block for block in programs if block.printed]), "a block of output has lost its program"


def test_programs_that_need_more_than_this_machine_are_type_checked(tmp_path: Path) -> None:
    """By mypy, strict: an error in each line that says so, and in no other."""
    expected, files = [], []
    for number, block in enumerate(blocks(checked=True)):
        files.append(tmp_path / f"block{number}.py")
        files[-1].write_text(block.text, encoding="utf-8")
        lines = block.text.splitlines()
        expected += [(files[-1].name, i) for i, line in enumerate(lines, 1) if "# error" in line]
    assert len(files) > 4
    found = checkers.mypy(files, tmp_path / "cache", stubs=False)
    assert expected == [(finding.file, finding.line) for finding in found], found


def test_other_pages_show_what_commands_print() -> None:
    """Those that neither ``tests/cli/test_docs.py`` nor ``tests/test_tutorial.py`` runs."""
    elsewhere = ("README.md", "docs/cli.md", "docs/tutorial.md")
    found = [page for page in pages() if has_commands(page) and str(page.relative_to(ROOT)) not in elsewhere]
    assert [ROOT / "docs" / "how-to" / "check-in-ci.md"] == found
    for page in found:
        text = page.read_text(encoding="utf-8")
        assert text == rendered(text, {"WANDB_BASE_URL": "https://wandb.example.com"})


# --- what is claimed --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plots() -> dict[str, Any]:
    """What docs/_plots.py has."""
    return runpy.run_path(str(ROOT / "docs" / "_plots.py"))


def peers() -> dict[str, list[str]]:
    """The README's table: what is compared → the cells."""
    (table,) = re.findall(r"^\| \| `WandbLogger` \|.*\n(?:\|.*\n)+", README.read_text(encoding="utf-8"), re.MULTILINE)
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return {line[0]: line[1:] for line in lines[2:]}


def test_the_readme_has_the_figures_of_the_benchmark(plots: dict[str, Any]) -> None:
    """Those of 16 trials."""
    measured, shown = plots["benchmark"](16), peers()
    variants = ("WandbLogger", "Ray's callback", "bare `run.log`")
    named = {
        "time in the callback, in Tune's loop": "inside the callback, in Tune's loop (s)",
        "`fit()`, which takes 16.6 s without W&B": "wall time of `fit()` (s)",
        "extra processes": "extra processes",
    }
    for row, figure in named.items():
        assert [measured[figure][name] for name in variants] == [cell.removesuffix(" s") for cell in shown[row]]
    assert "16.6" == measured["wall time of `fit()` (s)"]["no W&B"]
    kept = [measured["rows kept of 3200"][name] for name in variants]
    lost = shown["rows lost, of 3200, in three rounds"]
    assert kept == ["all" if cell == "0, 0, 0" else f"lost [{cell}]" for cell in lost]


def test_the_readme_counts_the_mistakes_of_the_page() -> None:
    """Those that are found before a trial trains, of those that can be made at all."""
    page = (ROOT / "docs" / "mistakes.md").read_text(encoding="utf-8")
    _, _, *lines = [line for line in page.splitlines() if line.startswith("|")]
    counts = []
    for column in (-3, -2):
        cells = [re.split(r"(?<!\\)\|", line.strip("|"))[column].strip() for line in lines]
        early = [cell for cell in cells if cell.startswith(("construction", "before the first trial"))]
        counts.append(f"{len(early)} of {len([cell for cell in cells if cell != '-'])}")
    assert [*counts, "-"] == peers()["mistakes in settings, found before a trial trains"]


@pytest.mark.usefixtures("small_ray")
def test_what_the_readme_says_of_a_failed_trial_and_of_keys_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray's callback ends the run of a failed trial as finished, and Tune writes its key; here neither is so."""

    def train(config: dict[str, Any]) -> None:
        tune.report({"loss": 1})
        raise ValueError

    seen = {}
    for logger in (WandbLogger, WandbLoggerCallback):
        folder = tmp_path / logger.__name__
        monkeypatch.setenv("WANDB_MODE", "offline")
        # Ray's actors have the environment that Ray was started with.
        callback: Any = logger(project="p", api_key=API_KEY, mode="offline", dir=str(folder))
        run_config = tune.RunConfig(name="e", storage_path=str(folder / "tune"), callbacks=[callback], verbose=0)
        folder.mkdir()
        tune.Tuner(train, param_space={"lr": 1}, run_config=run_config).fit()
        (run,) = read_runs(folder).values()
        files = [path.name for path in folder.rglob("*") if path.is_file() and API_KEY.encode() in path.read_bytes()]
        seen[logger.__name__] = (run.exit_code, files)
    assert {"WandbLogger": (1, []), "WandbLoggerCallback": (0, ["tuner.pkl"])} == seen
    rows = peers()
    assert ["exit code 1", "exit code 0", "-"] == rows["the run of a trial that fails"]
    assert ["nowhere", "`tuner.pkl`", "-"] == rows["an API key given as an argument, on disk"]


def test_the_pictures_show_the_saved_numbers(plots: dict[str, Any]) -> None:
    """Each holds its numbers: ``python docs/_plots.py`` draws them anew."""
    names = {f"{name}-{theme}.svg" for name in plots["pictures"]() for theme in plots["THEMES"]}
    assert names == {path.name for path in plots["IMAGES"].glob("*.svg")}
    for name, (_, numbers, _) in plots["pictures"]().items():
        for theme in plots["THEMES"]:
            svg = (plots["IMAGES"] / f"{name}-{theme}.svg").read_text(encoding="utf-8")
            (saved,) = re.findall(r"<desc>(.*)</desc>", svg)
            assert numbers == json.loads(html.unescape(saved)), "python docs/_plots.py"


# --- the site ---------------------------------------------------------------------------------------------------------


def test_the_tables_of_settings_have_every_field() -> None:
    """Of the entry and of the logger, each with a type and a meaning."""
    hooks = runpy.run_path(str(ROOT / "docs" / "_hooks.py"))
    tables = {
        name: re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.+) \|$", make(), re.MULTILINE)
        for name, make in hooks["TABLES"].items()
    }
    fields = [*(row[0] for row in tables["library"]), *(row[0] for row in tables["wandb"])]
    expected = [field.name for field in attrs.fields(WandbSettings) if field.name not in ("extra", "_explicit")]
    assert sorted(expected) == sorted(fields)
    assert {*fields} == {*WandbConfigDict.__annotations__} - {"run_id", "run_name"}
    assert [*LOGGER_KEYS] == [row[0] for row in tables["logger"]]
    assert "`training_iteration`" in {row[0]: row[2] for row in tables["library"]}["step_metric"]


def test_the_page_of_variables_has_those_that_the_library_reads() -> None:
    """And the hooks."""
    page = (ROOT / "docs" / "reference" / "environment.md").read_text(encoding="utf-8")
    read = {*PROJECT_VARIABLES, *GROUP_VARIABLES, API_KEY_HOOK, LOCATION_HOOK, RUN_INFO_HOOK}
    read |= {SWEEP_VARIABLE, LAUNCH_VARIABLE, *(f"WANDB_{key.upper()}" for key in CONTINUATION_KEYS)}
    read |= {f"WANDB_{name}" for name in ("API_KEY", "BASE_URL", "DIR", "ENTITY", "MODE")}
    assert [] == [name for name in sorted(read) if f"`{name}`" not in page]


def links() -> Iterator[tuple[str, str]]:
    """Every link to another server, with its page."""
    for page in pages():
        text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for target in re.findall(r"\]\((\w+:[^)]*)\)", text):
            yield str(page.relative_to(ROOT)), target


def test_links_to_other_servers_are_well_formed() -> None:
    """Whether they answer is for a person to see: the tests have no internet. mkdocs checks the links on the site."""
    found = [*links()]
    assert found
    for page, target in found:
        parts = urlsplit(target)
        assert ("https", True, False) == (parts.scheme, "." in parts.netloc, " " in target), f"{page}: {target}"


def test_links_of_the_readme_lead_to_files() -> None:
    """Its links and its pictures, in this repository."""
    text = README.read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!\w+:)([^)#]+)", text) + re.findall(r'(?:src|srcset)="([^"]+)"', text)
    assert len(targets) > 10
    assert [] == [target for target in targets if not (ROOT / target).is_file()]


def test_the_readme_is_short() -> None:
    """A landing page."""
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 150


def test_the_two_commands_are_those_of_ci() -> None:
    """CI installs and tests as the README's second command does."""
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    main_job, tests = re.findall(r"^```bash\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert "examples/tune_digits.py" in main_job
    for step in tests.strip().split(" && ")[1:]:
        assert step in ci
