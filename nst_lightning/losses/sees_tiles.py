"""What a term says of itself to be computed in tiles of a picture."""

from collections.abc import Mapping
from typing import Literal

from torch import Tensor

from nst_lightning.losses.places import Tile


class SeesTiles:
    """The part of a term by which it is computed in tiles, if it can be.

    See `nst_lightning.tiles`; as it stands a term sees its layers whole.
    """

    target_from: Literal["content", "styles"] = "styles"
    """Which pictures the targets are made of."""

    def reach(self, layer: str, size: tuple[int, int]) -> int | None:
        """Say whether a layer, ``(height, width)``, can be looked at in tiles.

        Returns:
            None if it must be seen whole, which is always right but takes memory. Else how many
            places beyond its own a tile must know; the term then defines `sums`.
        """
        return None

    def places_kept(
        self, layer: str, places: Mapping[str, float], in_tiles: bool
    ) -> tuple[float, float]:
        """Return for how many places of a layer the term has features, for an estimate of memory.

        Args:
            layer: Its name.
            places: Of each of the term's layers, how many it has.
            in_tiles: Whether the picture is computed in tiles.

        Returns:
            How many all the time, and how many besides while `redraw` is at work.
        """
        return (places[layer] if self.target_from == "content" else 0.0), 0.0

    def sums(self, layer: str, computed: Tensor, tile: Tile) -> tuple[Tensor, ...]:
        """Return what a tile adds to the sums over all places of a layer.

        Args:
            layer: Its name.
            computed: ``(N, C, h, w)``, the tile's places and some around it.
            tile: Which of them count here.
        """
        raise NotImplementedError

    def score_sums(self, layer: str, sums: tuple[Tensor, ...]) -> Tensor:
        """Return a layer's loss from the sums of what `sums` gave: the only sum by default."""
        (loss,) = sums
        return loss
