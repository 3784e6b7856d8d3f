"""The term that holds a frame of a film to the frames before it."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nst_lightning.losses.products import at_size_of, least_at_size_of
from nst_lightning.losses.reference import Reference
from nst_lightning.losses.term import LossTerm


def temporal_loss(picture: Tensor, warped: Tensor, mask: Tensor) -> Tensor:
    """Mean squared difference to another frame's painting, where that is known.

    Of Ruder, Dosovitskiy & Brox, "Artistic Style Transfer for Videos" (GCPR 2016), equation 7:
    the sum over all values of ``mask · (picture - warped)²``, divided by their number.

    Args:
        picture: Shape ``(1, 3, H, W)``, values in [0, 1].
        warped: The other frame's painting, moved to this frame's places: the same shape.
        mask: Where it is reliable: ``(1, 1, H, W)``, values in [0, 1].

    Returns:
        A scalar.
    """
    return (mask * (picture - warped).square()).mean()


class TemporalLoss(LossTerm):
    """How far a frame's painting is from those of other frames, moved to its places.

    Ruder, Dosovitskiy & Brox (GCPR 2016). It needs no layers. What the frame is compared with is
    given by `look_back`; without, as in a film's first frame, the term is zero.

    Args:
        weight: Factor of the term.

    Raises:
        InputError: If the weight is negative or not finite.
    """

    takes_half = True

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__(weight)
        self._frames = 0

    def look_back(self, others: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Take the paintings of other frames, and where each is reliable.

        Args:
            others: Of each ``(1, 3, H, W)`` and ``(1, 1, H, W)``, as `temporal_loss` has them. A
                picture of another size is compared with means of the painting, where all of the
                place is reliable.
        """
        for name in [*self._kept]:
            self.forget(name)
        self._frames = len(others)
        for number, (picture, mask) in enumerate(others):
            self.set_target(_name(number), (picture, mask))

    def set_targets(self, content: Reference, styles: Sequence[Reference]) -> None:
        """Leave what `look_back` gave: neither content nor styles are compared with."""

    def at_strength(self, strength: float) -> None:
        """See the base class; how steady a film is has nothing to do with it."""

    def forward(self, image: Tensor, features: dict[str, Tensor] | None = None) -> Tensor:
        """Score the picture; the features are not looked at."""
        scores = []
        for number in range(self._frames):
            warped, mask = self._at_size_of(number, image)
            scores.append(temporal_loss(image, warped, mask))
        return torch.stack(scores).sum() if scores else image.sum() * 0

    def _at_size_of(self, number: int, image: Tensor) -> tuple[Tensor, Tensor]:
        whole, height, width = _name(number), image.shape[-2], image.shape[-1]
        name = f"{whole} at {height}x{width}"
        if not self.has_target(name):
            picture, mask = (part.to(image) for part in self.target(whole))
            # What comes into sight is a place or two wide: smaller still, it must not be held.
            self.set_target(name, (at_size_of(picture, image), least_at_size_of(mask, image)))
        warped, mask = self.target(name)
        return warped, mask


def _name(number: int) -> str:
    return f"frame {number}"
