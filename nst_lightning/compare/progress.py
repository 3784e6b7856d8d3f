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
        self._total = pairs * steps
        self._steps, self._pairs = steps, pairs
        self._done_pairs = self._done = 0
        self._first: int | None = None

    def start_pair(self, label: str) -> None:
        """Name the pair whose turn it is."""
        self._first = None
        number = min(self._done_pairs + 1, self._pairs)
        self.update(description=f"pair {number}/{self._pairs}", details=label)

    def step(self, step: int) -> None:
        """Move to a step of this pair; the first one reported is where the run goes on."""
        if self._first is None:
            self._first = step
            self._total -= step
        self.update(self._done + step - self._first, total=self._total)

    def end_pair(self) -> None:
        """Count a pair as done; one that took no step leaves the total."""
        if self._first is None:
            self._total -= self._steps
        else:
            self._done += self._steps - self._first
        self._done_pairs += 1
        self.update(self._done, total=self._total)
