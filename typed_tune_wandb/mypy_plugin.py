"""A mypy plugin that checks the W&B entry of a raw config, without an annotation.

Switched on by ``plugins = typed_tune_wandb.mypy_plugin``. What stands under ``"wandb"``, or in the ``"logger_config"``,
of the config of ``tune.run``, ``legacy.run``, ``tune.Experiment``, ``tune.Tuner`` and ``Tuner.restore`` is held against
:class:`~typed_tune_wandb.WandbConfigDict`, key by key, where it is written: in the call, or elsewhere in the same file,
bound to a variable or an attribute or returned by a function. A search value is held against its key by each of its
values.

mypy has no stable interface for plugins. This one was run with mypy 1.15 to 2.4; all that it uses of mypy is in this
module, and beyond the documented hooks that is the tree of the checked file (``TypeChecker.tree``) and the types that
mypy found in it (``TypeChecker.lookup_type_or_none``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, TypeAlias

from mypy.checker import TypeChecker
from mypy.errorcodes import TYPEDDICT_ITEM
from mypy.maptype import map_instance_to_supertype
from mypy.messages import format_type
from mypy.nodes import (
    AssignmentExpr,
    AssignmentStmt,
    Block,
    CallExpr,
    CastExpr,
    ClassDef,
    ConditionalExpr,
    Decorator,
    DictExpr,
    Expression,
    ExpressionStmt,
    FloatExpr,
    ForStmt,
    FuncDef,
    Import,
    ImportAll,
    ImportFrom,
    IndexExpr,
    IntExpr,
    LambdaExpr,
    ListExpr,
    MemberExpr,
    MypyFile,
    NameExpr,
    Node,
    OperatorAssignmentStmt,
    OpExpr,
    OverloadedFuncDef,
    RefExpr,
    ReturnStmt,
    SetExpr,
    StarExpr,
    Statement,
    StrExpr,
    SymbolNode,
    TempNode,
    TupleExpr,
    TypeInfo,
    Var,
    WithStmt,
)
from mypy.plugin import FunctionContext, MethodContext, Plugin
from mypy.types import (
    AnyType,
    CallableType,
    DeletedType,
    Instance,
    LiteralType,
    NoneType,
    Overloaded,
    PartialType,
    ProperType,
    TupleType,
    Type,
    TypedDictType,
    TypeOfAny,
    UnionType,
    get_proper_type,
)

_SHAPE_MODULE: Final = "typed_tune_wandb._entry"
_SHAPE: Final = f"{_SHAPE_MODULE}.WandbConfigDict"

# The parameter that takes the config, for each function that takes one.
_CONFIG_OF: Final = {
    "ray.tune.tune.run": "config",
    "ray.tune.experiment.experiment.Experiment": "config",
    "ray.tune.tuner.Tuner": "param_space",
    "ray.tune.tuner.Tuner.restore": "param_space",
    "typed_tune_wandb.legacy.run": "config",
}

_SAMPLE: Final = "ray.tune.search.sample"
_OF_ITEMS: Final = {f"{_SAMPLE}.choice", "ray.tune.search.variant_generator.grid_search"}
_OF_FUNCTION: Final = f"{_SAMPLE}.sample_from"
_OF_NUMBERS: Final = {
    **{f"{_SAMPLE}.{name}": "builtins.float" for name in ("uniform", "loguniform", "randn")},
    **{f"{_SAMPLE}.{name}": "builtins.float" for name in ("quniform", "qloguniform", "qrandn")},
    **{f"{_SAMPLE}.{name}": "builtins.int" for name in ("randint", "lograndint", "qrandint", "qlograndint")},
}
_CONSTANTS: Final = ("builtins.True", "builtins.False", "builtins.None")
_CACHES: Final = {"functools.cache", "functools.lru_cache"}
_COPIES: Final = ("copy.copy", "copy.deepcopy")
_ANY: Final = AnyType(TypeOfAny.special_form)
_NEVER_AN_ENTRY: Final = {f"builtins.{name}" for name in ("str", "bytes", "int", "float", "bool", "list", "set")}

_Call: TypeAlias = FunctionContext | MethodContext
_Item: TypeAlias = tuple[Expression, Expression]
_Sources: TypeAlias = frozenset[SymbolNode | None]


def plugin(version: str) -> type[Plugin]:
    """What mypy asks a plugin's module for."""
    return WandbPlugin


