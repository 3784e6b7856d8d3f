"""What the encoder sees of the picture, and what people see."""

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor

from nst_lightning.data.colour_match import grey, with_luminance
from nst_lightning.data.image_pair import ImagePair
from nst_lightning.data.palette import PaletteChange, to_palette
from nst_lightning.data.resizing import resize_to
from nst_lightning.data.rows import bands


class View:
    """The optimiser's picture as the encoder and as people see it.

    Where only the luminance is painted, the encoder sees a grey picture and people see the
    content's colours (Gatys et al., "Preserving Color in Neural Artistic Style Transfer", 2016).

    Args:
        colours_of: The content, shape ``(1, 3, H, W)``, whose colours the picture keeps; None where
            colours are painted too.
        palette: Styles and their shares, whose colours people see the picture in: see
            `nst_lightning.data.palette.to_palette`.
        amount: How far they are moved there, from 0 to 1.
        palette_of: The picture whose colours decide where each is moved: the picture itself if
            None.
    """

    def __init__(
        self,
        colours_of: Tensor | None = None,
        palette: tuple[Sequence[Tensor], Sequence[float]] | None = None,
        amount: float = 1.0,
        palette_of: Tensor | None = None,
    ) -> None:
        self.colours_of = colours_of
        self.palette = palette
        self.amount = amount
        self.palette_of = palette_of

    @classmethod
    def of(cls, pair: ImagePair, strength: float) -> Self:
        """Make the view of a run's pictures at their present scale; ``strength`` is the model's."""
        return cls(
            colours_of=pair.content if pair.colour == "luminance" else None,
            palette=(pair.styles, pair.blend) if pair.colour == "palette" else None,
            amount=min(1.0, 2 * strength),
            palette_of=None if pair.carried is None else pair.carried.palette_of,
        )

    def of_encoder(self, picture: Tensor) -> Tensor:
        """Return what encoder and terms see; it may be differentiated.

        Args:
            picture: Shape ``(1, 3, H, W)``.
        """
        return picture if self.colours_of is None else grey(picture)

    @torch.no_grad()
    def carried(self, picture: Tensor) -> Tensor:
        """Return what a run goes on with at a larger scale: within [0, 1].

        Args:
            picture: Shape ``(1, 3, H, W)``, as the optimiser left it.
        """
        picture = picture.detach().clamp(0, 1)
        if self.colours_of is None:
            return picture
        for rows in bands(*picture.shape[-2:]):
            colours, light = self.colours_of[..., rows, :].to(picture), picture[..., rows, :]
            picture[..., rows, :] = with_luminance(colours, light)
        return picture

    @property
    def moves_colours(self) -> bool:
        """Whether people see other colours than those that were painted."""
        return self.palette is not None and self.amount > 0

    def small(self, size: Sequence[int]) -> "View":
        """Return the view of a smaller copy of the picture, ``(height, width)`` in pixels."""
        colours = None if self.colours_of is None else resize_to(self.colours_of, size)
        return View(colours, self.palette, self.amount, self.palette_of)

    def change(self, picture: Tensor) -> PaletteChange | None:
        """Return what moves a picture's colours to the styles', if this view does.

        Args:
            picture: Shape ``(1, 3, H, W)``, values in [0, 1].
        """
        if self.palette is None or not self.moves_colours:
            return None
        return PaletteChange.of(picture, *self.palette, self.palette_of)

    @torch.no_grad()
    def of_people(self, picture: Tensor, change: PaletteChange | None = None) -> Tensor:
        """Return what is shown and written: within [0, 1].

        Args:
            picture: Shape ``(1, 3, H, W)``, as the optimiser left it.
            change: That of a picture much like it, which saves the time of finding it.
        """
        picture = self.carried(picture)
        if self.palette is None or not self.moves_colours:
            return picture
        moved = change(picture) if change else to_palette(picture, *self.palette, self.palette_of)
        return moved if self.amount == 1 else torch.lerp(picture, moved, self.amount, out=moved)
