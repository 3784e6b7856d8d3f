"""What a run refuses before its first step, each in one line."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from nst_lightning.data.image_pair import ImagePair
from nst_lightning.errors import InputError
from nst_lightning.objective import Objective
from nst_lightning.optim.protocols import keeps_curvature


def check_pictures(pair: ImagePair, objective: Objective) -> None:
    """Check that content, styles and regions suit the objective.

    Args:
        pair: Set up.
        objective: What is to be minimised.

    Raises:
        InputError: If a picture is too small for the layers, or no term looks at the regions.
    """
    smallest = objective.minimum_size
    for name, picture in [("content", pair.content), *(("style", s) for s in pair.styles)]:
        height, width = picture.shape[-2:]
        if min(height, width) < smallest:
            raise InputError(
                f"data.{name}: {width}x{height} px is too small for the chosen layers, which need "
                f"{smallest} px a side; use a larger data.size or a picture that is less narrow"
            )
    if pair.regions is not None and not objective.takes_regions:
        raise InputError(
            "data.content_mask: no term looks at regions; add --model.style GuidedGramLoss"
        )


def check_same_size(image: Tensor, content: Tensor) -> None:
    """Check that a picture begun earlier has the content's size.

    Args:
        image: Shape ``(1, 3, H, W)``.
        content: Shape ``(1, 3, H, W)``.

    Raises:
        InputError: If it has another.
    """
    if image.shape[-2:] != content.shape[-2:]:
        raise InputError(
            f"the picture is {_size(image)} but the content is {_size(content)}; use a new "
            "NeuralStyleTransfer for another size"
        )


def picture_in(checkpoint: Mapping[str, Any], key: str) -> tuple[Tensor, Mapping[str, Any]]:
    """Return a checkpoint's picture, and what stands beside it.

    Args:
        checkpoint: As Lightning hands it over.
        key: Of what stands beside it.

    Raises:
        InputError: If the checkpoint is not of this framework.
    """
    image, state = checkpoint.get("state_dict", {}).get("image"), checkpoint.get(key)
    if image is None or state is None:
        raise InputError(
            "ckpt_path: the checkpoint holds no picture of nst_lightning; give another"
        )
    return image, state


def check_checkpoint_size(image: Tensor, saved: Tensor) -> None:
    """Check that a checkpoint holds a picture of this run's size.

    Args:
        image: This run's, shape ``(1, 3, H, W)``.
        saved: The checkpoint's.

    Raises:
        InputError: If it has another.
    """
    if image.shape != saved.shape:
        raise InputError(
            f"ckpt_path: the checkpoint holds a {_size(saved)} picture but this run is "
            f"{_size(image)}; use the checkpoint's content and size, or start without --ckpt_path"
        )


def check_optimizer(now: Optimizer, then: str | None) -> None:
    """Check that a checkpoint's optimiser is this run's.

    Args:
        now: This run's.
        then: Class name of the checkpoint's; None without one.

    Raises:
        InputError: If it is another.
    """
    name = type(now).__name__
    if then not in (None, name):
        raise InputError(
            f"model.optimizer: the checkpoint was made with {then}, whose state {name} cannot "
            "use; keep it, or start anew with the picture as data.init and without --ckpt_path"
        )


def check_scales(pair: ImagePair, steps: float) -> None:
    """Check that the coarse scales leave steps for the final size.

    Args:
        pair: Its scales are looked at.
        steps: Of the whole run.

    Raises:
        InputError: If they do not.
    """
    coarse = sum(scale.steps for scale in pair.scales)
    if coarse and coarse >= steps:
        raise InputError(
            f"data.scales: they take {coarse} steps, but the run has only {steps}; leave some for "
            "the final size"
        )


def check_gradients(optimizer: Optimizer, trainer: Any) -> None:
    """Check that the trainer hands an L-BFGS whole gradients, one a step.

    Args:
        optimizer: Any optimiser; only one that keeps curvature pairs is looked at.
        trainer: Lightning's trainer.

    Raises:
        InputError: If gradients would be clipped or accumulated.
    """
    if not keeps_curvature(optimizer):
        return
    if trainer.gradient_clip_val:
        raise InputError(
            "trainer.gradient_clip_val: clipped gradients make L-BFGS's curvature pairs false; "
            "leave it out, or use Adam"
        )
    if trainer.accumulate_grad_batches != 1:
        raise InputError(
            "trainer.accumulate_grad_batches: L-BFGS needs one whole gradient a step; leave it at 1"
        )


def _size(picture: Tensor) -> str:
    return f"{picture.shape[-1]}x{picture.shape[-2]}"