class WandbPlugin(Plugin):
    """Checks the W&B entry wherever Tune is given a config."""

    def get_additional_deps(self, file: MypyFile) -> list[tuple[int, str, int]]:
        """A file that uses Ray depends on the entry's shape, though it may not import this library."""
        users = file.fullname.partition(".")[0] not in ("ray", "typed_tune_wandb", "wandb")
        # Without it mypy looks into no installed package: not finding this one would be an error of the file.
        installed = self.options.python_executable is not None
        return [(10, _SHAPE_MODULE, -1)] if users and installed and any(map(_imports_ray, file.imports)) else []

    def get_function_hook(self, fullname: str) -> Callable[[_Call], Type] | None:
        """The check, for the functions that take a config."""
        parameter = _CONFIG_OF.get(fullname)
        return partial(_check_call, parameter, self) if parameter else None

    def get_method_hook(self, fullname: str) -> Callable[[_Call], Type] | None:
        """The same for methods."""
        return self.get_function_hook(fullname)


def _imports_ray(line: object) -> bool:
    if isinstance(line, Import):
        modules = [name for name, _ in line.ids]
    else:
        modules = [line.id] if isinstance(line, (ImportFrom, ImportAll)) else []
    return any(module.partition(".")[0] in ("ray", "typed_tune_wandb") for module in modules)


def _check_call(parameter: str, plugin: WandbPlugin, call: _Call) -> Type:
    """Check the config in a call; the call's own type stays what it is."""
    shape = plugin.lookup_fully_qualified(_SHAPE)
    if shape and isinstance(shape.node, TypeInfo) and isinstance(call.api, TypeChecker):
        check = _Check(call.api, shape.node)
        for formal, names, arguments in zip(call.callee_arg_names, call.arg_names, call.args, strict=True):
            for name, argument in zip(names, arguments, strict=True):
                if (name or formal) == parameter:
                    check.config(argument)
    return call.default_return_type


