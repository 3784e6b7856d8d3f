"""What a picture is measured against: the same for a run, a job, a search and a page."""

from torch import Tensor

from nst_lightning.data.image_pair import ImagePair


def as_measured(run: ImagePair) -> ImagePair:
    """Return the pictures that a run's result is measured against, as files of 8 bits hold them.

    All are at the run's size, the styles in their own shape and at scale 1, whatever the run's
    ``style_scale``: what a measure means must not depend on it.

    Args:
        run: The pictures of the run.
    """
    pair = ImagePair(size=run.size, size_rule=run.size_rule)
    pair.content_source, pair.style_sources = run.content_source, run.style_sources
    pair.blend = run.blend
    pair.setup("test")
    for pixels in (pair.content, *pair.styles):
        pixels.copy_(as_saved(pixels))
    return pair


def as_saved(pixels: Tensor) -> Tensor:
    """Return pixels, values in [0, 1], as a file of 8 bits holds them."""
    return ((pixels.double().clamp(0, 1) * 255 + 0.5).floor() / 255).to(pixels)
