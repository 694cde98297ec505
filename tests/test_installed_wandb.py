"""Validation knows the parameters of the installed wandb.init, without an import of wandb."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, ForwardRef, Literal, Union, get_args, get_origin, get_type_hints

import pytest
import wandb

from typed_tune_wandb import WandbConfigDict, WandbInitKwargs, WandbSettings
from typed_tune_wandb.settings import _types as types_module

ROOT = Path(__file__).parents[1]


def python(code: str, *paths: Path) -> str:
    """What a fresh Python with these folders first on its path prints."""
    path = os.pathsep.join(map(str, [*paths, ROOT]))
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=60
    )
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout.strip()


def fake_wandb(folder: Path, stub: str | None) -> Path:
    """An installed wandb 99.0 that nobody may import, with a stub of its own."""
    (folder / "wandb").mkdir()
    (folder / "wandb" / "__init__.py").write_text("raise RuntimeError('wandb was imported')")
    if stub is not None:
        (folder / "wandb" / "__init__.pyi").write_text(stub)
    (folder / "wandb-99.0.dist-info").mkdir()
    (folder / "wandb-99.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: wandb\nVersion: 99.0\n")
    return folder


def arms(annotation: Any) -> set[str]:
    """The arms of an annotation by name: those of unions and the values of a Literal one by one."""
    if get_origin(annotation) is Union or get_origin(annotation) is type(int | str):
        return {arm for inner in get_args(annotation) for arm in arms(inner)}
    if get_origin(annotation) is Literal:
        return {arm for word in get_args(annotation) for arm in ({"None"} if word is None else {repr(word)})}
    if annotation is type(None):
        return {"None"}
    if isinstance(annotation, ForwardRef):
        return {annotation.__forward_arg__.rpartition("os.")[2]}
    name = str(annotation) if get_args(annotation) else annotation.__name__
    for module in ("collections.abc.", "typing_extensions.", "typing.", "os.", "wandb."):
        name = name.replace(module, "")
    # Any of wandb's is an object of ours: it is checked where it is used.
    return {name.replace("Any", "object")}


def test_new_parameter_passes(tmp_path: Path) -> None:
    """A parameter that the installed wandb has and this library does not know reaches wandb.init."""
    new = fake_wandb(
        tmp_path, "def init(project: str | None = None, sparkle: int = 0, *, glow: int = 0) -> object: ..."
    )
    code = (
        "from typed_tune_wandb import WandbSettings as S; import attrs;"
        "s = S(project='a', sparkle=3); assert s == S.from_dict(s.to_config()) == attrs.evolve(s);"
        "print(s.init_kwargs(), s.merged_with({'glow': 1}).init_kwargs())"
    )
    passed = {"project": "a", "sparkle": 3}
    assert f"{passed} { {**passed, 'glow': 1} }" == python(code, new)


def test_parameter_it_lacks(tmp_path: Path) -> None:
    """A parameter that the installed wandb lacks is an error with the version that it needs."""
    old = fake_wandb(tmp_path, "def init(project: str | None = None) -> object: ...")
    code = (
        "from typed_tune_wandb import WandbSettings, WandbSettingsError\n"
        "try: WandbSettings(project='a', fork_from='b?_step=1', run_name='c', sparkle=1)\n"
        "except WandbSettingsError as error: print('|'.join(map(str, error.problems)))"
    )
    expected = [
        "fork_from: wandb 99.0 has no such parameter: it needs wandb 0.16.5 or newer.",
        "run_name: wandb 99.0 has no such parameter: it needs an older wandb.",
        "sparkle: unknown key.",
    ]
    assert expected == python(code, old).split("|")


@pytest.mark.parametrize("stub", [None, "from wandb.sdk import init"])
def test_no_stub_to_read(tmp_path: Path, stub: str | None) -> None:
    """Where there is nothing to read, the known parameters pass and the unknown are unknown."""
    silent = fake_wandb(tmp_path, stub)
    code = (
        "from typed_tune_wandb import WandbSettings as S, WandbSettingsError\n"
        "print(S(project='a', fork_from='b?_step=1').project)\n"
        "try: S(sparkle=1)\n"
        "except WandbSettingsError as error: print(error.problems[0])"
    )
    assert "a\nsparkle: unknown key." == python(code, silent)


# Not in WandbInitKwargs: dead.
DEAD = frozenset({"anonymous"})
# What wandb takes and this library does not, each with its reason.
REFUSED = {
    "resume": {"bool"},  # deprecated by wandb, and picks another trial's run
    "reinit": {"bool"},  # deprecated by wandb, and finishes all live runs
    "tags": {"Sequence[str]"},  # a str is one: "abc" would be three tags
}
INSTEAD = {"tags": {"list[str]", "tuple[str, ...]"}}
if "'shared'" not in arms(inspect.signature(wandb.init, eval_str=True).parameters["mode"].annotation):
    INSTEAD["mode"] = {"'shared'"}  # taken by wandb before 0.21.1, too, where the signature does not say so


def test_every_parameter_with_its_type() -> None:
    """WandbInitKwargs is the installed wandb.init, less the dead and the refused parameters named here."""
    theirs = inspect.signature(wandb.init, eval_str=True).parameters
    ours = get_type_hints(WandbInitKwargs)
    assert set(theirs) - DEAD == set(ours)
    for name, annotation in ours.items():
        expected = arms(theirs[name].annotation) - REFUSED.get(name, set()) | INSTEAD.get(name, set())
        assert (name, expected) == (name, arms(annotation))


def test_class_and_dict_agree() -> None:
    """The class has a field for each option of the entry, of the same type but for what it holds instead."""
    fields = {name: arms(hint) for name, hint in get_type_hints(WandbSettings).items() if name[0] != "_"}
    assert set(get_type_hints(WandbConfigDict)) - set(types_module.ALIASES) == set(fields) - {"extra"}
    held = {"api_key", "excludes", "metrics", "log_config", "mask_secrets", "tags", "config"}
    held |= {"secret_names", "public_names"}
    for name, annotation in get_type_hints(WandbConfigDict).items():
        if name not in held and name in fields:
            assert (name, arms(annotation)) == (name, fields[name])
