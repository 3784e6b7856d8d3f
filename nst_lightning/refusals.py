"""What a run refuses before its first step, each by an ``InputError`` of one line."""

from collections.abc import Callable, Iterable, Mapping
from math import isnan
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from nst_lightning.data.image_pair import ImagePair
from nst_lightning.errors import InputError
from nst_lightning.objective import Objective
from nst_lightning.optim.protocols import keeps_curvature

_CHANGES = "it changes what is trained, and here that is one picture"
_AVERAGES = f"{_CHANGES}; for an average of its pictures set model.average"
_NOT_FOR_A_PICTURE = {
    "ModelPruning": _CHANGES,
    "BaseFinetuning": _CHANGES,
    "WeightAveraging": _AVERAGES,
    "StochasticWeightAveraging": _AVERAGES,
    "LearningRateFinder": "it takes steps of its own; choose model.optimizer.lr",
    "BatchSizeFinder": "there are no batches",
    "OnExceptionCheckpoint": "it goes on from an older run unasked; --ckpt_path last does so asked",
}
"""Lightning's callbacks that spoil a run -> why, and what to do instead."""
LARGEST = 1e18
"""A loss beyond has squares beyond float32's 3.4e38, and one below its reciprocal has none."""
STEADY = 1e-4
"""Share of the loss by which two evaluations may differ, as sums in another order on a GPU do."""


def check_pictures(pair: ImagePair, objective: Objective) -> None:
    """Refuse pictures too small for the layers, and regions that no term looks at."""
    smallest = objective.minimum_size
    for name, picture in [("content", pair.content), *(("style", s) for s in pair.styles)]:
        if min(picture.shape[-2:]) < smallest:
            raise InputError(
                f"data.{name}: {_size(picture)} px is too small for the chosen layers, which need "
                f"{smallest} px a side; use a larger data.size or a picture that is less narrow"
            )
    if pair.regions is not None and not objective.takes_regions:
        raise InputError(
            "data.content_mask: no term looks at regions; add --model.style GuidedGramLoss"
        )


def check_trainer(trainer: Any) -> None:
    """Refuse a trainer that has painted already, is coarse, or gathers gradients."""
    if trainer.global_step:  # it takes itself to be done, or goes on counting
        raise InputError("trainer: it has painted already; give every fit a Trainer of its own")
    if trainer.precision.endswith("-true") and trainer.precision != "32-true":
        raise InputError(
            f"trainer.precision: {trainer.precision} is not for a picture; use 32-true, and "
            "--model.encoder.precision bfloat16 for speed"
        )
    check_gathered(trainer)
    check_callbacks(trainer.callbacks)


def check_callbacks(callbacks: Iterable[Any]) -> None:
    """Refuse callbacks of Lightning that spoil a run, and those derived from them."""
    for callback in callbacks:
        for kind in type(callback).__mro__:
            why = _NOT_FOR_A_PICTURE.get(kind.__name__)
            if why and kind.__module__.startswith(("lightning.", "pytorch_lightning.")):
                raise InputError(f"trainer.callbacks: {type(callback).__name__}: {why}")


def check_gathered(trainer: Any) -> None:
    """Refuse gradients that are gathered over steps, now or by a schedule."""
    gathered = {trainer.accumulate_grad_batches}
    for callback in trainer.callbacks:  # a GradientAccumulationScheduler
        gathered |= set(getattr(callback, "scheduling", {}).values())
    if gathered != {1}:
        raise InputError(
            "trainer.accumulate_grad_batches: one picture has one whole gradient a step, and "
            "L-BFGS needs it; leave it at 1"
        )


def check_step(trainer: Any, image: Tensor) -> None:
    """Refuse a step of which a callback has changed what is optimised, or how."""
    check_gathered(trainer)
    kept = [
        p for optimizer in trainer.optimizers for g in optimizer.param_groups for p in g["params"]
    ]
    if len(kept) != 1 or kept[0] is not image:
        raise InputError(
            "trainer.callbacks: a callback has put another thing in the place of the picture or of "
            "its optimizer; leave it out"
        )


def check_goes_on(trainer: Any) -> None:
    """Refuse a run that something stops before its first step."""
    if trainer.should_stop:
        raise InputError(
            "trainer.max_time: the time is up, or a callback stops the run, before its first step; "
            "give more time, or leave the callback out"
        )


def check_painted(image: Tensor | None) -> None:
    """Refuse to show what was not painted."""
    if image is None:
        raise InputError("there is no picture yet; fit the model first, or open a checkpoint")


def check_loss(best: Tensor | None) -> None:
    """Refuse to go on where no loss so far, not even the first picture's, is finite."""
    if best is not None and not bool(best.isfinite()):
        raise InputError(
            "the loss is not finite in the very first step; lower the weights (model.*.weight) or "
            "a learning rate"
        )


