"""Notices an exploding loss and goes back to the best picture."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor

from nst_lightning.data.image_pair import pictures_of
from nst_lightning.errors import InputError
from nst_lightning.refusals import check_goes_on, check_step
from nst_lightning.say import say

FACTOR = 1.1
"""A loss so many times the best one is an explosion, if nothing else is said."""
GRACE = 20
"""Steps in which only a loss that is not finite is one, if nothing else is said."""

_SHOWN = 0.5 / 255
"""What moves less is not seen in eight bits."""
_LOOKED_AT = 2**16  # values of a picture
_BLURRED = 0.3
"""A picture with a smaller share of the detail of those that it is made of is blurred."""
_LOST = torch.finfo(torch.float32).eps
"""A term of a smaller share of the loss is lost as they are added."""


def has_exploded(
    loss: float, best: float, steps: int, factor: float = FACTOR, grace: int = GRACE
) -> bool:
    """Return whether a loss is an explosion.

    Args:
        loss: Of the picture in question.
        best: The lowest loss before it.
        steps: Taken since the start, the last return to the best picture, or the present scale.
        factor: How many times the best loss is too much.
        grace: Steps in which only a loss that is not finite is.
    """
    return not math.isfinite(loss) or (steps > grace and loss > factor * best)


class LossExplosion(Callback):
    """Returns to the best picture when the loss explodes, and stops if it keeps doing so.

    An explosion is a loss that is not finite, or above ``factor`` times the best loss of the run.
    The best picture is put back and the optimiser's memory cleared. The run is stopped when it
    explodes once more after ``max_retries`` returns to one and the same best picture. With an
    optimiser that may rise (all but ``BoundedLBFGS``) the run also ends with its best picture if
    the last is worse.

    Args:
        factor: How many times the best loss counts as an explosion; above 1.
        max_retries: Returns to the same best picture before the run is stopped.
        grace: Steps from the start, and from each return, in which only a loss that is not finite
            counts: an L-BFGS without line search overshoots a hundredfold while its memory fills.
        enabled: False watches nothing, to reproduce what a recipe does by itself.

    Raises:
        InputError: If a value is out of range.
    """

    def __init__(
        self,
        factor: float = FACTOR,
        max_retries: int = 3,
        grace: int = GRACE,
        enabled: bool = True,
    ) -> None:
        if not factor > 1:
            raise InputError(f"explosion.factor: {factor} is not above 1; use 1.1, say")
        if max_retries < 0:
            raise InputError(
                f"explosion.max_retries: {max_retries} is negative; use 0 to stop at once"
            )
        if grace < 0:
            raise InputError(f"explosion.grace: {grace} is negative; use 0 for none")
        self.factor = factor
        self.max_retries = max_retries
        self.grace = grace
        self.enabled = enabled
        self.explosions: list[int] = []
        """The steps at which the loss exploded."""
        self.retries = 0
        self._returned_to = math.inf
        self._returned_at = 0
        self._scores: dict[str, float] = {}  # the losses of the first step
        # Of each scale: its picture's shape, some of its first values, how far the farthest moved.
        self._seen: list[tuple[torch.Size, Tensor, Tensor]] = []

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Begin anew with a new run, and where losses are another objective's from here on.

        Raises:
            InputError: If a callback before has spoilt the run.
        """
        check_goes_on(trainer)
        check_step(trainer, pl_module.image)
        self._scores, self._seen = {}, []
        if not trainer.global_step:
            self._look(pl_module.image)
        if pl_module.best.loss is None:
            self.retries, self._returned_to = 0, math.inf
            self._returned_at = trainer.global_step
            self.explosions = [step for step in self.explosions if step <= trainer.global_step]

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Compare this step's loss with the best."""
        best = pl_module.best
        if self._seen:
            self._look(pl_module.image)
        if not self._scores:
            self._scores = _scores(trainer)
        if not self.enabled or best.loss is None:
            return
        step, loss, lowest = trainer.global_step, float(outputs["loss"]), float(best.loss)
        # A new scale has a new optimiser, which may overshoot as the first did.
        began = getattr(getattr(trainer, "datamodule", None), "scale_began", 0)
        watched = step - max(self._returned_at, began)
        if not has_exploded(loss, lowest, watched, self.factor, self.grace):
            return
        self.explosions.append(step)
        # A retry that got further than the last has earned a full set of new ones.
        self.retries = self.retries + 1 if lowest >= self._returned_to else 1
        self._returned_to = lowest
        self._returned_at = step
        pl_module.replace_picture(best.picture)
        what = f"step {step}: the loss exploded ({loss:.4g}; best {lowest:.4g})"
        if self.retries <= self.max_retries:
            say(
                f"{what}; back to the best picture, try {self.retries} of {self.max_retries}",
            )
            return
        say(f"{what}; stopping with the best picture")
        trainer.should_stop = True

    def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Hand over the best picture if the last one is worse; say what may be useless."""
        if self.is_worse(pl_module):
            pl_module.replace_picture(pl_module.best.picture)
        if not self._scores or not bool(pl_module.image.isfinite().all()):
            return
        if self._seen:
            self._look(pl_module.image)
            # A loss of 0 is what some ask for: the content's own picture, in other colours.
            if self._scores.get("loss") and all(
                float(moved) < _SHOWN for _, _, moved in self._seen
            ):
                say(
                    "note: nothing was painted: the weights (model.*.weight) may be too large, or "
                    "too small, or a learning rate"
                )
        pair, last = pictures_of(trainer), _scores(trainer)
        given = min(_detail(picture) for picture in (pair.content, *pair.styles))
        smoothed = last.get("tv_loss", 0) > last["loss"] / 2  # else it began so, or in few steps
        if smoothed and _detail(pl_module.image) < _BLURRED * given:
            say("note: the picture is blurred all over; lower model.tv.weight")
        for name, share in self._lost(pl_module, last):
            say(
                f"note: {name} counted for nothing, {share:.1g} of the loss; change the weights "
                "(model.*.weight)"
            )

    def _lost(self, pl_module: Any, last: dict[str, float]) -> Iterator[tuple[str, float]]:
        """Yield terms that had no say beside the others, and their share of the loss."""
        for name, term in pl_module.objective.terms.items():
            key, content = f"{name}_loss", term.target_from == "content"
            # Many begin at the content's own picture, whose content loss is 0.
            seen = [self._scores, *([last] if content else [])]
            share = max(scores.get(key, 0) / (scores.get("loss") or 1) for scores in seen)
            # What a picture is compared with; that its own pixels weigh little is harmless.
            if term.layers and 0 < share < _LOST:
                if content:  # of the picture before the last step, as most optimisers have it
                    with torch.no_grad():
                        now = pl_module.losses(pl_module.image)
                    share = float(now[key] / now["loss"])
                if share < _LOST:
                    yield name, share

    def _look(self, image: Tensor) -> None:
        """Note how far the picture has moved since the run, or its scale, began."""
        places = image.detach().flatten()[:: max(1, image.numel() // _LOOKED_AT)]
        if not self._seen or self._seen[-1][0] != image.shape:
            self._seen.append((image.shape, places.clone(), places.new_zeros(())))
        else:
            shape, first, _ = self._seen[-1]
            self._seen[-1] = (shape, first, (places - first).abs().amax())

    def is_worse(self, pl_module: Any) -> bool:
        """Tell whether the present picture is worse than the best, which a run ends with then."""
        best = pl_module.best
        # No loss was computed for an average.
        if not self.enabled or best.picture is None or pl_module.average is not None:
            return False
        if torch.equal(best.picture, pl_module.image):
            return False
        final = self._loss_within_bounds(pl_module, pl_module.image)
        if final <= float(best.loss):
            return False
        return not final <= self._loss_within_bounds(pl_module, best.picture)

    @staticmethod
    @torch.no_grad()
    def _loss_within_bounds(pl_module: Any, picture: Tensor) -> float:
        # An optimiser without bounds scores pictures that nobody will ever see.
        return float(pl_module.losses(pl_module.view.carried(picture))["loss"])

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run must know."""
        return {
            "explosions": list(self.explosions),
            "retries": self.retries,
            "returned_to": self._returned_to,
            "returned_at": self._returned_at,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting where the checkpoint was written."""
        self.explosions = list(state_dict["explosions"])
        self.retries = state_dict["retries"]
        self._returned_to = state_dict["returned_to"]
        self._returned_at = state_dict["returned_at"]


def _detail(picture: Tensor) -> float:
    """Return how much neighbours in some rows of a picture, ``(1, 3, H, W)``, differ."""
    rows = picture.detach()[..., :: max(1, picture.shape[-2] // 256), :]
    return float(rows.diff(dim=-1).abs().mean())


def _scores(trainer: Trainer) -> dict[str, float]:
    """Return the loss and its terms, as the last step logged them."""
    found = trainer.callback_metrics.items()
    return {name: float(value) for name, value in found if name.endswith("loss")}
