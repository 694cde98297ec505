"""The steps of a run's rows, counted alike by the driver and by the worker."""

from __future__ import annotations

from attrs import define


@define
class StepCounter:
    """Assigns a step to each row of a run.

    A step never goes backwards, also where PBT turns the iteration back: W&B drops such rows. Iterations that a retried
    or restored trial trains again, up to the last one that was recorded, are passed over: the first row of an iteration
    is the one that counts, since a recorded row can't be taken back.

    Attributes:
        next_step: Lowest step that the next row may have.
        recorded_iteration: Rows up to this ``training_iteration`` are passed over, until a higher one comes.

    Example:
        >>> from typed_tune_wandb.recording._steps import StepCounter
        >>> counter = StepCounter(next_step=4, recorded_iteration=3)
        >>> [counter.assign(iteration, iteration) for iteration in (2, 3, 4, 1, 9)]
        [None, None, 4, 5, 9]
    """

    next_step: int = 0
    recorded_iteration: int = 0

    def assign(self, step: int, iteration: int) -> int | None:
        """Give the step of the next row, or None if the row is passed over.

        Args:
            step: Lowest step it may have.
            iteration: Its ``training_iteration``, or 0 if it has none.
        """
        if 0 < iteration <= self.recorded_iteration:
            return None
        self.recorded_iteration = 0
        step = max(step, self.next_step)
        self.next_step = step + 1
        return step
