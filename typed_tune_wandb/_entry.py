"""The raw W&B entry: its keys, their types, and the one gate that it passes or fails.

Knows no wandb at run time: an entry is checked in microseconds, with no import and no network.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

from cattrs.errors import ClassValidationError
from typing_extensions import TypedDict

from typed_tune_wandb._secret import Secret
from typed_tune_wandb._strict import key_name, problems_in, strict_converter
from typed_tune_wandb.errors import Problem, WandbSettingsError

if TYPE_CHECKING:
    from wandb import Settings

    InitSettings: TypeAlias = Settings
else:

    class _InstanceOfWandbSettings(type):
        def __instancecheck__(cls, value: object) -> bool:
            # Who holds an instance has imported wandb: nobody else has to.
            wandb = sys.modules.get("wandb")
            return wandb is not None and isinstance(value, wandb.Settings)

    class InitSettings(metaclass=_InstanceOfWandbSettings):
        """Stands for ``wandb.Settings``, which only a type checker may import here."""

    InitSettings.__name__ = "wandb.Settings"

Mode = Literal["online", "offline", "disabled", "shared"]
Resume = Literal["allow", "never", "must", "auto"]
Reinit = Literal["default", "return_previous", "finish_previous", "create_new"]
StrPath = str | os.PathLike[str]


class WandbInitKwargs(TypedDict, total=False):
    """The parameters of ``wandb.init`` (0.31) that are not dead, with the types that this library hands on.

    ``anonymous`` is dead: it does nothing in wandb any more. Boolean ``resume`` and ``reinit`` are deprecated
    there, and dangerous with several runs in a process: they are mistakes here.
    """

    entity: str | None
    project: str | None
    dir: StrPath | None
    id: str | None
    name: str | None
    notes: str | None
    tags: list[str] | tuple[str, ...] | None
    config: dict[str, object] | str | None
    config_exclude_keys: list[str] | None
    config_include_keys: list[str] | None
    allow_val_change: bool | None
    group: str | None
    job_type: str | None
    mode: Mode | None
    force: bool | None
    reinit: Reinit | None
    resume: Resume | None
    resume_from: str | None
    fork_from: str | None
    save_code: bool | None
    tensorboard: bool | None
    sync_tensorboard: bool | None
    monitor_gym: bool | None
    settings: InitSettings | dict[str, object] | None


class WandbConfigDict(WandbInitKwargs, total=False):
    """The raw entry under ``config["wandb"]``: what :class:`WandbSettings` takes, as a dict.

    ``run_id`` and ``run_name`` are the documented page's names for ``id`` and ``name``.
    """

    api_key: str | Secret | None
    api_key_file: StrPath | None
    excludes: list[str] | tuple[str, ...] | None
    log_config: bool | None
    run_id: str | None
    run_name: str | None


LOGGER_FIELDS: Final = ("api_key", "api_key_file", "excludes", "log_config")
"""The half of the entry that never reaches ``wandb.init``."""

# Words of which one alone can hold.
ALTERNATIVES: Final = (("api_key", "api_key_file"), ("resume", "resume_from", "fork_from"))

ALIASES: Final = {"run_id": "id", "run_name": "name"}
_NAMES: Final = (
    *("api_key", "api_key_file", "entity", "project", "dir", "id", "name", "group", "job_type"),
    *("resume_from", "fork_from", "run_id", "run_name"),
)
_MOMENT: Final = re.compile(r"[^?]+\?_step=\d+")
# The first wandb release with each parameter that came late (wandb's changelog); the others only ever go.
_SINCE: Final = {"fork_from": "0.16.5", "resume_from": "0.17.1"}
_DEAD: Final = frozenset({"anonymous"})
_ADVICE: Final = {
    ("resume", "bool"): '"allow"',
    ("reinit", "bool"): '"create_new"',
    ("tags", "str"): '["..."]',
    ("excludes", "str"): '["..."]',
}

_INIT_PARAMETERS: Final = frozenset(WandbInitKwargs.__annotations__)
KNOWN: Final = tuple(dict.fromkeys([*WandbInitKwargs.__annotations__, *WandbConfigDict.__annotations__]))
_STRICT: Final = strict_converter(Secret, InitSettings)


def gate(fields: Mapping[Any, object], source: str) -> tuple[dict[str, object], dict[str, object]]:
    """Check an entry; what passes needs no check ever after.

    Args:
        fields: The keys and values as they were given. None means: not said.
        source: What an error calls the entry.

    Returns:
        The fields that were said, under the names of :class:`~typed_tune_wandb.WandbSettings`; and the parameters
        that the installed ``wandb.init`` has and this library does not know.

    Raises:
        WandbSettingsError: With every mistake at once.
    """
    said: dict[object, object] = {key: value for key, value in fields.items() if value is not None}
    _move_key_out_of_settings(said)
    unknown = [key for key in said if isinstance(key, str) and key not in KNOWN and key not in _DEAD]
    extra = {key: said.pop(key) for key in unknown if key in _installed_parameters()}
    entry, problems = _structured(said)
    problems += _broken_rules(entry, {key for key in said if isinstance(key, str)})
    if problems:
        order = {key_name(key): position for position, key in enumerate(fields)}
        problems.sort(key=lambda problem: order.get(_top_key(problem.path), len(order)))
        raise WandbSettingsError(problems, source)
    return {ALIASES.get(key, key): value for key, value in entry.items()}, extra


def _structured(said: Mapping[object, object]) -> tuple[dict[str, object], list[Problem]]:
    """The values that are of their types, and the problems of the others."""
    named = {key: value for key, value in said.items() if isinstance(key, str)}
    problems = [Problem(key_name(key), "expected keys of type str.") for key in said if key not in named]
    for dead in named.keys() & _DEAD:
        problems.append(Problem(dead, "does nothing in wandb any more: remove it."))
        del named[dead]
    error: ClassValidationError | None = None
    try:
        named = cast("dict[str, object]", _STRICT.structure(named, WandbConfigDict))
    except ClassValidationError as caught:
        error = caught
    # Outside the except block: no __context__ carries the input into a traceback.
    if error is not None:
        found = [*problems_in(error, KNOWN)]
        wrong = {_top_key(problem.path) for problem in found}
        named = {key: value for key, value in named.items() if key in KNOWN and key not in wrong}
        problems += [_advised(problem, said) for problem in found]
    return named, problems


def _advised(problem: Problem, said: Mapping[object, object]) -> Problem:
    """The problem, with a suggestion where the type alone tells what was meant."""
    advice = _ADVICE.get((problem.path, type(said.get(problem.path)).__name__))
    return Problem(problem.path, problem.message, advice) if advice else problem


def _broken_rules(entry: Mapping[str, object], said: set[str]) -> Iterator[Problem]:
    """What types alone do not say: of the values whose types are right, and of the keys together."""
    for name in _NAMES:
        text = entry.get(name)
        if isinstance(text, str) and not text.strip():
            yield Problem(name, "expected a name, got an empty str: leave it out instead.")
    for name in ("project", "id", "run_id"):
        text = entry.get(name)
        if isinstance(text, str) and text.strip():
            yield from _bad_characters(name, text)
    for index, tag in enumerate(cast("tuple[str, ...]", entry.get("tags") or ())):
        if not 1 <= len(tag) <= 64:
            yield Problem(f"tags[{index}]", f"expected 1 to 64 characters, got {len(tag)}.")
    for index, pattern in enumerate(cast("tuple[str, ...]", entry.get("excludes") or ())):
        if not pattern:
            yield Problem(f"excludes[{index}]", "expected a key or a glob, got an empty str.")
    for name in ("resume_from", "fork_from"):
        text = entry.get(name)
        if isinstance(text, str) and text.strip():
            if not _MOMENT.fullmatch(text):
                yield Problem(name, "expected a moment of a run.", '"{run id}?_step={step}"')
            elif name == "fork_from" and text.split("?")[0] in (entry.get("id"), entry.get("run_id")):
                yield Problem(name, "a fork needs an id of its own: this is the run's own id.")
    for alternatives in (*ALTERNATIVES, *((new, old) for old, new in ALIASES.items())):
        both = [name for name in alternatives if name in said]
        if len(both) > 1:
            yield Problem(both[-1], f"{' and '.join(both)} exclude each other: keep one.")
    if _key_inside(entry.get("settings")) is not None:
        yield Problem("settings.api_key", "api_key is given here and beside settings: keep one.")
    lacking = {name for name in said if ALIASES.get(name, name) in _INIT_PARAMETERS - _installed_parameters()}
    for name in sorted(lacking):
        needed = f"wandb {_SINCE[name]} or newer" if name in _SINCE else "an older wandb"
        yield Problem(name, f"wandb {version('wandb')} has no such parameter: it needs {needed}.")


def _bad_characters(name: str, text: str) -> Iterator[Problem]:
    # The union of what the client refuses and what the documentation of wandb.init forbids.
    refused, longest = (r"/\#?%:", 128) if name == "project" else (r"/\#?%:;,'", 128)
    if set(text) & set(refused):
        yield Problem(name, f"has a character that W&B refuses: none of {' '.join(refused)} is allowed.")
    if text != text.strip():
        yield Problem(name, "starts or ends with white space.")
    if len(text) > longest:
        yield Problem(name, f"expected at most {longest} characters, got {len(text)}.")


def _top_key(path: str) -> str:
    return re.split(r"[.\[]", path)[0]


def _move_key_out_of_settings(said: dict[Any, object]) -> None:
    """A key inside ``settings`` is the same word as ``api_key``, and only that one is never shown."""
    settings = said.get("settings")
    key = _key_inside(settings)
    if key is None or "api_key" in said:
        return
    said["api_key"] = key
    if isinstance(settings, InitSettings):
        said["settings"] = settings.model_copy(update={"api_key": None})
    elif isinstance(settings, Mapping):
        said["settings"] = {name: value for name, value in settings.items() if name != "api_key"}


def hide_key(entry: dict[str, object]) -> bool:
    """Put a hidden key in the place of a readable one in a raw entry, right or wrong; whether there was one."""
    said = dict(entry)
    _move_key_out_of_settings(said)
    key = said.get("api_key")
    if not isinstance(key, str):
        return False
    entry.update({"settings": said["settings"]} if "settings" in said else {}, api_key=Secret(key))
    return True


def _key_inside(settings: object) -> object:
    if isinstance(settings, Mapping):
        return settings.get("api_key")
    return settings.api_key if isinstance(settings, InitSettings) else None


@cache
def _installed_parameters() -> frozenset[str]:
    """The parameters of the installed ``wandb.init``, read off its type stub: that needs no import of wandb."""
    package = find_spec("wandb")
    stub = Path(package.origin).with_suffix(".pyi") if package and package.origin else None
    tree = ast.parse(stub.read_text(encoding="utf-8") if stub and stub.is_file() else "")
    found = frozenset(
        argument.arg
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name == "init"
        for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
    )
    # Where there is nothing to read, what this library knows has to do.
    return found or _INIT_PARAMETERS
