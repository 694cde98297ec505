"""The first program of W&B's Ray Tune page, on today's Ray: its import lines are changed.

At each other line that differs, a comment says what is wrong with the page's. The key stands in ``~/.wandb_api_key``;
without one, record offline and upload later by ``wandb sync``:

    WANDB_MODE=offline python examples/documented_logger.py
"""

from typed_tune_wandb import WandbLogger
from typed_tune_wandb import legacy as tune  # the page uses tune, and does not import it
from typed_tune_wandb.legacy import DEFAULT_LOGGERS


# The page calls train_fn, and does not define it: this one is that of its second program, without its `self`.
def train_fn(config: dict[str, int]) -> None:
    for _ in range(10):
        loss = config["parameter_1"] + config["parameter_2"]
        tune.report(loss=loss)


tune.run(
    train_fn,
    config={
        # define search space here
        "parameter_1": tune.choice([1, 2, 3]),
        "parameter_2": tune.choice([4, 5, 6]),
        # wandb configuration
        "wandb": {
            "project": "Optimization_Project",
            "api_key_file": "~/.wandb_api_key",  # the page's "/path/to/file" is no file
            "log_config": True,
        },
    },
    loggers=DEFAULT_LOGGERS + (WandbLogger,),  # noqa: RUF005  # the page's words
)