class _Bindings:
    """What a file binds to its variables and attributes, stores under their keys, and returns from its functions.

    What was replaced in the same block before it is read is gone. Of branches, loops and other functions all counts.
    """

    def __init__(self, file: MypyFile) -> None:
        # By variable and key ("": the whole), the lines of what replaces it, and where their blocks end.
        self._replaced: dict[tuple[SymbolNode | None, str], list[tuple[int, int]]] = defaultdict(list)
        self._items: dict[SymbolNode | None, list[_Item]] = defaultdict(list)
        self._values: dict[SymbolNode | None, list[Expression]] = defaultdict(list)
        self._classes: dict[SymbolNode | None, TypeInfo] = {}
        statements = [*_statements(file)]
        self._functions = {statement for statement in statements if isinstance(statement, FuncDef)}
        for statement in statements:
            if isinstance(statement, FuncDef) and statement.info and statement.arguments and not statement.is_static:
                # The first parameter of a method: so self.x is found. A nested function has no info.
                self._classes[statement.arguments[0].variable] = statement.info
        self._replace_in(file.defs, file.defs)
        for statement in statements:
            if isinstance(statement, Block):
                self._replace_in(statement.body, statement.body)
        for statement in statements:
            if isinstance(statement, AssignmentStmt):
                for target in statement.lvalues:
                    self._bind(target, statement.rvalue)
            elif isinstance(statement, ForStmt) and isinstance(statement.expr, (ListExpr, TupleExpr)):
                for item in statement.expr.items:
                    self._bind(statement.index, item)
            elif isinstance(statement, OperatorAssignmentStmt) and statement.op == "|":
                self._bind(statement.lvalue, statement.rvalue)
            elif isinstance(statement, ExpressionStmt) and (updated := _updated(statement.expr)):
                self._bind(updated, statement.expr)

    def _bind(self, target: Expression, value: Expression) -> None:
        if isinstance(target, TupleExpr):
            if isinstance(value, TupleExpr) and len(value.items) == len(target.items):
                for each, part in zip(target.items, value.items, strict=True):
                    self._bind(each, part)
        elif not isinstance(target, IndexExpr):
            self._values[self.source(target)].append(value)
        elif not isinstance(target.base, IndexExpr):
            self._items[self.source(target.base)].append((target.index, value))
        elif isinstance(target.index, StrExpr):
            # config["wandb"]["mode"] = value: a further config["wandb"], of this item alone.
            item = DictExpr([(target.index, value)])
            item.set_line(target)
            self._bind(target.base, item)

    def _replace_in(self, statements: list[Statement], block: list[Statement]) -> None:
        """Note which of a block's statements replace a variable, or what is under one of its keys."""
        end = (block[-1].end_line or 0) if block else 0
        for statement in statements:
            if isinstance(statement, WithStmt):
                self._replace_in(statement.body.body, block)
            elif isinstance(statement, AssignmentStmt):
                for source, key in self._replaced_by(statement.lvalues[0], statement.rvalue):
                    self._replaced[source, key].append((statement.line, end))

    def _replaced_by(self, target: Expression, value: Expression) -> list[tuple[SymbolNode | None, str]]:
        """The variable, or its keys, of which an assignment leaves nothing."""
        keys = [key for key, _ in value.items] if isinstance(value, DictExpr) else []
        grown = None in keys or isinstance(value, (OpExpr, CallExpr))  # perhaps from itself
        if isinstance(target, IndexExpr) and isinstance(target.index, StrExpr):
            made_anew = not grown or isinstance(value, CallExpr)
            return [(self.source(target.base), target.index.value)] if made_anew else []
        if isinstance(target, IndexExpr):
            return []
        told = [key.value for key in keys if isinstance(key, StrExpr)] if grown else [""]
        return [(self.source(target), key) for key in told]

    def _since(self, source: SymbolNode | None, key: str, line: int) -> int:
        """The line from which on counts what a variable, or its key, is made of, as read in a line."""
        return max((start for start, end in self._replaced[source, key] if start < line <= end), default=0)

    def items(self, source: SymbolNode | None, line: int) -> list[_Item]:
        """What is stored under keys of a source, as read in a line."""
        return [(key, value) for key, value in self._items[source] if key.line >= self._since(source, "", line)]

    def is_replaced(self, source: SymbolNode | None, key: Expression, line: int) -> bool:
        """Whether another value was stored under a key before a line."""
        return isinstance(key, StrExpr) and key.line < self._since(source, key.value, line)

    def source(self, expression: Expression) -> SymbolNode | None:
        """The variable or attribute that an expression names, or the function or property whose result it is."""
        if isinstance(expression, CallExpr):
            made = self.named(expression.callee)
            return made if isinstance(made, FuncDef) else None
        made = self.named(expression)
        return made if isinstance(made, Var) or (isinstance(made, FuncDef) and made.is_property) else None

    def values(self, source: SymbolNode | None, line: int) -> list[Expression]:
        """The expressions that make what a source names, as read in a line."""
        if not isinstance(source, FuncDef):
            made = self._values[source] if source else []
            return [value for value in made if value.line >= self._since(source, "", line)]
        if source not in self._functions or source.is_generator or source.is_coroutine:
            return []
        returns = [each.expr for each in _statements(source, nested=False) if isinstance(each, ReturnStmt)]
        return [returned for returned in returns if returned]

    def named(self, expression: Expression) -> SymbolNode | None:
        """What an expression refers to, in a class as well."""
        found = expression.node if isinstance(expression, RefExpr) else None
        if isinstance(expression, MemberExpr) and (owner := self._class_of(expression.expr)):
            symbol = owner.get(expression.name)
            found = symbol.node if symbol else None
        if isinstance(found, OverloadedFuncDef) and found.is_property:
            found = found.items[0]
        # Of those that leave a function's result what it is, mypy keeps property, staticmethod, ... apart.
        if isinstance(found, Decorator) and {_name(_called(each)) for each in found.decorators} <= _CACHES:
            found = found.func
        return found

    def _class_of(self, expression: Expression) -> TypeInfo | None:
        """The class that an expression names, or whose instance it is: as far as names tell, no type is inferred."""
        if isinstance(expression, CallExpr):
            return self._class_of(expression.callee)
        node = expression.node if isinstance(expression, NameExpr) else None
        instance = get_proper_type(node.type) if isinstance(node, Var) else None
        known = instance.type if isinstance(instance, Instance) else None
        return node if isinstance(node, TypeInfo) else self._classes.get(node, known)


