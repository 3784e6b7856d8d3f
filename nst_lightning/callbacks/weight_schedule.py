"""Weights that change during a run: constant, linear, cosine, by epoch, or a rule of your own."""

import math
from typing import Any

from lightning.pytorch import Callback, Trainer

from nst_lightning.data.image_pair import pictures_of
from nst_lightning.errors import InputError, did_you_mean
from nst_lightning.say import say

STEPS_CHECKED = 100_000
"""Steps that are looked at before a run, to find a hole in its schedule."""


class WeightSchedule(Callback):
    """Sets the weight of a term, or of one of its layers, before every step.

    A subclass says in :meth:`weight_at` what the weight is; everything else is here. The weight is
    a function of the step alone, so a resumed run goes on bit by bit. Whenever it changes, the
    module is notified: see ``NeuralStyleTransfer.objective_changed``.

    Args:
        term: Name of the term: ``content``, ``style``, ``tv``, or one of ``model.extra``.
        layer: One of the term's layers, whose layer weight is set in place of the term's weight.
    """

    depends_on_length = True
    """A weight is chosen by how far the run is: a shorter run has other weights at a step."""

    def __init__(self, term: str, layer: str | None = None) -> None:
        self.term = term
        self.layer = layer
        self._weight: float | None = None
        self._steps: float = 0
        self._resumed_steps: float | None = None

    def weight_at(self, progress: float, epoch: int) -> float | None:
        """Return the weight of a step.

        Args:
            progress: 0 at the first step of the run, 1 at its last.
            epoch: Counted from 0.

        Returns:
            A finite number >= 0; None where the schedule has a hole, which is refused before the
            run.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define weight_at()")

    @property
    def state_key(self) -> str:
        """One for each schedule: a run may have several of a class."""
        return self._generate_state_key(term=self.term, layer=self.layer)

    @property
    def name(self) -> str:
        """What messages and metrics.csv call the weight."""
        return self.term if self.layer is None else f"{self.term}_{self.layer}"

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Look for the term and the layer.

        Raises:
            InputError: If one of them is not there, or another schedule has it already.
        """
        terms = pl_module.objective.terms
        if self.term not in terms:
            raise self.error(f"there is no term {self.term!r}{did_you_mean(self.term, terms)}")
        layers = terms[self.term].layers
        if self.layer is not None and self.layer not in layers:
            hint = did_you_mean(self.layer, layers)
            raise self.error(f"{self.term} has no layer {self.layer!r}{hint}")
        schedules = pl_module.objective.schedules
        before = schedules.get(self.name)
        if before is not self and before in trainer.callbacks:
            raise self.error(f"two schedules set the weight of {self.name}; leave one out")
        schedules[self.name], self._weight = self, None

    def on_fit_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Look at the whole schedule before anything is written.

        Raises:
            InputError: If the run has no end, or a step has no valid weight.
        """
        steps = trainer.estimated_stepping_batches
        if not math.isfinite(steps):
            raise self.error("a run without end has no progress; give --trainer.max_epochs")
        self._steps = steps
        if self._resumed_steps not in (None, steps):
            say(
                f"note: the weight of {self.name} is that of {steps} steps from here on, no longer "
                f"of {self._resumed_steps}"
            )
        for step in range(min(int(steps), STEPS_CHECKED)):
            self._at(trainer, step)
        self.check_epochs(math.ceil(steps / pictures_of(trainer).steps_per_epoch))

    def check_epochs(self, epochs: int) -> None:
        """Refuse a schedule that does not suit a run of so many epochs; for subclasses."""

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        """Set the weight of the step that begins."""
        weight = self._at(trainer, trainer.global_step)
        term = pl_module.objective.terms[self.term]
        if self.layer is None:
            term.weight = weight
        else:
            term.layer_weights[term.layers.index(self.layer)] = weight
        if self._weight is not None and weight != self._weight:
            pl_module.objective_changed()
        self._weight = weight
        pl_module.log(f"{self.name}_weight", weight, batch_size=1)

    def _at(self, trainer: Trainer, step: int) -> float:
        last = max(1, int(trainer.estimated_stepping_batches) - 1)
        epoch = step // pictures_of(trainer).steps_per_epoch
        weight = self.weight_at(min(step / last, 1.0), epoch)
        where = f"epoch {epoch}, step {step}"
        if weight is None:
            raise self.error(f"there is no weight for {where}; fill the hole in the schedule")
        if not math.isfinite(weight) or weight < 0:
            raise self.error(f"{weight!r} at {where} is not a finite number >= 0")
        return float(weight)

    def state_dict(self) -> dict[str, Any]:
        """Return the weight in effect: the optimiser's state belongs to it."""
        return {"weight": self._weight, "steps": self._steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Remember what the optimiser's state belongs to."""
        self._weight, self._resumed_steps = state_dict["weight"], state_dict["steps"]

    def error(self, message: str) -> InputError:
        """Make an ``InputError`` that begins with the name of the schedule."""
        return InputError(f"{type(self).__name__} of {self.name}: {message}")


class ConstantWeight(WeightSchedule):
    """One weight all the time; for an overlay that switches a schedule off."""

    def __init__(self, term: str, weight: float, layer: str | None = None) -> None:
        super().__init__(term, layer)
        self.weight = weight

    def weight_at(self, progress: float, epoch: int) -> float:
        """Return the weight."""
        return self.weight


class LinearWeight(WeightSchedule):
    """From one weight to another along a straight line.

    Args:
        term: Name of the term.
        start: Weight up to ``begin``.
        end: Weight from ``until`` on.
        begin: Progress in [0, 1) where the change begins.
        until: Progress in (0, 1] where it is done.
        layer: One of the term's layers, or null for the term itself.

    Raises:
        InputError: If ``begin`` is not before ``until``, or one is outside [0, 1].
    """

    def __init__(
        self,
        term: str,
        start: float,
        end: float,
        begin: float = 0.0,
        until: float = 1.0,
        layer: str | None = None,
    ) -> None:
        super().__init__(term, layer)
        if not 0 <= begin < until <= 1:
            raise self.error(f"begin {begin} and until {until} must be in order and in [0, 1]")
        self.start, self.end = start, end
        self.begin, self.until = begin, until

    def weight_at(self, progress: float, epoch: int) -> float:
        """Return the weight."""
        share = (progress - self.begin) / (self.until - self.begin)
        return self.start + (self.end - self.start) * self.shape(min(max(share, 0.0), 1.0))

    def shape(self, share: float) -> float:
        """Return how much of the change is done: 0 at 0, 1 at 1."""
        return share


class CosineWeight(LinearWeight):
    """As `LinearWeight`, but along half a cosine: slow, fast, slow."""

    def shape(self, share: float) -> float:
        """Return how much of the change is done: 0 at 0, 1 at 1."""
        return (1 - math.cos(math.pi * share)) / 2


class EpochWeights(WeightSchedule):
    """Another weight from epoch to epoch.

    Args:
        term: Name of the term.
        weights: One weight an epoch, as a list as long as the run; or epoch -> weight from that
            epoch on, beginning with epoch 0.
        layer: One of the term's layers, or null for the term itself.

    Raises:
        InputError: If there are weights for epochs that the run does not have.
    """

    def __init__(
        self,
        term: str,
        weights: list[float | None] | dict[int, float | None],
        layer: str | None = None,
    ) -> None:
        super().__init__(term, layer)
        self.weights = weights

    def weight_at(self, progress: float, epoch: int) -> float | None:
        """Return the weight."""
        if isinstance(self.weights, list):
            return self.weights[epoch] if epoch < len(self.weights) else None
        begun = [first for first in self.weights if first <= epoch]
        return self.weights[max(begun)] if begun else None

    def check_epochs(self, epochs: int) -> None:
        """Refuse weights that would never be used."""
        has = f"the run has {epochs} epochs"
        if isinstance(self.weights, list):
            if len(self.weights) > epochs:
                raise self.error(f"{len(self.weights)} weights, but {has}")
            return
        for epoch in self.weights:
            if not 0 <= epoch < epochs:
                raise self.error(f"there is no epoch {epoch}: {has}, counted from 0; leave it out")
