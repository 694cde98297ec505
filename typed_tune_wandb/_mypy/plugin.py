"""What mypy asks of the plugin.

mypy has no stable interface for plugins. Beyond the documented hooks, this package uses the tree of the checked file
(``TypeChecker.tree``), the class ``TypeChecker`` itself, and the declared types in the tree.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from mypy.checker import TypeChecker
from mypy.nodes import CallExpr, FuncDef, Import, ImportBase, MypyFile, TypeInfo
from mypy.options import Options
from mypy.plugin import FunctionContext, MethodContext, Plugin
from mypy.types import Instance, Type, TypedDictType

from typed_tune_wandb._mypy.entry import EntryChecker
from typed_tune_wandb._mypy.flow import FileFlow
from typed_tune_wandb._mypy.tree import CONFIG_PARAMETERS

_SETTINGS: Final = "typed_tune_wandb.settings"
_DOES_NOTHING: Final = {"anonymous"}  # a parameter of wandb.init that is a mistake all the same

_Call: TypeAlias = FunctionContext | MethodContext


class WandbPlugin(Plugin):
    """Checks the W&B entry wherever Tune is given a config."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        # By file: the checker's scope, and what was found out while the checker had it. mypy's daemon changes a file's
        # tree in place, and makes another scope whenever it checks the file again.
        self._flows: dict[str, tuple[object, FileFlow]] = {}

    def get_additional_deps(self, file: MypyFile) -> list[tuple[int, str, int]]:
        """Make a file that uses Ray depend on the type of the entry, though it may not import this library."""
        users = file.fullname.partition(".")[0] not in ("ray", "typed_tune_wandb", "wandb")
        # Without it mypy looks into no installed package: not finding this one would be an error of the file.
        installed = self.options.python_executable is not None
        return [(10, _SETTINGS, -1)] if users and installed and any(map(_imports_ray, file.imports)) else []

    def get_function_hook(self, fullname: str) -> Callable[[_Call], Type] | None:
        """Return the check, for the functions that take a config."""
        return self._check if fullname in CONFIG_PARAMETERS else None

    def get_method_hook(self, fullname: str) -> Callable[[_Call], Type] | None:
        """Return the check, for the methods that take a config."""
        return self.get_function_hook(fullname)

    def _check(self, call: _Call) -> Type:
        """Check the config in a call; the call's own type stays what it is."""
        shape, checker = self._shape(), call.api
        if shape and isinstance(checker, TypeChecker) and isinstance(call.context, CallExpr):
            config = self._flow(checker).config(call.context)
            if config:
                EntryChecker(checker, shape, self._parameters_of_init()).check_config(config)
        return call.default_return_type

    def _flow(self, checker: TypeChecker) -> FileFlow:
        file = checker.tree.fullname
        scope, flow = self._flows.get(file, (None, None))
        if flow is None or scope is not checker.scope:
            flow = FileFlow(checker.tree)
            self._flows[file] = checker.scope, flow
        return flow

    def _shape(self) -> TypedDictType | None:
        symbol = self.lookup_fully_qualified(f"{_SETTINGS}.WandbConfigDict")
        info = symbol.node if symbol else None
        if not isinstance(info, TypeInfo) or not info.typeddict_type:
            return None
        # By its fallback a TypedDict has a name, for the messages.
        return info.typeddict_type.copy_modified(fallback=Instance(info, []))

    def _parameters_of_init(self) -> set[str | None]:
        """Return the parameters of the installed ``wandb.init``, some of which may be newer than this library."""
        symbol = self.lookup_fully_qualified("wandb.init")
        init = symbol.node if symbol else None
        return {*(init.arg_names if isinstance(init, FuncDef) else ())} - _DOES_NOTHING


def _imports_ray(line: ImportBase) -> bool:
    modules = [name for name, _ in line.ids] if isinstance(line, Import) else [getattr(line, "id", "")]
    return any(module.partition(".")[0] in ("ray", "typed_tune_wandb") for module in modules)