def _statements(node: Node, *, nested: bool = True) -> Iterator[Statement]:
    """Every statement in a file, a function or a block; with or without those of the functions and classes in it.

    mypy's own visitors, being compiled, cannot be subclassed from outside.
    """
    for part in ("defs", "body", "bodies", "else_body", "handlers", "finally_body", "func", "items", "impl"):
        inner = getattr(node, part, None)
        for statement in inner if isinstance(inner, list) else [inner]:
            if isinstance(statement, Statement):
                yield statement
                if nested or not isinstance(statement, (FuncDef, Decorator, OverloadedFuncDef, ClassDef)):
                    yield from _statements(statement, nested=nested)


class _Check:
    """Checks the entries in the configs of one file."""

    def __init__(self, checker: TypeChecker, shape: TypeInfo) -> None:
        self._checker = checker
        # By its fallback a TypedDict has a name, for the messages.
        self._shape = shape.typeddict_type and shape.typeddict_type.copy_modified(fallback=Instance(shape, []))
        self._bindings = _Bindings(checker.tree)

    def config(self, config: Expression) -> None:
        """Report the mistakes in the W&B entry of a Tune config, and of the ``logger_config`` in it."""
        places = [config, *self._under("logger_config", config)]
        entries = [entry for place in places for entry in self._under("wandb", place)]
        for entry in entries:
            for value in self._values(entry):
                # Where there are several, None is what another one takes the place of.
                if len(entries) == 1:
                    self._kind(value)
                self._entry(value)

    def _kind(self, entry: Expression) -> None:
        """Report what cannot be an entry."""
        # What is added by update() is no entry by itself.
        found = None if _updated(entry) else self._type(entry)
        if isinstance(entry, ListExpr):
            found = get_proper_type(self._checker.get_expression_type(self._settled(entry)))
        if isinstance(found, (NoneType, TupleType, CallableType)) or (
            isinstance(found, Instance) and found.type.fullname in _NEVER_AN_ENTRY
        ):
            wrong = format_type(found, self._checker.options)
            message = f'The W&B entry has type {wrong}, expected "WandbConfigDict" or "WandbSettings"'
            self._checker.fail(message, entry, code=TYPEDDICT_ITEM)

    def _entry(self, entry: Expression) -> None:
        """Report the mistakes in an entry's items."""
        for key, value in self._items(entry):
            if self._is_told(key):
                for single in self._values(value):
                    # A dict of this item alone: mypy names the mistake as for the whole, at the item's own line.
                    item = DictExpr([(self._settled(key), self._settled(single))])
                    item.set_line(key)
                    self._checker.get_expression_type(item, type_context=self._shape)

    def _under(self, name: str, mapping: Expression) -> list[Expression]:
        """What stands under a key."""
        return [value for key, value in self._items(mapping) if isinstance(key, StrExpr) and key.value == name]

    def _items(self, mapping: Expression, seen: _Sources = frozenset()) -> Iterator[_Item]:
        """The keys and values of an expression that makes a dict, wherever they are written in this file."""
        mapping = _bare(mapping)
        if isinstance(mapping, DictExpr):
            told = {key.value for key, _ in mapping.items if isinstance(key, StrExpr)}
            for key, value in mapping.items:
                if key:
                    yield key, value
                    continue
                # What **base says of a key is gone where the key is said again.
                for inner, under in self._items(value, seen):
                    if not (isinstance(inner, StrExpr) and inner.value in told):
                        yield inner, under
        elif isinstance(mapping, CallExpr) and (_name(mapping.callee) == "builtins.dict" or _updated(mapping)):
            for name, argument in zip(mapping.arg_names, mapping.args, strict=True):
                yield from [(_word(name, argument), argument)] if name else self._items(argument, seen)
        elif isinstance(mapping, OpExpr) and mapping.op in ("|", "or"):
            yield from self._items(mapping.left, seen)
            yield from self._items(mapping.right, seen)
        elif isinstance(mapping, ConditionalExpr):
            yield from self._items(mapping.if_expr, seen)
            yield from self._items(mapping.else_expr, seen)
        elif (source := self._bindings.source(mapping)) and source not in seen and not _is_checked_by_mypy(source):
            line = mapping.line
            values = self._bindings.values(source, line)
            found = [item for made in values for item in self._items(made, seen | {source})]
            for key, value in [*found, *self._bindings.items(source, line)]:
                if not self._bindings.is_replaced(source, key, line):
                    yield key, value

    def _values(self, expression: Expression, seen: _Sources = frozenset()) -> list[Expression]:
        """The values that an expression can have in a trial: those of a search value or a choice, or itself."""
        expression = _bare(expression)
        source = self._bindings.source(expression)
        made = self._bindings.values(source, expression.line) if source not in seen else []
        seen |= {source}
        searches = [value for value in made if _is_search(value)]
        words = [text for value in made for text in _words(value)]
        if words and None not in words and self._is_any_str(expression):
            # mypy knows a variable of words as any str.
            return [_word(text, expression) for text in words if text is not None]
        if searches:
            return [value for search in searches for value in self._values(search, seen)]
        if isinstance(expression, ConditionalExpr):
            return [*self._values(expression.if_expr, seen), *self._values(expression.else_expr, seen)]
        if isinstance(expression, ListExpr):
            # Tune finds search values in lists as well. The items of a list are of one type: all go into one.
            flat = ListExpr([value for item in expression.items for value in self._values(item, seen)])
            flat.set_line(expression)
            return [flat]
        name = _search_name(expression)
        if name in _OF_ITEMS or (name and isinstance(expression, DictExpr)):
            return [value for item in self._elements(_argument(expression)) for value in self._values(item, seen)]
        if name == _OF_FUNCTION:
            return self._returned(_argument(expression), seen)
        if name in _OF_NUMBERS:
            return [TempNode(self._checker.named_generic_type(_OF_NUMBERS[name], []), context=expression)]
        return [self._sampled(expression)]

    def _elements(self, sequence: Expression | None) -> list[Expression]:
        """The items of what ``tune.choice`` and ``tune.grid_search`` take."""
        if sequence is None:
            return []
        if isinstance(sequence, (ListExpr, TupleExpr, SetExpr)):
            return [item for item in sequence.items if not isinstance(item, StarExpr)]
        made = self._bindings.values(self._bindings.source(sequence), sequence.line)
        if len(made) == 1 and isinstance(made[0], (ListExpr, TupleExpr, SetExpr)):
            return self._elements(made[0])
        found = self._type(sequence)
        one = isinstance(found, Instance) and len(found.args) == 1 and found.args[0]
        return [TempNode(one, context=sequence)] if one else []

    def _returned(self, function: Expression | None, seen: _Sources) -> list[Expression]:
        """What the function of a ``tune.sample_from`` returns."""
        if isinstance(function, LambdaExpr):
            return self._values(function.expr(), seen)
        node = self._bindings.named(function) if function else None
        if isinstance(node, FuncDef) and node not in seen and (made := self._bindings.values(node, 0)):
            return [value for single in made for value in self._values(single, seen | {node})]
        found = self._type(function) if function else None
        return [TempNode(found.ret_type, context=function)] if isinstance(found, CallableType) else []

    def _sampled(self, expression: Expression) -> Expression:
        """What a domain of Ray's samples, where its type tells; any other expression as it is."""
        found = self._type(expression)
        kinds = [get_proper_type(kind) for kind in found.items] if isinstance(found, UnionType) else [found]
        # Any beside a domain is the stubs' leave to use it as what it samples; beside several it is a guess.
        known = [kind for kind in kinds if not isinstance(kind, AnyType)]
        sampled = [self._sample_of(kind) for kind in known]
        if sampled == known:
            return expression
        unsure = len(known) > 1 and len(known) < len(kinds)
        return TempNode(_ANY if unsure else UnionType.make_union(sampled), context=expression)

    def _sample_of(self, kind: ProperType) -> Type:
        """What is sampled from a domain of this type, or taken from a ``grid_search`` dict; another type as it is."""
        if domain := _domain(kind):
            return domain.args[0] if domain.args else _ANY
        return _ANY if _is_grid(kind) else kind

    def _settled(self, expression: Expression) -> Expression:
        """An expression that means the same wherever mypy reads it.

        Words and numbers stay, and displays of them; of all else there is the type that mypy found where it stands: it
        cannot be asked again here, in another scope, after other checks.
        """
        if isinstance(expression, (StrExpr, IntExpr, FloatExpr, TempNode)) or _name(expression) in _CONSTANTS:
            return expression
        settled: Expression
        if isinstance(expression, DictExpr):
            settled = DictExpr([(key and self._settled(key), self._settled(value)) for key, value in expression.items])
        elif isinstance(expression, (ListExpr, TupleExpr, SetExpr)) and not any(map(_is_star, expression.items)):
            settled = type(expression)([self._settled(item) for item in expression.items])
        elif isinstance(expression, CallExpr) and self._is_generic(expression.callee):
            return TempNode(_ANY, context=expression)  # its type would be another where another is expected
        else:
            return self._display(self._type(expression), expression)
        settled.set_line(expression)
        return settled

    def _is_generic(self, function: Expression) -> bool:
        """Whether a function is overloaded or has type variables; at the call mypy notes it without them."""
        node = function.node if isinstance(function, RefExpr) else None
        declared = node.type if isinstance(node, (Var, FuncDef, OverloadedFuncDef, Decorator)) else None
        kinds = [get_proper_type(declared), self._type(function)]
        return any(
            isinstance(kind, Overloaded) or (isinstance(kind, CallableType) and kind.variables) for kind in kinds
        )

    def _is_any_str(self, expression: Expression) -> bool:
        found = self._type(expression)
        return isinstance(found, Instance) and _is_a("str", found) and found.last_known_value is None

    def _display(self, found: ProperType, place: Expression) -> Expression:
        """A value of a type; a list or a dict by its items: nobody adds to it, so a list of bools is one of ints."""
        parts = [TempNode(part, context=place) for part in found.args] if isinstance(found, Instance) else []
        settled: Expression
        if isinstance(found, Instance) and _is_a("list", found):
            settled = ListExpr([*parts])
        elif isinstance(found, Instance) and _is_a("dict", found):
            settled = DictExpr([(parts[0], parts[1])])
        else:
            return TempNode(found, context=place)
        settled.set_line(place)
        return settled

    def _is_told(self, key: Expression) -> bool:
        """Whether the source tells which key it is, or that it can be none."""
        if isinstance(key, StrExpr):
            return True
        found = self._type(key)
        literal = found if isinstance(found, LiteralType) else isinstance(found, Instance) and found.last_known_value
        kind = literal.fallback if literal else found
        if not isinstance(kind, Instance):
            return False
        # An enum of words is a word that mypy does not know.
        return bool(literal) if _is_a("str", kind) else not kind.type.has_base("builtins.str")

    def _type(self, expression: Expression) -> ProperType:
        """The type that mypy found for an expression where it stands; Any where it is not sure, or has not looked."""
        if isinstance(expression, TempNode):
            return get_proper_type(expression.type)
        found = get_proper_type(self._checker.lookup_type_or_none(expression))
        if isinstance(found, UnionType) and not any(map(_domain, found.items)):
            found = _ANY if any(isinstance(get_proper_type(kind), AnyType) for kind in found.items) else found
        return _ANY if found is None or isinstance(found, (PartialType, DeletedType)) else found


