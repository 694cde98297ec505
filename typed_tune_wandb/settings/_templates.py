"""Templates: ``name``, ``group``, ``job_type`` and ``tags`` that say something of the trial, such as ``{config[lr]}``.

They are written as for ``str.format``, but only the named fields are read, and of a config only items: no attribute, no
conversion. What may be wrong is found when the settings are made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from string import Formatter
from typing import Final

from attrs import frozen

from typed_tune_wandb.errors import Problem
from typed_tune_wandb.settings._wording import close_match, key_name

TEMPLATE_KEYS: Final = ("name", "run_name", "group", "job_type", "tags")
"""The keys of an entry whose texts are templates if they have a ``{``."""
_CONFIG: Final = "config"
_NAMES: Final = ("trainable", "experiment", "trial_id", "trial_name")
_FIELDS: Final = (*_NAMES, _CONFIG)
_ENTRY_STEPS: Final = (("wandb",), ("logger_config", "wandb"))
_KEYS: Final = r"(?:\[[^\[\]{}]+\])+"
_CONFIG_FIELD: Final = re.compile(rf"{_CONFIG}({_KEYS})")
_STEP: Final = re.compile(r"\[([^\[\]]+)\]")
# Python's format specification; wider than any name may be is a mistake.
_SPEC: Final = r"(?:[^{}]?[<>=^])?[-+ ]?z?#?0?(?:1[01][0-9]|12[0-8]|[0-9]{0,2})[_,]?(?:\.[0-9]{1,2})?[a-zA-Z%]?"
# What a redacted value looks like, in a config as it is recorded.
_MASK: Final = re.compile(r"\*\*\*[0-9a-f]{6}")
TEMPLATE_PATTERN: Final = (
    rf"^(?:[^{{}}]|\{{\{{|\}}\}}|\{{(?:{'|'.join(_NAMES)}|{_CONFIG}{_KEYS})(?::{_SPEC})?\}})*(?![\s\S])"
)
"""What templates are right, for JSON Schema; it does not say which format suits which field."""


@frozen
class TemplateValues:
    """What the fields of a template stand for.

    Attributes:
        names: ``trainable``, ``experiment``, ``trial_id`` and ``trial_name``, as far as they are known.
        config: The run's config as it is recorded: without the W&B entry, secrets redacted.
    """

    names: Mapping[str, str | None]
    config: Mapping[str, object]


class UnfilledError(ValueError):
    """A template cannot be filled for a trial; the text says why, and shows no value."""


@frozen
class _Part:
    """A text and the field after it, if there is one."""

    text: str
    field: str | None = None
    spec: str = ""

    @property
    def steps(self) -> tuple[str, ...]:
        """The keys into the config; none for another field."""
        return tuple(_STEP.findall(self.field or ""))


def is_template(text: str | None) -> bool:
    """Return whether a text is a template: whether it has a ``{``."""
    return text is not None and "{" in text


def as_literal(text: str) -> str:
    """Return the template that becomes a text itself.

    Example:
        >>> from typed_tune_wandb.settings._templates import as_literal
        >>> as_literal("run {1}"), as_literal("run 1}")
        ('run {{1}}', 'run 1}')
    """
    return text.replace("{", "{{").replace("}", "}}") if is_template(text) else text


def check_templates(entry: Mapping[str, object]) -> Iterator[Problem]:
    """Yield every mistake in the templates of an entry.

    Args:
        entry: Keys of an entry and their values; values of wrong types are skipped.
    """
    for key in TEMPLATE_KEYS:
        value = entry.get(key)
        items = enumerate(value) if isinstance(value, (list, tuple)) else ()
        texts = {key: value, **{f"{key}[{index}]": item for index, item in items}}
        for path, text in texts.items():
            if isinstance(text, str) and is_template(text):
                for message, suggestion in _mistakes(text):
                    yield Problem(path, message, suggestion)


def fill(template: str, values: TemplateValues, secret: str | None = None) -> str:
    """Return the text that a valid template stands for, in one line.

    Args:
        template: A template without mistakes.
        values: What its fields stand for.
        secret: A text that no value may have in it, such as the API key.

    Raises:
        UnfilledError: A field has no value, or one that may not be shown, or its format does not suit it.

    Example:
        >>> from typed_tune_wandb.settings._templates import TemplateValues, fill
        >>> fill("{trainable}-lr{config[lr]:.0e}", TemplateValues({"trainable": "train"}, {"lr": 0.01}))
        'train-lr1e-02'
    """
    filled = ""
    for part in _parts(template):
        filled += part.text if part.field is None else part.text + _shown(part, values, secret)
    if not filled.strip():
        raise UnfilledError("the text is empty.")
    return filled


def _shown(part: _Part, values: TemplateValues, secret: str | None) -> str:
    name = _field_name(part.field or "")
    value = _item(values.config, part.steps, name) if part.steps else values.names.get(str(part.field))
    if value is None and not part.steps:
        raise UnfilledError(f"{name} is not known here.")
    whole = str(value)
    if _MASK.search(whole) or (secret and secret in whole):
        raise UnfilledError(f"{name} is a secret.")
    try:
        text = format(value, part.spec)
    except (ValueError, TypeError, OverflowError):
        raise UnfilledError(f"the value of {name} has another type than its format is for.") from None
    return "".join(char if char.isprintable() else " " for char in text)


def _item(config: object, steps: tuple[str, ...], name: str) -> object:
    """Return an item of the config: each step is a key, or a path of keys with ``/``, or an index of a list."""
    for step in steps:
        whole = isinstance(config, Mapping) and step in config
        for key in [step] if whole else step.split("/"):
            if isinstance(config, Mapping) and key in config:
                config = config[key]
            elif isinstance(config, list) and re.fullmatch("[0-9]{1,9}", key) and int(key) < len(config):
                config = config[int(key)]
            else:
                raise UnfilledError(f"{name} is not in the run's config.")
    return config


def _parts(template: str) -> list[_Part]:
    if not is_template(template):
        return [_Part(template)]
    return [_Part(text, field, spec or "") for text, field, spec, _ in Formatter().parse(template)]


def _mistakes(template: str) -> Iterator[tuple[str, str | None]]:
    """Yield every mistake in a template: a message, and what was probably meant."""
    try:
        parsed = list(Formatter().parse(template))
    except ValueError:
        yield "has a single { or }: write {{ and }} for braces.", None
        return
    for _, field, spec, conversion in parsed:
        if field is None:
            continue
        wrong = _wrong_field(field)
        if wrong is not None:
            yield wrong
        elif conversion is not None:
            name = _field_name(field)
            yield f"converts {name}, by an exclamation mark: leave that out.", None
        elif not _suits(field, spec or ""):
            yield f"has a format for {_field_name(field)} that suits no value, or is wider than a name.", None


def _wrong_field(field: str) -> tuple[str, str | None] | None:
    """Return what is wrong with a field, and what was probably meant; None if it is right."""
    if field in _NAMES:
        return None
    if match := _CONFIG_FIELD.fullmatch(field):
        return _wrong_keys([step for key in _STEP.findall(match[1]) for step in key.split("/")])
    name, rest = re.split(r"(?=[.\[])|$", field, maxsplit=1)
    if name not in _FIELDS:
        return _unknown_field(name)
    if name != _CONFIG:
        return f"reads a part of {name}, which has none.", f'"{{{name}}}"'
    if rest.startswith(".") and "[" not in rest:
        return "reads an attribute of config: its items alone are read.", _config_field(rest.split(".")[1:])
    return "has a field of config that cannot be read: write {config[key]}, or {config[outer][inner]}.", None


def _wrong_keys(steps: list[str]) -> tuple[str, str | None] | None:
    if any(tuple(steps[: len(entry)]) == entry for entry in _ENTRY_STEPS):
        return "reads the W&B entry of the config, which is in no name.", None
    unquoted = [step.strip("\"'") for step in steps]
    return None if unquoted == steps else ("has a key in quotes: it needs none.", _config_field(unquoted))


def _config_field(keys: list[str]) -> str | None:
    """Return the field of config with these keys, as a suggestion; None if they are none to be shown."""
    shown = all(key_name(key) == key and not key.startswith("__") for key in keys)
    return f'"{{{_CONFIG}{"".join(f"[{key}]" for key in keys)}}}"' if shown else None


def _unknown_field(name: str) -> tuple[str, str | None]:
    known = f"{', '.join(_NAMES)} and config[...]"
    if not name.isidentifier():
        return f"has braces around something else than a field ({known}): write {{{{ and }}}} for braces.", None
    meant = close_match(name, _NAMES)
    suggestion = f'"{{{meant}}}"' if meant else _config_field([name])
    return f"has an unknown field, {key_name(name)}. There are {known}.", suggestion


def _suits(field: str, spec: str) -> bool:
    """Return whether a format specification suits a field: of the config, one of the types that a value may have."""
    if not re.fullmatch(_SPEC, spec):
        return False
    return any(_can_format(value, spec) for value in (("a",) if field in _NAMES else ("a", 1, 1.0)))


def _can_format(value: object, spec: str) -> bool:
    try:
        format(value, spec)
    except (ValueError, OverflowError):
        return False
    return True


def _field_name(field: str) -> str:
    """Return a field as a message may show it."""
    keys = [key if all(map(_is_shown, key.split("/"))) else "..." for key in _STEP.findall(field)]
    return field.partition("[")[0] + "".join(f"[{key}]" for key in keys)


def _is_shown(step: str) -> bool:
    return key_name(step) == step or re.fullmatch("[0-9]{1,4}", step) is not None
