# Re-exports of Ray's own names: mypy asks every parent of a stub to be a stub. Nothing is retyped here.
import logging
from typing import Any

from ray import _private as _private
from ray import actor as actor
from ray import autoscaler as autoscaler
from ray import data as data
from ray import internal as internal
from ray import util as util
from ray import widgets as widgets
from ray import workflow as workflow
from ray._private import log as log
from ray._private.object_ref_generator import (  # type: ignore[attr-defined, unused-ignore]
    DynamicObjectRefGenerator as DynamicObjectRefGenerator,
)
from ray._private.object_ref_generator import (
    ObjectRefGenerator as ObjectRefGenerator,
)
from ray._private.ray_logging.logging_config import LoggingConfig as LoggingConfig
from ray._private.state import available_resources as available_resources
from ray._private.state import cluster_resources as cluster_resources
from ray._private.state import nodes as nodes
from ray._private.state import timeline as timeline
from ray._private.worker import RESTORE_WORKER_MODE as RESTORE_WORKER_MODE
from ray._private.worker import SCRIPT_MODE as SCRIPT_MODE
from ray._private.worker import SPILL_WORKER_MODE as SPILL_WORKER_MODE
from ray._private.worker import WORKER_MODE as WORKER_MODE
from ray._private.worker import cancel as cancel
from ray._private.worker import get as get
from ray._private.worker import get_actor as get_actor
from ray._private.worker import get_gpu_ids as get_gpu_ids
from ray._private.worker import init as init
from ray._private.worker import is_initialized as is_initialized
from ray._private.worker import kill as kill
from ray._private.worker import put as put
from ray._private.worker import remote as remote
from ray._private.worker import shutdown as shutdown
from ray._private.worker import wait as wait

# Ray's older releases have no types here.
from ray._raylet import (  # type: ignore[attr-defined, unused-ignore]
    ActorClassID as ActorClassID,
)
from ray._raylet import (
    ActorID as ActorID,
)
from ray._raylet import (
    ClusterID as ClusterID,
)
from ray._raylet import (
    FunctionID as FunctionID,
)
from ray._raylet import (
    JobID as JobID,
)
from ray._raylet import (
    NodeID as NodeID,
)
from ray._raylet import (
    ObjectID as ObjectID,
)
from ray._raylet import (
    ObjectRef as ObjectRef,
)
from ray._raylet import (
    PlacementGroupID as PlacementGroupID,
)
from ray._raylet import (
    TaskID as TaskID,
)
from ray._raylet import (
    UniqueID as UniqueID,
)
from ray._raylet import (
    WorkerID as WorkerID,
)
from ray.actor import method as method
from ray.client_builder import ClientBuilder as ClientBuilder
from ray.client_builder import client as client
from ray.cross_language import java_actor_class as java_actor_class
from ray.cross_language import java_function as java_function
from ray.runtime_context import get_runtime_context as get_runtime_context

AUTO_INIT_APIS: set[str]
Language: Any
NON_AUTO_INIT_APIS: set[str]
__commit__: str
__version__: str
_config: Any
logger: logging.Logger

class _DeprecationWrapper:
    def __init__(self, name: str, real_worker: Any) -> None: ...
    def __getattr__(self, attr: str) -> Any: ...

ray_constants: _DeprecationWrapper
serialization: _DeprecationWrapper
state: _DeprecationWrapper
worker: _DeprecationWrapper