def _is_checked_by_mypy(source: SymbolNode) -> bool:
    """Whether it is declared as a TypedDict: then mypy itself has checked what is written there."""
    declared = get_proper_type(source.type) if isinstance(source, (Var, FuncDef)) else None
    made = get_proper_type(declared.ret_type) if isinstance(declared, CallableType) else declared
    return isinstance(made, TypedDictType)


def _name(expression: Expression) -> str:
    """The full name of what an expression refers to."""
    return expression.fullname if isinstance(expression, RefExpr) else ""


def _called(expression: Expression) -> Expression:
    return expression.callee if isinstance(expression, CallExpr) else expression


def _bare(expression: Expression) -> Expression:
    """What is only named, cast or copied by an expression."""
    inner: Expression | None = None
    if isinstance(expression, AssignmentExpr):
        inner = expression.value
    elif isinstance(expression, CallExpr) and isinstance(expression.analyzed, CastExpr):
        inner = expression.analyzed.expr
    elif isinstance(expression, CallExpr) and _name(expression.callee) in _COPIES and expression.args:
        inner = expression.args[0]
    elif isinstance(expression, CallExpr) and isinstance(expression.callee, MemberExpr):
        inner = expression.callee.expr if expression.callee.name == "copy" and not expression.args else None
    return _bare(inner) if inner else expression


