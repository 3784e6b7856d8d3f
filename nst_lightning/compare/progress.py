"""The progress of a whole comparison, in steps of all its pairs."""

from nst_lightning.progress import ProgressBar


class OverallProgress(ProgressBar):
    """Counts the steps of all pairs, with the time left; a context manager.

    Steps that an earlier run has taken already are taken out of the total, so that they do not
    make the time left look short.

    Args:
        pairs: How many pairs there are.
        steps: Steps of one pair.
    """

    def __init__(self, pairs: int, steps: int) -> None:
        super().__init__(pairs * steps, f"pair 1/{pairs}", unit="steps")
        self._pairs, self._steps = pairs, steps
        self._number = 0
        self._is_new = True
        self._end = 0  # where the bar stands when this pair and those before it are done
        self._total = pairs * steps

    def start_pair(self, label: str) -> None:
        """Name the pair whose turn it is."""
        self._number += 1
        self._end += self._steps
        self._is_new = True
        self.update(description=f"pair {self._number}/{self._pairs}", details=label)

    def step(self, step: int) -> None:
        """Move to a step of this pair; the first one reported is where the run goes on."""
        if self._is_new:
            self._take_out(step)
        self.update(self._end - self._steps + step, total=self._total)

    def end_pair(self) -> None:
        """Count a pair as done; one that took no step leaves the total."""
        if self._is_new:
            self._take_out(self._steps)
        self.update(self._end, total=self._total)

    def _take_out(self, steps: int) -> None:
        self._is_new = False
        self._end -= steps
        self._total -= steps
