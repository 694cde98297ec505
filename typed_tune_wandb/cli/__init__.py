"""The command line: ``typed-tune-wandb``, also as ``python -m typed_tune_wandb``.

Each command is a module of this package with a function of the same name, registered in :mod:`._main` alone. Importing
them loads neither ray nor wandb.
"""

from typed_tune_wandb.cli._main import main

__all__ = ["main"]