def _words(expression: Expression) -> list[str | None]:
    """The words that an expression can be; None for what is no word."""
    if isinstance(expression, ConditionalExpr):
        return [*_words(expression.if_expr), *_words(expression.else_expr)]
    return [expression.value if isinstance(expression, StrExpr) else None]


def _is_grid(kind: ProperType) -> bool:
    """Whether it is what Ray says that its ``grid_search`` returns: ``dict[str, list[Any]]``, or of an Iterable."""
    values = get_proper_type(kind.args[1]) if isinstance(kind, Instance) and _is_a("dict", kind) else None
    inner = [get_proper_type(arg) for arg in values.args] if isinstance(values, Instance) else []
    return len(inner) == 1 and isinstance(inner[0], AnyType)


def _is_a(name: str, kind: Instance) -> bool:
    return kind.type.fullname == f"builtins.{name}"


def _is_star(expression: Expression) -> bool:
    return isinstance(expression, StarExpr)


def _domain(kind: Type) -> Instance | None:
    """What a type is as a ``Domain`` of Ray's; None for another type."""
    found = get_proper_type(kind)
    for base in found.type.mro if isinstance(found, Instance) else ():
        if base.fullname == f"{_SAMPLE}.Domain" and isinstance(found, Instance):
            return map_instance_to_supertype(found, base)
    return None


def _updated(expression: Expression) -> Expression | None:
    """What an expression ``x.update(...)`` adds to."""
    called = expression.callee if isinstance(expression, CallExpr) else None
    return called.expr if isinstance(called, MemberExpr) and called.name == "update" else None


def _search_name(expression: Expression) -> str:
    """The full name of the Tune function that makes a search value; ``"grid_search"`` for its plain dict."""
    if isinstance(expression, CallExpr):
        name = _name(expression.callee)
        return name if name in _OF_ITEMS or name in _OF_NUMBERS or name == _OF_FUNCTION else ""
    if isinstance(expression, DictExpr) and len(expression.items) == 1:
        key = expression.items[0][0]
        return "grid_search" if isinstance(key, StrExpr) and key.value == "grid_search" else ""
    return ""


def _is_search(expression: Expression) -> bool:
    return _search_name(expression) != ""


def _argument(expression: Expression) -> Expression | None:
    """The one argument of a search function that matters."""
    if isinstance(expression, DictExpr):
        return expression.items[0][1]
    return expression.args[0] if isinstance(expression, CallExpr) and expression.args else None


def _word(text: str, place: Expression) -> StrExpr:
    word = StrExpr(text)
    word.set_line(place)
    return word
