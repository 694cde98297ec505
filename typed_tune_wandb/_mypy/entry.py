"""Compares a W&B entry, as it is written out in a display, with the types of its keys.

An error only where the entry cannot be right: a literal, or a value of a declared type, that its key never takes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from mypy import nodes
from mypy.checker import TypeChecker
from mypy.errorcodes import TYPEDDICT_ITEM
from mypy.messages import format_type
from mypy.nodes import DictExpr, Expression, NameExpr, StrExpr, TempNode
from mypy.types import CallableType, Instance, LiteralType, Type, TypedDictType, flatten_nested_unions, get_proper_type
from mypy.typevars import fill_typevars_with_any

from typed_tune_wandb._mypy.displays import SEQUENCES, called, unknown

_LITERALS: Final = (StrExpr, nodes.BytesExpr, nodes.IntExpr, nodes.FloatExpr, nodes.ComplexExpr, TempNode)
_CONSTANTS: Final = {"builtins.True", "builtins.False", "builtins.None"}
_NUMBERS: Final = {
    **dict.fromkeys(("uniform", "quniform", "loguniform", "qloguniform", "randn", "qrandn"), "builtins.float"),
    **dict.fromkeys(("randint", "qrandint", "lograndint", "qlograndint"), "builtins.int"),
}
# Classes of which no object is of two, but that a bool is an int, and an int will do for a float.
_DISTINCT: Final = {
    "None",
    *(f"builtins.{n}" for n in ("bool", "bytes", "dict", "float", "int", "list", "str", "tuple")),
}


class EntryChecker(NamedTuple):
    """Reports the mistakes in W&B entries, which have the keys of a type, and maybe extra ones."""

    checker: TypeChecker
    shape: TypedDictType
    extra: Collection[str | None]

    def check_config(self, config: Expression) -> None:
        """Report the mistakes in the entry of a config, and of the ``logger_config`` in it."""
        for place in (config, *_values_under("logger_config", config)):
            for entry in _values_under("wandb", place):
                for option in self._options(entry):
                    self._check_entry(option)

    def _check_entry(self, entry: Expression) -> None:
        if isinstance(entry, DictExpr):
            for key, value in entry.items:
                for option in self._options(value) if key else ():
                    self._check_item(key, option)
        elif certain := self._certain(entry, {"builtins.dict"}):
            wrong = format_type(self.checker.get_expression_type(certain), self.checker.options)
            message = f'The W&B entry has type {wrong}, expected "WandbConfigDict" or "WandbSettings"'
            self.checker.fail(message, entry, code=TYPEDDICT_ITEM)

    def _check_item(self, key: Expression | None, value: Expression) -> None:
        name = key.value if isinstance(key, StrExpr) else None
        expected = self.shape.items.get(name) if name else None
        # Under a key that does not exist, a value of None is no mistake: it means that nothing is set.
        is_none = isinstance(value, NameExpr) and value.fullname == "builtins.None"
        certain = self._certain(value, _classes(expected) if expected else {"None"})
        if certain and (expected or not (is_none or name in self.extra)):
            # A dict of this item alone: mypy names the mistake as in an annotated entry, at the item's own line.
            item = DictExpr([(key, certain)])
            item.set_line(key or value)
            self.checker.get_expression_type(item, type_context=self.shape)

    def _options(self, value: Expression) -> Iterator[Expression]:
        """Yield each value that a search value can have in a trial; any other value as it is."""
        if number := _NUMBERS.get(called(value).removeprefix("ray.tune.search.sample.")):
            yield TempNode(self.checker.named_generic_type(number, []), context=value)
        elif _is_search(value):
            for choices in _values_under("grid_search", value):
                for choice in choices.items if isinstance(choices, (nodes.ListExpr, nodes.TupleExpr)) else ():
                    yield from self._options(choice)
        else:
            yield value

    def _certain(self, value: Expression, fits: Collection[str] = ()) -> Expression | None:
        """Return what is certain of a value: a literal, or a type of none of the classes that fit; None if nothing."""
        if isinstance(value, _LITERALS) or (isinstance(value, NameExpr) and value.fullname in _CONSTANTS):
            return value
        certain: Expression
        if isinstance(value, SEQUENCES):
            items = [item for item in value.items if not isinstance(item, nodes.StarExpr)]
            certain = type(value)([self._certain(item) or unknown(item) for item in items])
        elif isinstance(value, DictExpr) and not _is_search(value) and all(key for key, _ in value.items):
            certain = DictExpr([(key, self._certain(item) or unknown(item)) for key, item in value.items])
        else:
            declared = self._declared_type(value) if fits else None
            return TempNode(declared, context=value) if declared and _never_fits(_classes(declared), fits) else None
        certain.set_line(value)
        return certain

    def _declared_type(self, value: Expression) -> Type | None:
        """Return the type with which a name is declared, or of what a call makes; what mypy infers does not count."""
        lax = ("allow_redefinition", "allow_redefinition_old", "allow_redefinition_new")
        if not self.checker.options.strict_optional or any(getattr(self.checker.options, name, False) for name in lax):
            return None  # a None is of every type, or a name may have another type later
        if isinstance(value, NameExpr) and isinstance(value.node, nodes.Var) and not value.node.is_inferred:
            return value.node.type
        callee = value.callee if isinstance(value, nodes.CallExpr) else None
        if isinstance(callee, nodes.MemberExpr) and isinstance(callee.expr, StrExpr) and callee.name == "join":
            return self.checker.named_generic_type("builtins.str", [])  # an f-string, to mypy
        function = callee.node if isinstance(callee, nodes.RefExpr) else None
        if isinstance(function, nodes.TypeInfo):
            return fill_typevars_with_any(function)
        declared = get_proper_type(function.type) if isinstance(function, nodes.FuncDef) else None
        return declared.ret_type if isinstance(declared, CallableType) else None


def _values_under(name: str, display: Expression) -> list[Expression]:
    items = display.items if isinstance(display, DictExpr) else []
    return [value for key, value in items if isinstance(key, StrExpr) and key.value == name]


def _is_search(value: Expression) -> bool:
    key = value.items[0][0] if isinstance(value, DictExpr) and len(value.items) == 1 else None
    return isinstance(key, StrExpr) and key.value in ("eval", "grid_search")


def _classes(kind: Type) -> set[str]:
    """Return the names of the classes of which a value of some type is; what is no class is named, too."""
    kinds = [get_proper_type(each) for each in flatten_nested_unions([kind])]
    kinds = [each.fallback if isinstance(each, LiteralType) else each for each in kinds]
    return {each.type.fullname if isinstance(each, Instance) else str(each) for each in kinds}


def _never_fits(found: set[str], wanted: Collection[str]) -> bool:
    numbers = {"builtins.bool", "builtins.int"} if found & {"builtins.float", "builtins.int"} else set()
    return _DISTINCT.issuperset({*found, *wanted}) and (found | numbers).isdisjoint(wanted)
