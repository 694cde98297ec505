"""The mypy plugin behind :mod:`typed_tune_wandb.mypy_plugin`.

``plugin`` holds the hooks that mypy calls, ``flow`` finds what certainly reaches Tune by a call, and ``entry`` compares
the W&B entry in it with the types.
"""
