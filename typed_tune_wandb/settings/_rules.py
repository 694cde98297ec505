"""Rules for the values of an entry that types do not express: lengths, characters, and what excludes what."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from typed_tune_wandb.errors import Problem
from typed_tune_wandb.settings._templates import check_templates, is_template
from typed_tune_wandb.settings._types import ALIASES, MUTUALLY_EXCLUSIVE

MAX_NAME_CHARS: Final = 128
"""The limit of W&B's server for the project, the id, the name and the group of a run, and for an artifact's name."""
MAX_JOB_TYPE_CHARS: Final = 64
"""The limit of W&B's server for the job type of a run."""
MAX_TAG_CHARS: Final = 64
# What the client refuses, and what the documentation of wandb.init forbids.
FORBIDDEN_CHARS: Final = {"project": r"/\#?%:", "entity": r"/\#?%:", "id": r"/\#?%:;,'", "run_id": r"/\#?%:;,'"}
NON_EMPTY_KEYS: Final = {
    *("api_key", "api_key_file", "entity", "project", "dir", "id", "name", "group", "job_type"),
    *("resume_from", "fork_from", "run_id", "run_name", "step_metric"),
}
ONE_LINE_KEYS: Final = {"entity", "project", "dir", "id", "run_id", "api_key_file"}
NAME_LISTS: Final = ("secret_names", "public_names")
PATTERN_LISTS: Final = ("excludes", "metrics")
_LISTS: Final = ("tags", *PATTERN_LISTS, *NAME_LISTS)
REWIND_PATTERN: Final = re.compile(r"[^?]+\?_step=[0-9]+")


def check_values(entry: Mapping[str, object], *, templates: bool = False) -> Iterator[Problem]:
    """Yield the mistakes in values that have the right types; values of other types are skipped.

    Args:
        entry: Keys of an entry and their values.
        templates: Whether a text with a ``{`` is a template, which may be longer than the tag that is made of it.
    """
    if templates:
        yield from check_templates(entry)
    for name, value in entry.items():
        if isinstance(value, str):
            yield from _check_text(name, value, entry)
        elif isinstance(value, (list, tuple)) and name in _LISTS:
            yield from _check_items(name, value, templates=templates)


def check_exclusive_keys(given: Collection[str]) -> Iterator[Problem]:
    """Yield a problem for each group of given keys that exclude each other.

    Args:
        given: The keys of an entry.
    """
    for alternatives in (*MUTUALLY_EXCLUSIVE, *((new, old) for old, new in ALIASES.items())):
        both = [name for name in alternatives if name in given]
        if len(both) > 1:
            yield Problem(both[-1], f"{' and '.join(both)} exclude each other: keep one.")


def _check_text(name: str, text: str, entry: Mapping[str, object]) -> Iterator[Problem]:
    if (wrong := _wrong_character(name, text)) is not None:
        yield Problem(name, wrong)
    elif name not in NON_EMPTY_KEYS:
        return
    elif not text.strip():
        yield Problem(name, "expected a name, got an empty str: leave it out instead.")
    elif name == "step_metric" and "*" in text:
        yield Problem(name, "expected one key, got a glob.")
    elif name in FORBIDDEN_CHARS:
        yield from _check_charset(name, text)
    elif name in ("resume_from", "fork_from"):
        if not REWIND_PATTERN.fullmatch(text):
            yield Problem(name, "expected a moment of a run.", '"{run id}?_step={step}"')
        elif name == "fork_from" and text.split("?")[0] in (entry.get("id"), entry.get("run_id")):
            yield Problem(name, "a fork needs an id of its own: this is the run's own id.")


def has_lone_surrogate(text: str) -> bool:
    """Return whether UTF-8 cannot encode a text: a byte of a variable that is no UTF-8 becomes such a character."""
    return any("\ud800" <= char <= "\udfff" for char in text)


def _wrong_character(name: str, text: str) -> str | None:
    if not text.isprintable():
        if has_lone_surrogate(text):
            return "has a character that UTF-8 cannot encode (a lone surrogate)."
        if name in ONE_LINE_KEYS and any(unicodedata.category(char) == "Cc" for char in text):
            return "has a control character, such as a line break."
    return None


def _check_charset(name: str, text: str) -> Iterator[Problem]:
    forbidden = FORBIDDEN_CHARS[name]
    if set(text) & set(forbidden):
        yield Problem(name, f"has a character that W&B refuses: none of {' '.join(forbidden)} is allowed.")
    if text != text.strip():
        yield Problem(name, "starts or ends with white space.")
    if len(text) > MAX_NAME_CHARS:
        yield Problem(name, f"expected at most {MAX_NAME_CHARS} characters, got {len(text)}.")


def _check_items(name: str, items: list[object] | tuple[object, ...], *, templates: bool) -> Iterator[Problem]:
    for index, item in enumerate(items):
        if not isinstance(item, str):
            continue
        if (wrong := _wrong_character(name, item)) is not None:
            yield Problem(f"{name}[{index}]", wrong)
            continue
        if name == "tags" and templates and is_template(item):
            continue
        if name == "tags" and not 1 <= len(item) <= MAX_TAG_CHARS:
            yield Problem(f"tags[{index}]", f"expected 1 to {MAX_TAG_CHARS} characters, got {len(item)}.")
        elif name in PATTERN_LISTS and not item:
            yield Problem(f"{name}[{index}]", "expected a key or a glob, got an empty str.")
        elif name in NAME_LISTS and (not item.strip() or "/" in item):
            found = "a path" if item.strip() else "an empty str"
            yield Problem(f"{name}[{index}]", f"expected the name of a key or a glob, got {found}.")
