"""A mypy plugin that checks the W&B entry of a raw config, without an annotation.

Switched on by ``plugins = typed_tune_wandb.mypy_plugin``. docs/typing.md says what it finds, and how an annotation
finds the rest. mypy has no stable interface for plugins: beyond the documented hooks, this one reads the tree of the
checked file. It was run with mypy 1.15 to 2.4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mypy import nodes
from mypy.checker import TypeChecker
from mypy.options import Options
from mypy.plugin import FunctionContext, MethodContext, Plugin
from mypy.types import Instance, Type

from typed_tune_wandb import __version__
from typed_tune_wandb._mypy.displays import CONFIG_PARAMETERS
from typed_tune_wandb._mypy.entry import EntryChecker
from typed_tune_wandb._mypy.flow import FileFlow

__all__ = ["WandbPlugin", "__version__", "plugin"]  # by another version, mypy knows that what it has cached is stale

_SETTINGS: Final = "typed_tune_wandb.settings"
_DOES_NOTHING: Final = {"anonymous"}  # a parameter of wandb.init that is a mistake all the same


def plugin(version: str) -> type[Plugin]:
    """Return the plugin's class: what mypy asks a plugin's module for."""
    return WandbPlugin


class WandbPlugin(Plugin):
    """Checks the W&B entry wherever Tune is given a config."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        # By file: the checker's scope, and what was found out while the checker had it. mypy's daemon changes a file's
        # tree in place, and makes another scope whenever it checks the file again.
        self._flows: dict[str, tuple[object, FileFlow]] = {}

    def get_additional_deps(self, file: nodes.MypyFile) -> list[tuple[int, str, int]]:
        """Make a file that uses Ray depend on the type of the entry, though it may not import this library."""
        users = file.fullname.partition(".")[0] not in ("ray", "typed_tune_wandb", "wandb")
        # Without it mypy looks into no installed package: not finding this one would be an error of the file.
        installed = self.options.python_executable is not None
        return [(10, _SETTINGS, -1)] if users and installed and any(map(_imports_ray, file.imports)) else []

    def get_function_hook(self, fullname: str) -> Callable[[FunctionContext | MethodContext], Type] | None:
        """Return the check, for the functions that take a config."""
        return self._check if fullname in CONFIG_PARAMETERS else None

    def get_method_hook(self, fullname: str) -> Callable[[FunctionContext | MethodContext], Type] | None:
        """Return the check, for the methods that take a config."""
        return self.get_function_hook(fullname)

    def _check(self, context: FunctionContext | MethodContext) -> Type:
        """Check the config in a call; the call's own type stays what it is."""
        entry, init = (self.lookup_fully_qualified(name) for name in (f"{_SETTINGS}.WandbConfigDict", "wandb.init"))
        checker, call, info = context.api, context.context, entry and entry.node
        if isinstance(checker, TypeChecker) and isinstance(call, nodes.CallExpr) and isinstance(info, nodes.TypeInfo):
            config = self._flow(checker).config(call)
            # By its fallback a TypedDict has a name, for the messages.
            shape = info.typeddict_type and info.typeddict_type.copy_modified(fallback=Instance(info, []))
            # The installed wandb may have parameters that are newer than this library.
            parameters = init.node.arg_names if init and isinstance(init.node, nodes.FuncDef) else []
            if config and shape:
                EntryChecker(checker, shape, {*parameters} - _DOES_NOTHING).check_config(config)
        return context.default_return_type

    def _flow(self, checker: TypeChecker) -> FileFlow:
        file = checker.tree.fullname
        scope, flow = self._flows.get(file, (None, None))
        if flow is None or scope is not checker.scope:
            flow = FileFlow(checker.tree)
            self._flows[file] = checker.scope, flow
        return flow


def _imports_ray(line: nodes.ImportBase) -> bool:
    modules = [name for name, _ in line.ids] if isinstance(line, nodes.Import) else [getattr(line, "id", "")]
    return any(module.partition(".")[0] in ("ray", "typed_tune_wandb") for module in modules)
