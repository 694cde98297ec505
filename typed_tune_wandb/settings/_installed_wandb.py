"""What the installed wandb accepts, read from its source files: importing wandb would take a second."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, Optional, Union

from typed_tune_wandb._wandb_internals import INIT_STUB, MEDIA_SOURCE, SETTINGS_SOURCE
from typed_tune_wandb.settings._types import INIT_KEYS

# The names in the annotations of wandb.Settings whose meaning is known here.
_KNOWN_TYPES: Final[dict[str, Any]] = {
    **{cls.__name__: cls for cls in (str, bool, int, float, list, tuple, dict)},
    "Literal": Literal,
    "Optional": Optional,
    "Union": Union,
    "Sequence": Sequence,
    "List": list,  # these two in older releases
    "Dict": dict,
}


def installed_version() -> str:
    """Return the version of the installed wandb."""
    return version("wandb")


@cache
def init_parameters() -> frozenset[str]:
    """Return the parameters of the installed ``wandb.init``, or those that this library knows if it has no stub."""
    parameters = frozenset(
        argument.arg
        for node in _parse(INIT_STUB).body
        if isinstance(node, ast.FunctionDef) and node.name == "init"
        for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
    )
    return parameters or INIT_KEYS


@cache
def missing_parameters() -> frozenset[str]:
    """Return the parameters that this library knows and the installed ``wandb.init`` does not have."""
    return INIT_KEYS - init_parameters()


@cache
def settings_fields() -> Mapping[str, Any]:
    """Return the fields of the installed ``wandb.Settings`` and their annotations.

    The annotation is None where it has names of wandb's own, or where wandb converts the value before it checks it.
    Without a file to read there are no fields.
    """
    converted = {field for field, mode in _validators() if mode != "after"}
    annotations = {
        node.target.id: None if node.target.id in converted else _evaluate(node.annotation)
        for node in _settings_class()
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id[0] != "_"
    }
    return MappingProxyType(annotations)


@cache
def validated_fields() -> frozenset[str]:
    """Return the fields of the installed ``wandb.Settings`` that wandb validates beyond their types."""
    return frozenset(field for field, _ in _validators())


@cache
def media_parameters(name: str) -> Mapping[str, Any]:
    """Return the parameters of one of wandb's media classes, without the data, and their annotations.

    An annotation is None where it has names of wandb's own. Without a file to read there are no parameters.

    Args:
        name: ``"Image"`` or ``"Video"``.
    """
    body = _class_body(MEDIA_SOURCE.format(name.lower()), name)
    methods = (node for node in body if isinstance(node, ast.FunctionDef) and node.name == "__init__")
    parameters = [parameter for method in methods for parameter in method.args.args[2:]]
    annotated = {parameter.arg: parameter.annotation for parameter in parameters}
    return MappingProxyType({arg: node and _evaluate(node) for arg, node in annotated.items()})


@cache
def _settings_class() -> list[ast.stmt]:
    return _class_body(SETTINGS_SOURCE, "Settings")


def _class_body(file: str, name: str) -> list[ast.stmt]:
    classes = (node for node in _parse(file).body if isinstance(node, ast.ClassDef))
    return next((node.body for node in classes if node.name == name), [])


def _validators() -> Iterator[tuple[str, str]]:
    """Yield the fields with pydantic's ``field_validator``, and its mode."""
    methods = (node for node in _settings_class() if isinstance(node, ast.FunctionDef))
    decorators = (decorator for method in methods for decorator in method.decorator_list)
    for call in (decorator for decorator in decorators if isinstance(decorator, ast.Call)):
        if ast.unparse(call.func).endswith("field_validator"):
            modes = [ast.unparse(keyword.value).strip("'") for keyword in call.keywords if keyword.arg == "mode"]
            for name in (name for name in call.args if isinstance(name, ast.Constant)):
                yield str(name.value), modes[0] if modes else "after"


def _evaluate(annotation: ast.expr) -> Any:
    """Return the type that an annotation means, or None if it has names with an unknown meaning."""
    names = {node.id for node in ast.walk(annotation) if isinstance(node, ast.Name)}
    others = [node for node in ast.walk(annotation) if isinstance(node, (ast.Call, ast.Attribute))]
    if others or not names <= _KNOWN_TYPES.keys():
        return None
    return eval(compile(ast.Expression(annotation), "wandb_settings.py", "eval"), {"__builtins__": {}, **_KNOWN_TYPES})


def _parse(file: str) -> ast.Module:
    """Parse a file of the installed wandb; a missing one counts as empty."""
    package = find_spec("wandb")
    path = Path(package.origin).parent / file if package and package.origin else None
    return ast.parse(path.read_text(encoding="utf-8") if path and path.is_file() else "")
