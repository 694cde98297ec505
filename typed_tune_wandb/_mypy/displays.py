"""What in mypy's tree is the config of a call, makes a dict, or adds to one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mypy import nodes
from mypy.nodes import CallExpr, DictExpr, Expression, MemberExpr, NameExpr, StrExpr
from mypy.types import AnyType, TypeOfAny

# The parameter that takes the config, for each function that takes one.
CONFIG_PARAMETERS: Final = {
    "ray.tune.tune.run": "config",
    "ray.tune.experiment.experiment.Experiment": "config",
    "ray.tune.tuner.Tuner": "param_space",
    "ray.tune.tuner.Tuner.restore": "param_space",
    "typed_tune_wandb.legacy.run": "config",
}
SEQUENCES: Final = (nodes.ListExpr, nodes.TupleExpr, nodes.SetExpr)
_CHOICES: Final = {"ray.tune.search.sample.choice", "ray.tune.search.variant_generator.grid_search"}


def called(expression: Expression) -> str:
    """Return the full name of what a call calls; an empty one for any other node, or if mypy does not know it."""
    callee = expression.callee if isinstance(expression, CallExpr) else None
    if isinstance(callee, MemberExpr) and isinstance(callee.expr, nodes.RefExpr) and not callee.fullname:
        return f"{callee.expr.fullname}.{callee.name}"
    return callee.fullname if isinstance(callee, nodes.RefExpr) else ""


def config_in(call: CallExpr) -> Expression | None:
    """Return the argument of a call that Tune takes for a config; None if the call has none."""
    parameter = CONFIG_PARAMETERS.get(called(call))
    return dict(zip(call.arg_names, call.args, strict=True)).get(parameter) if parameter else None


def change_by(line: nodes.Statement) -> tuple[Expression | None, Expression | None]:
    """Return the target of an assignment and its value; of what adds to a dict, the dict and what is added."""
    if isinstance(line, nodes.AssignmentStmt) and len(line.lvalues) == 1:
        target, value = line.lvalues[0], line.rvalue
        if isinstance(target, nodes.IndexExpr):
            return target.base, DictExpr([(target.index, value)])
        return target, value
    if isinstance(line, nodes.OperatorAssignmentStmt) and line.op == "|":
        return line.lvalue, DictExpr([(None, line.rvalue)])
    call = line.expr if isinstance(line, nodes.ExpressionStmt) else None
    if isinstance(call, CallExpr) and isinstance(call.callee, MemberExpr) and call.callee.name == "update":
        return call.callee.expr, _arguments(call)
    return None, None


def as_display(value: Expression) -> Expression:
    """Return an expression that makes a dict as a display, and a choice as a grid search; any other as it is."""
    display = value
    if isinstance(value, nodes.OpExpr) and value.op == "|":
        display = DictExpr([(None, value.left), (None, value.right)])
    elif isinstance(value, CallExpr) and called(value) == "builtins.dict":
        display = _arguments(value)
    elif isinstance(value, CallExpr) and called(value) in _CHOICES and value.arg_kinds == [nodes.ARG_POS]:
        display = DictExpr([(StrExpr("grid_search"), value.args[0])])
    display.set_line(value)
    return display


def _arguments(call: CallExpr) -> DictExpr:
    """Return the arguments of ``dict()`` or ``dict.update()`` as a display."""
    keys = [StrExpr(name) if name else None for name in call.arg_names]
    for key, value in zip(keys, call.args, strict=True):
        if key:
            key.set_line(value)
    return DictExpr([*zip(keys, call.args, strict=True)])


def names_in(value: Expression) -> Iterator[NameExpr]:
    """Yield the names of which a display is made: what they stand for is in it, or copied into it."""
    display = as_display(value)
    if isinstance(display, NameExpr):
        yield display
    parts = [part for item in display.items for part in item] if isinstance(display, DictExpr) else []
    for part in display.items if isinstance(display, SEQUENCES) else parts:
        yield from names_in(part) if part else ()


def unknown(place: Expression) -> nodes.TempNode:
    """Return what stands for a value of which nothing is known."""
    return nodes.TempNode(AnyType(TypeOfAny.special_form), context=place)
