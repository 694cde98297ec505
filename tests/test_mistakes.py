"""docs/mistakes.md tells what is seen: of types, validation and wandb.init each time, of Tune in a benchmark.

``python -m tests.test_mistakes`` writes the page anew.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
import wandb

from benchmarks.mistakes import RIGHT, SEEN, seen_by_init
from tests.support import checkers
from tests.support.mistakes import AROUND, KEY, MISTAKES, Around, Mistake
from typed_tune_wandb import WandbSettings, WandbSettingsError

PAGE = Path(__file__).parents[1] / "docs" / "mistakes.md"
RECORD: dict[str, Any] = json.loads(SEEN.read_text(encoding="utf-8"))
IMPORTS = (
    "from types import SimpleNamespace; from ray import tune; "
    "from typed_tune_wandb import WandbConfigDict, WandbLogger, WandbSettings\n"
)
# Words of this library that Ray's callback has not, or with another meaning; and words that wandb.init has not.
NOT_OF_RAY = {"upload_checkpoints", "mask_secrets", "secret_names", "public_names", "metrics", "step_metric"}
NOT_OF_INIT = {
    *("upload_checkpoints", "upload_checkpoint", "api_key", "api_key_file", "excludes", "log_config", "run_id"),
    *("metrics", "step_metric"),
    *("run_name", "mask_secrets", "secret_names", "public_names"),
}

HEAD = """# When a mistake is found

