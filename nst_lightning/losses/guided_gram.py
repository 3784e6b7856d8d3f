"""The style term for pictures with regions."""

from torch import Tensor

from nst_lightning.losses.gram import GramDivisor, GramLoss, gram_matrix


def guided_gram(features: Tensor, guidance: Tensor, divisor: GramDivisor = "hw") -> Tensor:
    """Gram matrix of a region: every place counts by the square of its guidance.

    Gatys, Ecker, Bethge, Hertzmann & Shechtman, "Controlling Perceptual Factors in Neural Style
    Transfer" (2017), section 4. There the guidance's squares are scaled to sum to 1; here the
    region's own size takes the place of H·W in the divisor, so that a region's matrix is comparable
    with that of a whole picture, and guidance 1 everywhere gives ``gram_matrix``.

    Args:
        features: ``(N, C, H, W)``.
        guidance: ``(N, 1, H, W)`` or ``(1, 1, H, W)`` in [0, 1].
        divisor: As of `gram_matrix`, with the region's size for H·W.

    Returns:
        ``(N, C, C)``; zero where the region is empty.
    """
    return _divided(*_guided_sums(features, guidance), divisor)


def _guided_sums(features: Tensor, guidance: Tensor) -> tuple[Tensor, Tensor]:
    return gram_matrix(features * guidance, "none"), guidance.square().sum((2, 3))


def _divided(gram: Tensor, size: Tensor, divisor: GramDivisor) -> Tensor:
    if divisor == "none":
        return gram
    size = size.unsqueeze(2).clamp_min(1e-6)
    return gram / (size * (gram.shape[-1] if divisor == "chw" else 1))


class GuidedGramLoss(GramLoss):
    """Gram loss in each region of the picture to the style that belongs there.

    The guided Gram matrices of Gatys et al. (2017), see `guided_gram`. Unlike the paper, where each
    region has a weight of its own, regions count by their share of the picture: a picture cut into
    regions of one and the same style has nearly the loss of the whole.

    Without masks it is ``GramLoss``. The arguments are the same.
    """

    guided = True
    takes_half = False

    def represent_region(self, layer: str, features: Tensor, guidance: Tensor) -> Tensor:
        """See `guided_gram`."""
        return guided_gram(features, guidance, self.divisor)

    def part_region(self, layer: str, features: Tensor, guidance: Tensor) -> tuple[Tensor, ...]:
        """Return the undivided Gram matrix of a region and its size."""
        return _guided_sums(features, guidance)

    def whole(self, layer: str, sums: tuple[Tensor, ...]) -> Tensor:
        """Return the Gram matrix, of a region if there are any."""
        if not self.regions:
            return super().whole(layer, sums)
        gram, size = sums
        return _divided(gram, size, self.divisor)
