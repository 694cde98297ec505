"""``python -m typed_tune_wandb``: the command line."""

from typed_tune_wandb.cli._main import run

if __name__ == "__main__":
    run()