Each cell was seen, not assumed ({versions}). `tests/test_mistakes.py` holds this page against what the type checkers,
this library and `wandb.init` report today; where a cell needs Tune (Ray's callback, and the last {around} lines),
`python -m benchmarks.mistakes` saw it in a real experiment.

- **editor**: mypy and pyright (standard) both show it in an *annotated* dict (`WandbConfigDict`), in the *builder*
  (`WandbSettings(...)`), or in the *call* of `WandbLogger`; mypy's *plugin* shows it in a raw dict without annotation.
- **construction**: `WandbSettings(...)` or `WandbLogger(...)` raises `WandbSettingsError`, with all mistakes at once.
  In a raw dict it ends `tune.run` or `Tuner.fit` **before the first trial** trains.
- **in the trial**: `wandb.init` raises where it is called, on the worker, one mistake at a time.
- **too late**: the experiment trains to its end as if all were well, and W&B has not its rows.
- **never**: nothing is ever reported. **-**: there is no such option, or types cannot tell.

| mistake | entry or call | editor | typed-tune-wandb | Ray's `WandbLoggerCallback` | `wandb.init` |
|---|---|---|---|---|---|
"""


def programs() -> dict[str, list[str]]:
    """For each way in, a program with a line for each mistake."""
    words = [", ".join(f"{key}={value!r}" for key, value in mistake.value().items()) for mistake in MISTAKES]
    named = [all(isinstance(key, str) for key in mistake.value()) for mistake in MISTAKES]
    return {
        "annotated": [f"entry_{i}: WandbConfigDict = {mistake.entry}" for i, mistake in enumerate(MISTAKES)],
        "builder": [f"WandbSettings({call})" if able else "" for call, able in zip(words, named, strict=True)],
        "plugin": [f'tune.Tuner("PPO", param_space={{"wandb": {mistake.entry}}})' for mistake in MISTAKES]
        + [f'tune.Tuner("PPO", param_space={around.config})' for around in AROUND],
        "call": [around.ours for around in AROUND],
    }


def in_editor(cache: Path, folder: Path) -> dict[str, str]:
    """For each mistake, the ways in by which the editor shows it."""
    lines = programs()
    files = [folder / f"{way}.py" for way in lines]
    for file in files:
        file.write_text(IMPORTS + "\n".join(lines[file.stem]), encoding="utf-8")
    mypy, pyright = (
        {(finding.file, finding.line) for finding in findings}
        for findings in (checkers.mypy(files, cache / "stubs"), checkers.pyright(files))
    )
    shown = {"annotated": mypy & pyright, "builder": mypy & pyright, "plugin": mypy, "call": mypy & pyright}

    def ways(**at: int) -> str:
        return ", ".join(way for way, index in at.items() if (f"{way}.py", index + 2) in shown[way])

    return {
        **{mistake.title: ways(annotated=i, builder=i, plugin=i) for i, mistake in enumerate(MISTAKES)},
        **{around.title: ways(call=i, plugin=len(MISTAKES) + i) for i, around in enumerate(AROUND)},
    }


def by_us(mistake: Mistake | Around) -> str:
    """When this library finds it at run time."""
    if isinstance(mistake, Around):
        return str(RECORD["seen"][mistake.title]["ours"].partition(":")[0])
    try:
        WandbSettings.from_dict(mistake.value())
    except WandbSettingsError:
        return "construction"
    return "never"


def by_ray(mistake: Mistake | Around) -> str:
    """When Ray's callback finds it."""
    seen = RECORD["seen"][mistake.title].get("ray", "")
    if not seen or (isinstance(mistake, Mistake) and NOT_OF_RAY & set(mistake.value())):
        return "-"
    if not seen.endswith(" rows"):
        stage, _, error = seen.partition(": ")
        return f"{stage} ({error})"
    kept, _, expected = seen.removesuffix(" rows").partition(" of ")
    return "never: recorded as if right" if kept == expected else f"too late: {kept} of {expected} rows kept"


def by_init(mistake: Mistake | Around) -> str:
    """When wandb.init by itself finds it."""
    seen = RECORD["seen"][mistake.title].get("init", "")
    if not seen or (isinstance(mistake, Mistake) and NOT_OF_INIT & set(mistake.value())):
        return "-"
    return "never: taken as if right" if seen == "takes it" else f"in the trial ({seen.removeprefix('raises ')})"


def source(mistake: Mistake | Around) -> str:
    """What a user wrote."""
    if isinstance(mistake, Mistake):
        return mistake.entry.replace(KEY, "...")
    if mistake.mode not in ("offline", "online", ""):
        return f"WANDB_MODE={mistake.mode}"
    return f"config={mistake.config}" if mistake.ours == "WandbLogger()" else mistake.ours


def page(editor: dict[str, str]) -> str:
    """The page, from the editor's column and all that was seen."""
    rows = []
    for mistake in (*MISTAKES, *AROUND):
        first = (mistake.title, f"`{source(mistake)}`", editor[mistake.title] or "-")
        rows.append((*first, by_us(mistake), by_ray(mistake), by_init(mistake)))
    versions = ", ".join(f"{name} {number}" for name, number in RECORD["versions"].items())
    head = HEAD.format(versions=versions, around=len(AROUND))
    return head + "".join(f"| {' | '.join(row)} |\n" for row in rows)


@pytest.fixture(scope="module")
def editor(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    assert pytestconfig.cache is not None
    return in_editor(pytestconfig.cache.mkdir("mypy"), tmp_path_factory.mktemp("editor"))


def test_the_page_is_what_is_seen(editor: dict[str, str]) -> None:
    """docs/mistakes.md says of every mistake what the type checkers and validation report today."""
    assert page(editor) == PAGE.read_text(encoding="utf-8")


def test_every_mistake_is_found_before_training(editor: dict[str, str]) -> None:
    """There are forty mistakes and more; none is found after a trial has begun, and types show what they can."""
    assert len(MISTAKES) + len(AROUND) >= 40
    assert {"construction", "before the first trial"} == {by_us(mistake) for mistake in (*MISTAKES, *AROUND)}
    assert [] == [mistake.title for mistake in MISTAKES if mistake.in_types and not editor[mistake.title]]


def test_a_right_entry_is_recorded() -> None:
    """What was seen of the others is their answer to the mistake: a right entry has all its rows there."""
    assert {"ray": "2 of 2 rows", "init": "takes it"} == RECORD["seen"][RIGHT]


@pytest.mark.skipif(RECORD["versions"]["wandb"] != version("wandb"), reason="the page is about another wandb")
@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.title)
def test_wandb_init(mistake: Mistake, monkeypatch: pytest.MonkeyPatch) -> None:
    """wandb.init does what the page says of it."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    wandb.teardown()  # wandb reads the environment once in a process: another test's may be there
    assert RECORD["seen"][mistake.title]["init"] == seen_by_init({"project": "mnist", **mistake.value()})


if __name__ == "__main__":
    PAGE.write_text(page(in_editor(Path(mkdtemp()), Path(mkdtemp()))), encoding="utf-8")
