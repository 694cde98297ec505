"""Tune's search space in W&B's words: the configuration of a sweep.

No agent is ever started: Tune searches. W&B reads the configuration to draw plots, and to name what was searched.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from attrs import Factory, define, frozen
from ray.tune.search import BasicVariantGenerator
from ray.tune.search.sample import Domain, Float, Integer, LogUniform, Normal, Quantized, Uniform

from typed_tune_wandb.payload import Redactor, sanitize_config
from typed_tune_wandb.settings._entry import ENTRY_PATHS
from typed_tune_wandb.settings._search_values import candidates_of, is_categorical, search_values_in
from typed_tune_wandb.tune._metric import GOALS, objective_of
from typed_tune_wandb.tune._tune_call import variables_of_run

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")  # of a parameter, by the schema of W&B's sweeps
_PLACEHOLDERS: Final = ("__fn_ph", "__ref_ph")  # Tune puts them in the place of functions and objects
_MAX_CONSTANT_ITEMS: Final = 100


@frozen
class SearchSpace:
    """What Tune searches, and for what.

    Attributes:
        space: The experiment's ``param_space``, with its search values.
        metric: The metric of ``TuneConfig``, or of the searcher or the scheduler; None if nobody has named one.
        mode: ``"min"`` or ``"max"``, or None.
        searcher: The class of a searcher that Tune does not bring by itself, and that may have a space of its own.
    """

    space: Mapping[str, object] = Factory(dict)
    metric: str | None = None
    mode: str | None = None
    searcher: str = ""


def find_search_space() -> SearchSpace | None:
    """Return what the call of Tune searches from which this is called; None if that cannot be seen.

    Tune tells callbacks the resolved configs alone. The space is in variables of ``ray.tune.tune.run`` (seen in Ray
    2.60); ``tests/test_sweep.py`` fails where they are not found. Then a sweep has no parameters.
    """
    variables = variables_of_run("experiments", "search_alg")
    return None if variables is None else _search_space(variables)


def _search_space(variables: Mapping[str, Any]) -> SearchSpace:
    experiments, generator = variables["experiments"], variables["search_alg"]
    space = getattr(experiments[0], "spec", {}).get("config")
    searcher = getattr(generator, "searcher", generator)
    while hasattr(searcher, "searcher"):  # a limiter or a repeater around it
        searcher = searcher.searcher
    own = "" if isinstance(searcher, BasicVariantGenerator) else type(searcher).__name__
    return SearchSpace(space if isinstance(space, Mapping) else {}, *objective_of(variables), own)


def sweep_config(
    found: SearchSpace, name: str, redactor: Redactor | None = None, excludes: tuple[str, ...] = ()
) -> tuple[dict[str, Any], list[str]]:
    """Return the configuration of a sweep, as ``wandb.sweep`` takes it, and what it cannot say, in sentences.

    Its method is ``grid`` where all that is searched is ``grid_search``, else ``random``: W&B's ``bayes`` and
    ``custom`` are promises about who searches, and ``random`` takes every distribution, with and without a metric.

    Args:
        found: What Tune searches.
        name: The experiment's name.
        redactor: What redacts credentials.
        excludes: Keys that are left out, nested ones with ``/``.

    Example:
        >>> from ray import tune
        >>> from typed_tune_wandb.tune._search_space import SearchSpace, sweep_config
        >>> space = SearchSpace({"lr": tune.loguniform(1e-4, 1e-1), "layers": tune.randint(1, 5)}, "loss", "min")
        >>> config, _ = sweep_config(space, "digits")
        >>> config["parameters"]["layers"], config["metric"]
        ({'distribution': 'int_uniform', 'min': 1, 'max': 4}, {'name': 'loss', 'goal': 'minimize'})
    """
    description = _Description(redactor or Redactor(), excludes)
    parameters = description.parameters(found.space, ())
    grid = description.grids > 0 and description.others == 0
    config: dict[str, Any] = {"name": name, "method": "grid" if grid else "random"}
    if found.metric is not None:
        goal = {} if found.mode is None else {"goal": GOALS[found.mode]}
        config["metric"] = {"name": found.metric, **goal}
    if parameters:
        config["parameters"] = parameters
    unsaid = [f"{path}: {reason}" for path, reason in description.unsaid.items()]
    if found.searcher and not description.grids + description.others:
        unsaid.append(f"the space of {found.searcher}: Tune was not told it")
    return config, unsaid


@define
class _Description:
    """Describes search values; notes what it cannot describe."""

    redactor: Redactor
    excludes: tuple[str, ...]
    grids: int = 0
    others: int = 0
    unsaid: dict[str, str] = Factory(dict)

    def parameters(self, space: Mapping[str, object], path: tuple[str, ...]) -> dict[str, Any]:
        """Return W&B's parameters for a dict of search values and constants."""
        found: dict[str, Any] = {}
        for key, value in space.items():
            place = (*path, str(key))
            if "/".join(place) in ENTRY_PATHS:
                continue
            if (parameter := self.parameter(value, place)) is None:
                continue
            if not (isinstance(key, str) and _NAME.fullmatch(key)):
                self.unsaid["/".join(place)] = "W&B's sweeps have no parameters of this name"
                continue
            found[key] = parameter
        return found

    def parameter(self, value: object, path: tuple[str, ...]) -> dict[str, Any] | None:
        """Return W&B's parameter for a value of a space; None where there is none."""
        name = "/".join(path)
        candidates = candidates_of(value)
        if is_categorical(value) or (candidates and not isinstance(value, Domain)):
            self.grids, self.others = self.grids + (not is_categorical(value)), self.others + is_categorical(value)
            return self._of_candidates(candidates or [], path)
        if isinstance(value, Domain):
            self.others += 1
            if not self._is_recorded(path):
                return None
            parameter = _of_domain(value)
            if parameter is None:
                self.unsaid[name] = "W&B has no distribution like it"
            return parameter
        if candidates is not None or _has_placeholder(value):
            if candidates is not None or (isinstance(value, tuple) and value[:1] == _PLACEHOLDERS[:1]):
                self.others += 1
                self.unsaid[name] = "a function draws it"
            return None  # an object that is no search value is no hyperparameter that W&B could plot
        if isinstance(value, Mapping):
            inner = self.parameters(value, path)
            return {"parameters": inner} if inner else None
        if search_values_in(value):
            self.others += 1
            self.unsaid[name] = "search values in a list"
            return None
        return self._of_constant(value, path)

    def _of_candidates(self, candidates: list[object], path: tuple[str, ...]) -> dict[str, Any] | None:
        if any(_has_placeholder(item) for item in candidates) or any(search_values_in(item) for item in candidates):
            self.unsaid["/".join(path)] = "its candidates are objects, or search values themselves"
            return None
        recorded = [item for candidate in candidates for item in self._recorded(candidate, path)]
        return {"values": recorded} if recorded else None

    def _of_constant(self, value: object, path: tuple[str, ...]) -> dict[str, Any] | None:
        if isinstance(value, (list, tuple)) and len(value) > _MAX_CONSTANT_ITEMS:
            return None
        return next(({"value": item} for item in self._recorded(value, path)), None)

    def _is_recorded(self, path: tuple[str, ...]) -> bool:
        return bool([*self._recorded(0, path)])

    def _recorded(self, value: object, path: tuple[str, ...]) -> Iterator[Any]:
        """Yield a value as it is recorded in the runs' configs, if it is."""
        config: Any = value
        for name in reversed(path):
            config = {name: config}
        silent: Callable[[str, str], None] = lambda key, reason: None  # the runs' configs say it  # noqa: E731
        found: Any = sanitize_config(config, self.excludes, redactor=self.redactor, warn=silent)
        for name in path:
            if not (isinstance(found, dict) and name in found):
                return
            found = found[name]
        if not isinstance(found, float) or math.isfinite(found):
            yield found


