"""A term that knows a layer by sums over its places."""

from torch import Tensor

from nst_lightning.losses.kept import Representation
from nst_lightning.losses.places import Tile
from nst_lightning.losses.products import at_least_single, at_size_of
from nst_lightning.losses.reference import Reference
from nst_lightning.losses.term import LossTerm


class SummedTerm(LossTerm):
    """A term whose `represent` is a function of sums over all places, as a Gram matrix is.

    It can be computed in tiles of any picture, however large: a subclass says in `part` what a tile
    adds to the sums, and in `whole` what they make. Sums of large numbers that nearly cancel should
    be float64.
    """

    def part(self, layer: str, features: Tensor) -> tuple[Tensor, ...]:
        """Return what some places, ``(N, C, h, w)``, add to the sums."""
        raise NotImplementedError

    def part_region(self, layer: str, features: Tensor, guidance: Tensor) -> tuple[Tensor, ...]:
        """Return the same for a region, where `represent_region` is defined."""
        raise NotImplementedError

    def whole(self, layer: str, sums: tuple[Tensor, ...]) -> Representation:
        """Return what `represent` gives, or `represent_region`, from the sums over all places."""
        raise NotImplementedError

    def reach(self, layer: str, size: tuple[int, int]) -> int | None:
        """See the base class: 0."""
        return 0

    def _see(self, layer: str, picture: Reference, region: int | None) -> Representation:
        features = picture.features[layer]
        if isinstance(features, Tensor):
            return super()._see(layer, picture, region)
        guidance = None
        if region is not None and picture.mask is not None:
            guidance = at_size_of(picture.mask[:, region : region + 1], features)
        sums: list[Tensor] = []
        for computed, tile in features.tiles():
            own = tile.own(computed if self.takes_half else at_least_single(computed))
            if guidance is None:
                part = self.part(layer, own)
            else:
                part = self.part_region(layer, own, tile.out_of(guidance))
            sums = [a + b for a, b in zip(sums, part, strict=True)] if sums else list(part)
        return self.whole(layer, tuple(sums))

    def sums(self, layer: str, computed: Tensor, tile: Tile) -> tuple[Tensor, ...]:
        """See the base class; those of all regions, one after another."""
        own = tile.own(computed)
        if not self.regions:
            return self.part(layer, own)
        guidance = tile.out_of(self.target(f"{layer} guidance"))  # (1, R, h, w)
        parts = [
            self.part_region(layer, own, guidance[:, region : region + 1])
            for region in range(self.regions)
        ]
        return tuple(tensor for part in parts for tensor in part)

    def score_sums(self, layer: str, sums: tuple[Tensor, ...]) -> Tensor:
        """See the base class."""
        each = len(sums) // (self.regions or 1)
        losses = [
            self.distance(layer, self.whole(layer, sums[i * each : (i + 1) * each]), target)
            for i, target in enumerate(self.target(name) for name in self._names(layer))
        ]
        return self._over_regions(losses) if self.regions else losses[0]
