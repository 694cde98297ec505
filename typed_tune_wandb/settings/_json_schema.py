"""The JSON Schema of an entry, made of what validation itself reads: the types, the rules, and wandb's own settings."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import combinations, pairwise, permutations
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from typed_tune_wandb.settings._installed_wandb import (
    init_parameters,
    installed_version,
    missing_parameters,
    settings_fields,
)
from typed_tune_wandb.settings._model import WandbSettings
from typed_tune_wandb.settings._rules import (
    FORBIDDEN_CHARS,
    MAX_NAME_CHARS,
    MAX_TAG_CHARS,
    NAME_LISTS,
    NON_EMPTY_KEYS,
    ONE_LINE_KEYS,
    PATTERN_LISTS,
    REWIND_PATTERN,
)
from typed_tune_wandb.settings._templates import TEMPLATE_KEYS, TEMPLATE_PATTERN
from typed_tune_wandb.settings._types import (
    ALIASES,
    ALL_KEYS,
    CONTINUATION_KEYS,
    MUTUALLY_EXCLUSIVE,
    NESTED_NAMES,
    WandbConfigDict,
)

Schema = dict[str, Any]

SCHEMA_DIFFERENCES: Final = (
    "whole numbers that are written with a fraction (1.0) where an int is expected: the schema takes them",
    "the format in a template's field, and that no field reads the W&B entry: the schema takes some that do not suit",
    "a fork_from that names the run's own id: the schema takes it",
    "lone surrogates (characters that UTF-8 cannot encode): the schema takes them",
    "search values ({grid_search: [...]}): the schema is that of a trial's entry, and takes none",
    "what wandb itself checks before the first trial, such as whether base_url is a URL: the schema takes any text",
)
"""In what the schema and the validation of an entry differ."""

# What str.strip() takes for white space, and the control characters; spelled out, since dialects of patterns differ.
_BLANK: Final = r"\t-\r\u001c-\u001f \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_CONTROL: Final = r"\u0000-\u001f\u007f-\u009f"
_SCALARS: Final[dict[object, str]] = {str: "string", bool: "boolean", int: "integer", float: "number", NoneType: "null"}
_ANYTHING_BUT_NULL: Final[Schema] = {"not": {"type": "null"}}


def entry_schema() -> Schema:
    """Return the JSON Schema (2020-12) of an entry: of what a file can say under ``"wandb"``.

    It is made for the installed wandb, whose parameters and settings are in it.
    """
    types = get_type_hints(WandbConfigDict)
    properties: Schema = {key: _with_templates(key, _with_rules(key, _of_type(types[key]))) for key in ALL_KEYS}
    properties["settings"] = {"anyOf": [_nested(), {"type": "null"}]}
    properties |= {key: {"type": "null"} for key in missing_parameters()}
    properties |= {key: {} for key in sorted(init_parameters() - properties.keys() - {"anonymous"})}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A W&B entry of typed-tune-wandb",
        "description": (
            f"What stands under wandb in a Ray Tune config, for wandb {installed_version()}. It says what "
            f"typed-tune-wandb's validation says, but for: {'; '.join(SCHEMA_DIFFERENCES)}."
        ),
        "type": "object",
        "properties": {key: _described(key, schema) for key, schema in properties.items()},
        "additionalProperties": {"type": "null"},  # a value of None counts as not given, under any key
        "allOf": [*_exclusions()],
    }


def _of_type(annotation: Any) -> Schema:
    """Return the schema of the values of a type that JSON can express."""
    origin = get_origin(annotation) or annotation
    if origin in (Union, UnionType):
        members = [schema for schema in map(_of_type, get_args(annotation)) if schema is not _INEXPRESSIBLE]
        different = [schema for index, schema in enumerate(members) if schema not in members[:index]]
        return different[0] if len(different) == 1 else {"anyOf": different}
    if origin is Literal:
        return {"enum": sorted(get_args(annotation))}  # typing's caches may give the choices in another order
    if origin in _SCALARS:
        return {"type": _SCALARS[origin]}
    if origin in (list, Sequence):
        return {"type": "array", "items": _of_type(get_args(annotation)[0])}
    if origin in (dict, Mapping):
        value = get_args(annotation)[1]
        return {"type": "object"} if value is object else {"type": "object", "additionalProperties": _of_type(value)}
    return _INEXPRESSIBLE


_INEXPRESSIBLE: Final[Schema] = {"not": {}}
"""Of a type that no file has: a tuple, a path, a Secret, a ``wandb.Settings``."""


def _with_rules(key: str, schema: Schema) -> Schema:
    """Return the schema of the values under a key that also keep the key's rules."""
    if key in ("tags", *PATTERN_LISTS, *NAME_LISTS):
        return {**schema, "if": {"type": "array"}, "then": {"items": _item_rules(key)}}
    rules = _text_rules(key)
    return {**schema, "if": {"type": "string"}, "then": rules} if rules else schema


