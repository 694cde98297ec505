# Re-exports of Ray's own names: mypy asks every parent of a stub to be a stub. Nothing is retyped here.
from collections.abc import Callable
from typing import Any

from ray.tune.search.basic_variant import BasicVariantGenerator as BasicVariantGenerator
from ray.tune.search.concurrency_limiter import ConcurrencyLimiter as ConcurrencyLimiter
from ray.tune.search.repeater import Repeater as Repeater
from ray.tune.search.search_algorithm import SearchAlgorithm as SearchAlgorithm
from ray.tune.search.search_generator import SearchGenerator as SearchGenerator
from ray.tune.search.searcher import Searcher as Searcher
from ray.tune.search.variant_generator import grid_search as grid_search

SEARCH_ALG_IMPORT: dict[str, Callable[[], Any]]
UNDEFINED_METRIC_MODE: str
UNDEFINED_SEARCH_SPACE: str
UNRESOLVED_SEARCH_SPACE: str

# Any: which class comes back depends on the name.
def create_searcher(search_alg: str, **kwargs: Any) -> Any: ...
