import logging
from collections.abc import Callable
from typing import Any, TypeVar, overload

from ray.tune.execution.placement_groups import PlacementGroupFactory
from ray.tune.trainable.trainable import Trainable

_R = TypeVar("_R")
_TrainableT = TypeVar("_TrainableT", bound=Trainable)
_F = TypeVar("_F", bound=Callable[..., Any])

logger: logging.Logger

@overload
def with_parameters(trainable: type[_TrainableT], **kwargs: Any) -> type[_TrainableT]: ...
@overload
def with_parameters(trainable: Callable[..., _R], **kwargs: Any) -> Callable[[dict[str, Any]], _R]: ...
def with_resources(
    trainable: _F,
    resources: dict[str, float]
    | dict[str, int]
    | PlacementGroupFactory
    | Callable[[dict[str, Any]], PlacementGroupFactory],
) -> _F: ...
