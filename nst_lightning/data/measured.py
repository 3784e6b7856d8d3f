"""What a picture is measured against: the same for a run, a job, a search and a page."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from nst_lightning.data.encoding import whole_levels
from nst_lightning.data.image_pair import ImagePair
from nst_lightning.data.images import Picture


def references(content: Picture, styles: Sequence[Picture], **sizing: Any) -> ImagePair:
    """Return the pictures that others are measured against.

    All are at the run's size, the styles in their own shape and at scale 1, whatever the run's
    ``style_scale``: what a measure means must not depend on it.

    Args:
        content: Of the run.
        styles: Of the run.
        **sizing: The run's ``size`` and ``size_rule``.

    Raises:
        InputError: If one cannot be read.
    """
    pair = ImagePair(**sizing)
    pair.content_source = content
    pair.set_styles(list(styles))
    pair.setup("test")
    return pair


def as_measured(run: ImagePair) -> ImagePair:
    """Return the :func:`references` of a run, as files of 8 bits hold them."""
    sizing = {"size": run.size, "size_rule": run.size_rule}
    pair = references(run.content_source, run.style_sources, **sizing)
    pair.blend = run.blend
    for pixels in (pair.content, *pair.styles):
        pixels.copy_(as_saved(pixels))
    return pair


def as_saved(pixels: Tensor) -> Tensor:
    """Return pixels, values in [0, 1], as a file of 8 bits holds them."""
    return (whole_levels(pixels.double(), 8) / 255).to(pixels)