def _has_placeholder(value: object) -> bool:
    if isinstance(value, tuple) and len(value) == 2 and value[0] in _PLACEHOLDERS:
        return True
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    return any(map(_has_placeholder, inner))


def _of_domain(domain: Domain) -> dict[str, Any] | None:
    """Return W&B's distribution for Tune's; None if there is none."""
    sampler, step = domain.get_sampler(), None
    if isinstance(sampler, Quantized):
        step, sampler = sampler.q, sampler.get_sampler()
    if isinstance(domain, Integer):
        return _of_integers(domain, sampler, step)
    if not isinstance(domain, Float):
        return None
    kind, arguments = "", {"min": float(domain.lower), "max": float(domain.upper)}
    if isinstance(sampler, Normal):
        kind, arguments = "normal", {"mu": float(sampler.mean), "sigma": float(sampler.sd)}
    elif isinstance(sampler, LogUniform):
        kind = "log_uniform_values"
    elif isinstance(sampler, Uniform):
        kind = "uniform"
    if not kind or not all(map(math.isfinite, arguments.values())):
        return None
    quantized = {} if step is None else {"q": float(step)}
    return {"distribution": f"q_{kind}" if quantized else kind, **arguments, **quantized}


def _of_integers(domain: Integer, sampler: object, step: float | None) -> dict[str, Any] | None:
    # Tune never draws the upper end, but where it quantizes by more than 1; W&B does.
    lower, upper = int(domain.lower), int(domain.upper) - (step in (None, 1))
    if isinstance(sampler, LogUniform):
        return {"distribution": "q_log_uniform_values", "min": lower, "max": upper, "q": int(step or 1)}
    if not isinstance(sampler, Uniform):
        return None
    if step in (None, 1):
        return {"distribution": "int_uniform", "min": lower, "max": upper}
    return {"distribution": "q_uniform", "min": lower, "max": upper, "q": int(step or 1)}
