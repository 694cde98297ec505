"""How mypy's tree says what the plugin asks for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias

from mypy import nodes
from mypy.nodes import CallExpr, DictExpr, Expression, MemberExpr, NameExpr, Node, StrExpr
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
PARTS: Final = (
    *("args", "arguments", "base", "base_type_exprs", "begin_index", "bodies", "body", "call", "callee", "capture"),
    *("class_ref", "cond", "condlists", "decorators", "defs", "else_body", "else_expr", "end_index", "expr"),
    *("finally_body", "from_expr", "func", "generator", "guards", "handlers", "if_expr", "impl", "index", "indices"),
    *("initializer", "items", "key", "keys", "keyword_values", "keywords", "left", "left_expr", "lvalue", "lvalues"),
    *("metaclass", "msg", "name", "operands", "original_decorators", "pattern", "patterns", "positionals"),
    *("removed_base_type_exprs", "removed_statements", "rest", "right", "rvalue", "sequences", "stride", "subject"),
    *("target", "types", "value", "values", "vars"),
)
"""The attributes in which mypy's nodes hold their parts. (mypy's visitors are compiled: no class here can be one.)"""

_parts_by_class: Final[dict[type, list[str]]] = {}
_CHOICES: Final = {"ray.tune.search.sample.choice", "ray.tune.search.variant_generator.grid_search"}
# What runs at another time than the lines around it, or more than once.
_DEFERRED: Final = (
    *(nodes.FuncDef, nodes.ClassDef, nodes.LambdaExpr),
    *(nodes.GeneratorExpr, nodes.DictionaryComprehension),
)

Place: TypeAlias = dict[Node, int]
"""Where a line stands: for each block around it, from the outermost on, its position in that block."""


def walk(file: nodes.MypyFile) -> Iterator[tuple[Node, Place]]:
    """Yield every node of a file in the order of its text, with its place."""
    pending: list[tuple[Node, Place]] = [(file, {})]
    while pending:
        node, place = pending.pop()
        yield node, place
        parts = [*_parts(node)]
        if isinstance(node, (nodes.Block, nodes.MypyFile)):
            pending += [(part, {**place, node: position}) for position, part in enumerate(parts)][::-1]
        else:
            pending += [(part, {} if isinstance(node, _DEFERRED) else place) for part in reversed(parts)]


def _parts(node: Node) -> Iterator[Node]:
    """Yield the nodes directly below a node."""
    if type(node) not in _parts_by_class:
        _parts_by_class[type(node)] = [name for name in PARTS if hasattr(node, name)]
    for name in _parts_by_class[type(node)]:
        held = getattr(node, name)
        if isinstance(held, Node):
            yield held
        elif held and not isinstance(held, str):
            yield from _nodes_in(held)


def _nodes_in(held: object) -> Iterator[Node]:
    for each in held.values() if isinstance(held, dict) else held if isinstance(held, (list, tuple)) else ():
        if isinstance(each, Node):
            yield each
        elif isinstance(each, (list, tuple)):
            yield from _nodes_in(each)


def block_of(place: Place) -> Node:
    """Return the block in which a line stands."""
    return next(reversed(place))


def is_before(line: Place, place: Place) -> bool:
    """Whether a line has certainly run, since its block was entered last, whenever a run comes to a place."""
    block = block_of(line)
    return block in place and line[block] < place[block]


def called(expression: Node) -> str:
    """Return the full name of what a call calls; an empty one for any other node, or if mypy does not know it."""
    callee = expression.callee if isinstance(expression, CallExpr) else None
    if isinstance(callee, MemberExpr) and isinstance(callee.expr, nodes.RefExpr) and not callee.fullname:
        return f"{callee.expr.fullname}.{callee.name}"
    return callee.fullname if isinstance(callee, nodes.RefExpr) else ""


def config_in(call: Node) -> Expression | None:
    """Return the argument of a call that Tune takes for a config; None for any other node."""
    parameter = CONFIG_PARAMETERS.get(called(call))
    arguments = zip(call.arg_names, call.args, strict=True) if parameter and isinstance(call, CallExpr) else ()
    return next((argument for name, argument in arguments if name == parameter), None)


def names_bound_by(node: Node) -> Iterator[str]:
    """Yield the names that a definition or an import binds, and those of an assignment to anything but a variable."""
    if isinstance(node, nodes.FuncDef) and not node.info:
        yield node.name
    elif isinstance(node, (nodes.Import, nodes.ImportFrom)):
        for name, alias in node.ids if isinstance(node, nodes.Import) else node.names:
            yield alias or name.partition(".")[0]
    elif isinstance(node, nodes.AssignmentStmt):
        targets = [target for target in node.lvalues if isinstance(target, NameExpr)]
        yield from (target.name for target in targets if not isinstance(target.node, nodes.Var))


def change_by(line: Node) -> tuple[Expression | None, Expression | None]:
    """Return the target of an assignment and its value; of what adds to a dict, the dict and what is added."""
    if isinstance(line, nodes.AssignmentStmt) and len(line.lvalues) == 1:
        target, value = line.lvalues[0], line.rvalue
        if isinstance(target, nodes.IndexExpr):
            return target.base, DictExpr([(target.index, value)])
        return target, None if isinstance(value, nodes.TempNode) else value  # None is for an annotation alone
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
    elif isinstance(value, CallExpr) and called(value) in _CHOICES:
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


def names_in_display(value: Expression | None) -> Iterator[NameExpr]:
    """Yield the names of which a display is made: what they stand for is in it, or copied into it."""
    display = as_display(value) if value else None
    if isinstance(display, NameExpr):
        yield display
    elif isinstance(display, DictExpr):
        for part in (part for item in display.items for part in item):
            yield from names_in_display(part)
    elif isinstance(display, SEQUENCES):
        for part in display.items:
            yield from names_in_display(part)


def unknown(place: Expression) -> nodes.TempNode:
    """Return what stands for a value of which nothing is known."""
    return nodes.TempNode(AnyType(TypeOfAny.special_form), context=place)
