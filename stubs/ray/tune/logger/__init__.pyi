# Re-exports of Ray's own names: mypy asks every parent of a stub to be a stub. Nothing is retyped here.
from ray.tune.logger.csv import CSVLoggerCallback as CSVLoggerCallback
from ray.tune.logger.json import JsonLoggerCallback as JsonLoggerCallback
from ray.tune.logger.logger import LoggerCallback as LoggerCallback
from ray.tune.logger.logger import pretty_print as pretty_print
from ray.tune.logger.tensorboardx import TBXLoggerCallback as TBXLoggerCallback
