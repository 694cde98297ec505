"""Finds what certainly reaches Tune by a call: its config, written out without names.

A name is followed from line to line, where one line certainly runs after the other, if every mention of it in the file
is understood: as a part of a display or of a config, or as the target of an assignment, of ``name[key] = ...``,
``name |= ...`` or ``name.update(...)``. So no branch, function or other code can have changed what it stands for.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import takewhile
from typing import Final, TypeAlias

from mypy import nodes
from mypy.nodes import Block, CallExpr, DictExpr, Expression, FuncDef, NameExpr, Statement, SymbolNode
from mypy.server.subexpr import get_subexpressions
from mypy.traverser import all_return_statements

from typed_tune_wandb._mypy import displays

_REFLECTION: Final = {"sys.modules", *(f"builtins.{name}" for name in ("eval", "exec", "globals", "locals", "vars"))}
_SIMPLE: Final = (nodes.AssignmentStmt, nodes.ExpressionStmt, nodes.ReturnStmt)
_PARTS: Final = ("body", "bodies", "defs", "else_body", "finally_body", "func", "handlers", "impl", "items")
_DEFERRED: Final = (nodes.LambdaExpr, nodes.GeneratorExpr)

Known: TypeAlias = dict[SymbolNode, tuple[Expression, ...]]
"""What is known of variables at some line: what was bound to each, and what was then added to it."""


class FileFlow:
    """What the calls in a file hand to Tune."""

    def __init__(self, file: nodes.MypyFile) -> None:
        expressions = get_subexpressions(file)
        references = [each for each in expressions if isinstance(each, nodes.RefExpr)]
        self._uses_reflection = any(each.fullname in _REFLECTION for each in references)
        self._mentions = Counter(each.node for each in references)
        # The understood mentions of each name, by the variable to whose value they belong, if to any.
        self._understood: dict[SymbolNode, list[SymbolNode | None]] = defaultdict(list)
        self._changes: Counter[SymbolNode] = Counter()
        self._bound_otherwise: dict[str, list[nodes.Node]] = defaultdict(list)
        self._calls: set[Expression] = set()
        self._known_at: dict[Expression, Known] = {}
        self._followed: dict[SymbolNode, bool] = {}
        self._pending: set[Expression] = set()
        for each in references:
            if isinstance(each, NameExpr) and not each.node:  # in lines that mypy holds for unreachable
                self._bound_otherwise[each.name].append(each)
        for line in file.imports:
            self._uses_reflection |= isinstance(line, nodes.ImportAll)
            for name, alias in line.ids if isinstance(line, nodes.Import) else getattr(line, "names", ()):
                self._bound_otherwise[alias or name.partition(".")[0]].append(line)
        for call in expressions:
            if isinstance(call, CallExpr):
                self._note_call(call)
        self._note_lines(file.defs, {})

    def config(self, call: CallExpr) -> Expression | None:
        """Return the config in a call, with displays in place of the names that are followed; None if it has none."""
        config = displays.config_in(call)
        return config and self._resolve(config, self._known_at.get(call, {}))

    def _note_call(self, call: CallExpr) -> None:
        config = displays.config_in(call)
        if config:
            self._calls.add(call)
            self._note_names(config, None)
        for value in call.args if displays.called(call) == "builtins.print" else ():
            self._note_names(value, None)
        if isinstance(call.callee, NameExpr) and isinstance(call.callee.node, FuncDef):
            self._understood[call.callee.node].append(None)

    def _note_names(self, value: Expression, owner: SymbolNode | None) -> None:
        for name in displays.names_in(value):
            if name.node:
                self._understood[name.node].append(owner)

    def _note_lines(self, lines: list[Statement], known: Known) -> None:
        """Note what some lines, which run one after the other, bind and add, and what is known at their calls."""
        for line in lines:
            if isinstance(line, nodes.ClassDef) or (
                isinstance(line, (nodes.FuncBase, nodes.Decorator)) and not line.info
            ):
                self._bound_otherwise[line.name].append(line)
            if isinstance(line, FuncDef):
                self._changes.update(argument.variable for argument in line.arguments)
            inner = [*_lines_in(line)]
            for part in inner:
                self._note_lines(part, {} if isinstance(line, FuncDef) else known)
            expressions = [] if inner else get_subexpressions(line)
            if not self._calls.isdisjoint(expressions):
                now = takewhile(lambda each: not isinstance(each, _DEFERRED), expressions)
                self._known_at.update(dict.fromkeys(now, known))
            target, value = displays.change_by(line)
            if value and isinstance(target, NameExpr) and isinstance(target.node, nodes.Var) and not target.node.info:
                is_binding = isinstance(line, nodes.AssignmentStmt) and line.rvalue is value
                before = () if is_binding else known.get(target.node, ())
                known = {**known, target.node: (*before, value)}
                self._changes[target.node] += 1
                self._understood[target.node].append(None)
                if not isinstance(value, NameExpr):  # which would be one more name of the same object
                    self._note_names(value, target.node)

    def _is_followed(self, node: SymbolNode) -> bool:
        if node not in self._followed:
            self._followed[node] = False  # a dict in itself
            # What belongs to a variable that is not followed can be reached by that variable.
            self._followed[node] = (
                not self._uses_reflection
                and self._bound_otherwise[node.name] == ([node] if isinstance(node, FuncDef) else [])
                and len(self._understood[node]) == self._mentions[node]
                and all(owner is None or self._is_followed(owner) for owner in self._understood[node])
            )
        return self._followed[node]

    def _resolve(self, value: Expression, known: Known) -> Expression:
        """Return what an expression stands for, as a display without the names that are followed."""
        if value in self._pending:  # a function that calls itself
            return displays.unknown(value)
        self._pending.add(value)
        resolved = display = displays.as_display(value)
        if isinstance(display, DictExpr):
            merged = self._merge(display.items, display, known)
            # An object that is not known may have a ``|`` of its own.
            is_certain = not isinstance(value, nodes.OpExpr) or all(key for key, _ in merged.items)
            resolved = merged if is_certain else value
        elif isinstance(display, displays.SEQUENCES):
            resolved = type(display)([self._resolve(item, known) for item in display.items])
            resolved.set_line(display)
        elif values := self._values(display, known):
            resolved = self._resolve(values[0], known)
            if len(values) > 1:  # of an object that other code made, nobody knows who else may change it
                is_dict = isinstance(resolved, DictExpr)
                resolved = self._merge([(None, each) for each in values], value, known) if is_dict else value
        self._pending.remove(value)
        return resolved

    def _values(self, value: Expression, known: Known) -> tuple[Expression, ...]:
        """Return what makes the value of a name, or of a call of a function with a single ``return``; or nothing."""
        if isinstance(value, NameExpr) and value.node in known:
            # Tune may read what it is given only later: a line after the call counts as well.
            is_all = len(known[value.node]) == self._changes[value.node]
            return known[value.node] if is_all and self._is_followed(value.node) else ()
        callee = value.callee if isinstance(value, CallExpr) else None
        function = callee.node if isinstance(callee, NameExpr) else None
        if isinstance(function, FuncDef) and self._is_followed(function):
            last = function.body.body[-1]
            is_only = all_return_statements(function) == [last] and not (function.is_generator or function.is_coroutine)
            if is_only and isinstance(last, nodes.ReturnStmt) and last.expr:
                return (last.expr,)
        return ()

    def _merge(self, items: list[tuple[Expression | None, Expression]], origin: Expression, known: Known) -> DictExpr:
        """Return a display of a dict, made of keys and values or, with None for the key, of other dicts."""
        merged: dict[str | int | None, tuple[Expression | None, Expression]] = {}
        for key, value in items:
            # What was copied from a dict to which more was added is not known: before that, or after?
            is_changed = key is None and len(self._values(value, known)) > 1
            resolved = displays.unknown(value) if is_changed else self._resolve(value, known)
            added = resolved.items if isinstance(resolved, DictExpr) and not key else [(key, resolved)]
            for name, item in added:
                name = name and self._resolve(name, known)
                if isinstance(name, (nodes.StrExpr, nodes.IntExpr)):
                    merged[name.value] = name, item
                else:  # each key may have another value now
                    merged = {None: (None, displays.unknown(origin))}
        display = DictExpr([*merged.values()])
        display.set_line(origin)
        return display


def _lines_in(line: Statement) -> Iterator[list[Statement]]:
    """Yield the lines of each block in a statement."""
    for name in () if isinstance(line, _SIMPLE) else _PARTS:
        held = getattr(line, name, None)
        for part in held if isinstance(held, list) else [held]:
            if isinstance(part, (Block, Statement)):
                yield part.body if isinstance(part, Block) else [part]
