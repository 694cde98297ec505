"""The notebook of W&B's Ray Tune page, on today's Ray: a raw dict in the config, and WandbLogger.

Install what it needs: `pip install typed-tune-wandb scikit-learn`. It records offline. To record online, log in by
`wandb login` and take `"mode"` out of the entry.
"""

# %% [markdown]
# ## The training function
#
# It reports to Tune after each epoch, and knows nothing of W&B.

# %%
from typing import Any

import numpy as np
from ray import tune
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split

from typed_tune_wandb import WandbLogger


def train(config: dict[str, Any]) -> None:
    images, digits = load_digits(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(images / 16, digits, random_state=0)
    model = SGDClassifier(loss="log_loss", alpha=config["alpha"], random_state=0)
    for _ in range(3):
        model.partial_fit(train_x, train_y, classes=np.arange(10))
        tune.report({"accuracy": model.score(test_x, test_y)})


# %% [markdown]
# ## The search
#
# The W&B settings are a dict under `"wandb"`, which may hold search values like the rest of the config.

# %%
logger = WandbLogger()
tuner = tune.Tuner(
    train,
    param_space={
        "alpha": tune.grid_search([1e-4, 1e-2]),
        "wandb": {"project": "Optimization_Project", "mode": "offline", "log_config": True},
    },
    tune_config=tune.TuneConfig(metric="accuracy", mode="max"),
    run_config=tune.RunConfig(callbacks=[logger]),
)
results = tuner.fit()

# %% [markdown]
# ## The best trial

# %%
results.get_best_result().config

# %% [markdown]
# ## The runs
#
# One for each trial, with its state, the number of its rows, and where it is.

# %%
logger.runs