def check_finite(image: Tensor) -> None:
    """Refuse to hand over a picture with NaN or infinity in it."""
    if not bool(image.isfinite().all()):
        raise InputError(
            "the picture is not finite; lower the weights (model.*.weight) or a learning rate"
        )


def check_same_size(image: Tensor, content: Tensor) -> None:
    """Refuse a picture, ``(1, 3, H, W)``, that was begun at another size than the content's."""
    if image.shape[-2:] != content.shape[-2:]:
        raise InputError(
            f"the picture is {_size(image)} but the content is {_size(content)}; use a new "
            "NeuralStyleTransfer for another size"
        )


def picture_in(checkpoint: Mapping[str, Any], key: str) -> tuple[Tensor, Mapping[str, Any]]:
    """Return a checkpoint's picture and what stands beside it; refuse a foreign checkpoint."""
    image, state = checkpoint.get("state_dict", {}).get("image"), checkpoint.get(key)
    if image is None or state is None:
        raise InputError(
            "ckpt_path: the checkpoint holds no picture of nst_lightning; give another"
        )
    return image, state


def check_checkpoint_size(image: Tensor, saved: Tensor) -> None:
    """Refuse a checkpoint whose picture is not of this run's size."""
    if image.shape != saved.shape:
        raise InputError(
            f"ckpt_path: the checkpoint holds a {_size(saved)} picture but this run is "
            f"{_size(image)}; use the checkpoint's content and size, or start without --ckpt_path"
        )


def check_optimizer(now: Optimizer, then: str | None) -> None:
    """Refuse the state of another class of optimiser; ``then`` is None without a checkpoint."""
    name = type(now).__name__
    if then not in (None, name):
        raise InputError(
            f"model.optimizer: the checkpoint was made with {then}, whose state {name} cannot "
            "use; keep it, or start anew with the picture as data.init and without --ckpt_path"
        )


def check_scales(pair: ImagePair, steps: float) -> None:
    """Refuse coarse scales that leave none of the run's steps for the final size."""
    coarse = sum(scale.steps for scale in pair.scales)
    if coarse and coarse >= steps:
        raise InputError(
            f"data.scales: they take {coarse} steps, but the run has only {steps}; leave some for "
            "the final size"
        )


def check_gradients(optimizer: Optimizer, trainer: Any) -> None:
    """Refuse a trainer that clips the gradients of an L-BFGS, or asks for a rate it has not."""
    name = "LearningRateMonitor"
    if "lr" not in optimizer.param_groups[0] and name in {
        type(c).__name__ for c in trainer.callbacks
    }:
        raise InputError(
            f"trainer.callbacks: {type(optimizer).__name__} has no learning rate for {name}; leave "
            "it out"
        )
    if not keeps_curvature(optimizer):
        return
    if trainer.gradient_clip_val:
        raise InputError(
            "trainer.gradient_clip_val: clipped gradients make L-BFGS's curvature pairs false; "
            "leave it out, or use Adam"
        )


def check_steady(
    optimizer: Optimizer, losses: Callable[[Tensor], Mapping[str, Tensor]], image: Tensor
) -> None:
    """Refuse a loss that an L-BFGS cannot descend: out of range, or random.

    It compares losses of one step with the next, and adds squares of their gradient.

    It costs two evaluations without their gradients, two thirds of one with it.

    Args:
        optimizer: Any; most others average the randomness out.
        losses: Gives each term's weighted loss as ``NAME_loss``, and their sum as ``loss``.
        image: The picture, ``(1, 3, H, W)``, which asks for a gradient as in a step: without that
            an encoder may compute more exactly.
    """
    if not keeps_curvature(optimizer):
        return
    first, second = ({k: v.item() for k, v in losses(image).items()} for _ in range(2))
    total = abs(first["loss"])
    if not total <= LARGEST or 0 < total < 1 / LARGEST:
        name = max(first.keys() - {"loss"}, key=lambda key: (isnan(first[key]), abs(first[key])))
        raise InputError(
            f"the loss is {first['loss']:.4g} at the very first picture, not finite, or too large "
            f"or small for float32, most of it the term {name.removesuffix('_loss')}; change the "
            "weights (model.*.weight)"
        )
    moved = {name: abs(second[name] - first[name]) for name in first if name != "loss"}
    if sum(moved.values()) > STEADY * total:
        name = max(moved, key=lambda key: moved[key])
        raise InputError(
            f"the term {name.removesuffix('_loss')} is random: {first[name]:.6g} and then "
            f"{second[name]:.6g} for one picture, which stalls {type(optimizer).__name__}; draw in "
            "the term's redraw() and hold what was drawn, or use torch.optim.Adam"
        )


def _size(picture: Tensor) -> str:
    return f"{picture.shape[-1]}x{picture.shape[-2]}"
