"""What a run refuses before its first step, each by an ``InputError`` of one line."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from nst_lightning.data.image_pair import ImagePair
from nst_lightning.errors import InputError
from nst_lightning.objective import Objective
from nst_lightning.optim.protocols import keeps_curvature

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
    gathered = {trainer.accumulate_grad_batches}
    for callback in trainer.callbacks:  # a GradientAccumulationScheduler
        gathered |= set(getattr(callback, "scheduling", {}).values())
    if gathered != {1}:
        raise InputError(
            "trainer.accumulate_grad_batches: one picture has one whole gradient a step, and "
            "L-BFGS needs it; leave it at 1"
        )


def check_painted(image: Tensor | None) -> None:
    """Refuse to show what was not painted."""
    if image is None:
        raise InputError("there is no picture yet; fit the model first, or open a checkpoint")


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
    """Refuse a trainer that clips the gradients of an L-BFGS."""
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
    """Refuse a random loss under an L-BFGS, which compares losses of one step with the next.

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
    moved = {name: abs(second[name] - first[name]) for name in first if name != "loss"}
    # A loss that is not finite makes this false; it is refused where it is found.
    if sum(moved.values()) > STEADY * abs(first["loss"]):
        name = max(moved, key=lambda key: moved[key])
        raise InputError(
            f"the term {name.removesuffix('_loss')} is random: {first[name]:.6g} and then "
            f"{second[name]:.6g} for one picture, which stalls {type(optimizer).__name__}; draw in "
            "the term's redraw() and hold what was drawn, or use torch.optim.Adam"
        )


def _size(picture: Tensor) -> str:
    return f"{picture.shape[-1]}x{picture.shape[-2]}"
