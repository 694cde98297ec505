# Re-exports of Ray's own names: mypy asks every parent of a stub to be a stub. Nothing is retyped here.
from ray.tune.trainable.function_trainable import FunctionTrainable as FunctionTrainable
from ray.tune.trainable.function_trainable import wrap_function as wrap_function
from ray.tune.trainable.trainable import Trainable as Trainable
from ray.tune.trainable.util import with_parameters as with_parameters
