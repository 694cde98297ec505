"""The second program of W&B's Ray Tune page, on today's Ray: its import lines changed, and types added.

    WANDB_MODE=offline python examples/documented_mixin.py

Online it needs a key: its file in place of the page's "/path/to/file". Offline nothing looks for it.
"""

from typing import Any

import wandb  # the page forgets this line: its wandb.log is a NameError

from typed_tune_wandb import legacy as tune
from typed_tune_wandb import wandb_mixin


@wandb_mixin
def train_fn(config: dict[str, Any]) -> None:
    for i in range(10):  # noqa: B007  # the page's words
        loss = config["a"] + config["b"]  # the page has self.config: a function has no self
        wandb.log({"loss": loss})
        tune.report(loss=loss)


tune.run(
    train_fn,
    config={
        # define search space here
        "a": tune.choice([1, 2, 3]),
        "b": tune.choice([4, 5, 6]),
        # wandb configuration
        "wandb": {"project": "Optimization_Project", "api_key_file": "/path/to/file"},
    },
)