def _text_rules(key: str) -> Schema:
    refused: list[str] = []
    rules: Schema = {}
    if key in ONE_LINE_KEYS:
        refused.append(f"[{_CONTROL}]")
    if key in NON_EMPTY_KEYS:
        rules["pattern"] = f"[^{_BLANK}]"
    if key in FORBIDDEN_CHARS:
        forbidden = FORBIDDEN_CHARS[key].replace("\\", r"\\")
        refused += [f"[{forbidden}]", f"^[{_BLANK}]", f"[{_BLANK}]$"]
        rules["maxLength"] = MAX_NAME_CHARS
    if key == "step_metric":
        refused.append(r"\*")
    if key in ("resume_from", "fork_from"):
        rules["pattern"] = rf"^{REWIND_PATTERN.pattern}(?![\s\S])"
    if refused:
        rules["not"] = {"pattern": "|".join(refused)}
    return rules


def _item_rules(key: str) -> Schema:
    if key in NAME_LISTS:
        return {"pattern": f"[^{_BLANK}]", "not": {"pattern": "/"}}
    return {"minLength": 1, "maxLength": MAX_TAG_CHARS} if key == "tags" else {"minLength": 1}


def _with_templates(key: str, schema: Schema) -> Schema:
    """Return the schema of an entry's key that may hold templates; those inside ``settings`` hold none."""
    template: Schema = {"if": {"pattern": r"\{"}, "then": {"pattern": TEMPLATE_PATTERN}}
    if key == "tags":
        return {**schema, "then": {"items": {**template, "else": _item_rules(key)}}}
    return {**schema, "then": {**schema["then"], "allOf": [template]}} if key in TEMPLATE_KEYS else schema


def _nested() -> Schema:
    """Return the schema of ``settings``: the fields of the installed ``wandb.Settings``."""
    properties: Schema = {}
    for name, annotation in settings_fields().items():
        schema = {} if annotation is None else _of_type(annotation)
        properties[name] = _with_rules(NESTED_NAMES.get(name, name), schema)
        if name.startswith("x_"):
            properties[name.removeprefix("x")] = properties[name]  # the names of older versions
    return {"type": "object", "properties": properties, "additionalProperties": not properties}


def _exclusions() -> Iterator[Schema]:
    """Yield what forbids keys that exclude each other; of those inside ``settings`` too."""
    for group in (*MUTUALLY_EXCLUSIVE, *ALIASES.items()):
        for one, other in combinations(group, 2):
            yield {"not": _given(one, other)}
    for one, other in combinations(CONTINUATION_KEYS, 2):
        yield {"not": _given(settings=_given(one, other))}
    for inside, beside in permutations(CONTINUATION_KEYS, 2):
        yield {"not": _given(beside, settings=_given(inside))}
    for beside in ("api_key", "api_key_file"):
        yield {"not": _given(beside, settings=_given("api_key"))}


def _given(*keys: str, **values: Schema) -> Schema:
    """Return the schema of an object that has these keys: with values that are not null, or of these schemas."""
    properties = {**dict.fromkeys(keys, _ANYTHING_BUT_NULL), **values}
    return {"type": "object", "required": [*properties], "properties": properties}


def _described(key: str, schema: Schema) -> Schema:
    text = f"The documented page's name for {ALIASES[key]}." if key in ALIASES else _field_docs().get(key)
    return {"description": text, **schema} if text else schema


@cache
def _field_docs() -> Mapping[str, str]:
    """Return what the source of :class:`WandbSettings` says under each field."""
    try:
        parsed = ast.parse(inspect.getsource(WandbSettings)).body[0]
    except OSError:  # installed without sources
        return {}
    body = parsed.body if isinstance(parsed, ast.ClassDef) else []
    return {
        node.target.id: ast.literal_eval(doc.value).replace("``", "")
        for node, doc in pairwise(body)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and isinstance(doc, ast.Expr)
    }
