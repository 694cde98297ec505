"""Finds what certainly reaches Tune by a call: its config, written out without names.

A name is followed if it is bound once, and if every other mention of it in the file is understood: as a part of a
display or of a config, or as the target of ``name[key] = ...``, ``name |= ...`` or ``name.update(...)`` in the block of
its binding. So no branch, function or other code can have changed what it stands for.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Final, NamedTuple

from mypy import nodes
from mypy.nodes import DictExpr, Expression, NameExpr, Node, Var
from mypy.traverser import all_return_statements
from mypy.types import CallableType, Type, TypedDictType, get_proper_type

from typed_tune_wandb._mypy import tree
from typed_tune_wandb._mypy.tree import Place

_REFLECTION: Final = {f"builtins.{name}" for name in ("eval", "exec", "globals", "locals", "vars")}


class _Change(NamedTuple):
    """A line that binds a name, or adds to the dict that it stands for: its place, and what is bound or added."""

    place: Place
    value: Expression
    is_binding: bool


class FileFlow:
    """What the calls in a file hand to Tune."""

    def __init__(self, file: nodes.MypyFile) -> None:
        self._configs: dict[Node, tuple[Expression, Place]] = {}
        self._changes: dict[Var, list[_Change]] = defaultdict(list)
        self._mentions: Counter[Var] = Counter()
        # The understood mentions of each name, by the name to whose value they belong; None is a config, or print().
        self._understood: dict[Var, list[Var | None]] = defaultdict(list)
        self._bound_otherwise: dict[str, list[Node]] = defaultdict(list)
        self._uses_reflection = False
        for node, place in tree.walk(file):
            if isinstance(node, NameExpr):
                self._note_mention(node)
            elif isinstance(node, nodes.CallExpr):
                self._note_call(node, place)
            elif isinstance(node, nodes.Statement):
                self._note_change(node, place)
                for name in tree.names_bound_by(node):
                    self._bound_otherwise[name].append(node)
                self._uses_reflection |= isinstance(node, nodes.ImportAll)
        self._followed = self._find_followed()

    def config(self, call: nodes.CallExpr) -> Expression | None:
        """Return the config in a call, with displays in place of the names that are followed; None if it has none."""
        config, place = self._configs.get(call, (None, {}))
        return config and _Resolution(self, place).resolve(config)

    def changes(self, name: NameExpr) -> list[_Change]:
        """Return the lines that make what a name stands for, the binding first; none where it is not followed."""
        return self._changes[name.node] if isinstance(name.node, Var) and name.node in self._followed else []

    def result(self, call: Expression) -> Expression | None:
        """Return what is written in the only ``return`` of the function of this file that an expression calls."""
        callee = call.callee if isinstance(call, nodes.CallExpr) else None
        function = callee.node if isinstance(callee, NameExpr) else None
        if not isinstance(function, nodes.FuncDef) or self._bound_otherwise[function.name] != [function]:
            return None
        last = function.body.body[-1] if function.body.body else None
        if not isinstance(last, nodes.ReturnStmt) or all_return_statements(function) != [last]:
            return None
        is_plain = not (function.is_generator or function.is_coroutine or _is_typed_dict(function.type))
        return last.expr if is_plain and not self._uses_reflection else None

    def _note_mention(self, name: NameExpr) -> None:
        if isinstance(name.node, Var):
            self._mentions[name.node] += 1
        elif name.node is None:  # in lines that mypy holds for unreachable
            self._bound_otherwise[name.name].append(name)
        self._uses_reflection |= name.fullname in _REFLECTION

    def _note_call(self, call: nodes.CallExpr, place: Place) -> None:
        config = tree.config_in(call)
        if config:
            self._configs[call] = config, place
        for value in [config] if config else call.args if tree.called(call) == "builtins.print" else ():
            self._note_names(value, None)

    def _note_change(self, line: Node, place: Place) -> None:
        """Note a line that is understood to bind a name, or to add to what it stands for."""
        target, value = tree.change_by(line)
        variable = target.node if isinstance(target, NameExpr) else None
        if value and isinstance(variable, Var):
            is_binding = isinstance(line, nodes.AssignmentStmt) and line.rvalue is value
            self._changes[variable].append(_Change(place, value, is_binding))
            self._understood[variable].append(variable)
            if not isinstance(value, NameExpr):  # which would be one more name of the same object
                self._note_names(value, variable)

    def _note_names(self, value: Expression, owner: Var | None) -> None:
        for name in tree.names_in_display(value):
            if isinstance(name.node, Var):
                self._understood[name.node].append(owner)

    def _find_followed(self) -> set[Var]:
        followed = {variable for variable, changes in self._changes.items() if self._may_follow(variable, changes)}
        while True:
            # What belongs to a name that is not followed can be reached by that name.
            understood = {
                variable: sum(owner is None or owner in followed for owner in self._understood[variable])
                for variable in followed
            }
            lost = {variable for variable, times in understood.items() if times != self._mentions[variable]}
            if not lost:
                return followed
            followed -= lost

    def _may_follow(self, variable: Var, changes: list[_Change]) -> bool:
        if variable.info or _is_typed_dict(variable.type):  # a class attribute has other names outside
            return False
        is_bound_once = [change.is_binding for change in changes] == [True] + [False] * (len(changes) - 1)
        is_one_block = len({tree.block_of(change.place) for change in changes}) == 1
        # A function of that name is another one, in another scope; of an import, nothing tells the scope.
        bound_otherwise = [node for node in self._bound_otherwise[variable.name] if not isinstance(node, nodes.FuncDef)]
        return is_bound_once and is_one_block and not (bound_otherwise or self._uses_reflection)


class _Resolution:
    """Replaces names by displays, for a call at some place of a file."""

    def __init__(self, file: FileFlow, place: Place) -> None:
        self._file = file
        self._place = place
        self._pending: set[Expression] = set()

    def resolve(self, value: Expression) -> Expression:
        """Return what an expression in a config stands for, as a display without the names that are followed."""
        if value in self._pending:  # a dict in itself, a function that calls itself
            return tree.unknown(value)
        self._pending.add(value)
        resolved = display = tree.as_display(value)
        if isinstance(display, DictExpr):
            resolved = self._merge(display.items, display)
        elif isinstance(display, tree.SEQUENCES):
            resolved = type(display)([self.resolve(item) for item in display.items])
            resolved.set_line(display)
        elif isinstance(display, NameExpr):
            resolved = self._resolve_name(display)
        elif result := self._file.result(display):
            resolved = self.resolve(result)
        self._pending.remove(value)
        return resolved

    def _resolve_name(self, name: NameExpr) -> Expression:
        changes = self._file.changes(name)
        # Tune may read what it is given only later: a line after the call counts as well.
        if not changes or not all(tree.is_before(change.place, self._place) for change in changes):
            return name
        bound = self.resolve(changes[0].value)
        if len(changes) == 1:
            return bound
        # Of an object that other code made, nobody knows who else may change it.
        return self._merge([(None, change.value) for change in changes], name) if isinstance(bound, DictExpr) else name

    def _merge(self, items: list[tuple[Expression | None, Expression]], origin: Expression) -> DictExpr:
        """Return a display of a dict, made of keys and values or, with None for the key, of other dicts."""
        known: dict[str | int, tuple[Expression | None, Expression]] = {}
        is_open = False
        for key, value in items:
            # What was copied from a dict to which more was added is not known: before that, or after?
            is_changed = key is None and isinstance(value, NameExpr) and len(self._file.changes(value)) > 1
            resolved = tree.unknown(value) if is_changed else self.resolve(value)
            added = [(key and self.resolve(key), resolved)]
            if key is None and isinstance(resolved, DictExpr):
                added = resolved.items
            for name, item in added:
                if isinstance(name, (nodes.StrExpr, nodes.IntExpr)):
                    known[name.value] = name, item
                else:  # each key may have another value now
                    known, is_open = {}, True
        merged = DictExpr([*([(None, tree.unknown(origin))] if is_open else []), *known.values()])
        merged.set_line(origin)
        return merged


def _is_typed_dict(kind: Type | None) -> bool:
    """Whether a variable, or what a function returns, is a TypedDict: mypy itself checks that."""
    proper = get_proper_type(kind)
    return isinstance(
        get_proper_type(proper.ret_type) if isinstance(proper, CallableType) else proper,
        TypedDictType,
    )
