"""What the trainer counts steps by."""

from collections.abc import Iterator


class StepLoader:
    """Counts the steps of an epoch; its state lets a run go on in the middle of one."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.position = 0
        self._start = 0

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[int]:
        # Only a loaded state moves the start: nobody asks for more than an epoch has, so the
        # iterator of the epoch before stands after its last step, unfinished.
        start, self._start = self._start, 0
        for step in range(start, self.steps):
            self.position = step + 1
            yield step

    def state_dict(self) -> dict[str, int]:
        """Return how many steps of this epoch were taken."""
        return {"position": self.position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where :meth:`state_dict` was taken; with the next epoch if that was at the end."""
        self._start = self.position = state["position"] if state["position"] < self.steps else 0
