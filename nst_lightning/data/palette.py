"""Moving a picture's colours to a painting's palette.

Pictures are ``(1, 3, H, W)``, values in [0, 1].
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from nst_lightning.losses.matching import union_by_share

_ROUNDS = 12
_MOST_COLOURS = 2**14  # of the styles, evenly spread
_SIDE = 128  # of the picture that the change is found on, at most
_EDGE = 0.02**2  # variance of a window, in units of the picture's, that counts as an edge


def random_axes(seed: int, like: Tensor) -> Tensor:
    """Draw three orthogonal directions of colour, ``(3, 3)``, uniform over all rotations."""
    random = torch.Generator().manual_seed(seed)
    q, r = torch.linalg.qr(torch.randn(3, 3, generator=random, dtype=torch.float64))
    axes: Tensor = (q * r.diagonal().sign()).to(like)
    return axes


def sliced_transport(
    colours: Tensor, wanted: Tensor, rounds: int = _ROUNDS, like: Tensor | None = None
) -> Tensor:
    """Move a cloud of colours onto another.

    Pitié, Kokaram & Dahyot, "Automated colour grading using colour distribution transfer" (2007):
    in each round both clouds are seen along three orthogonal directions, the axes of colour and
    then random ones, and the quantiles along each are moved to the wanted ones.

    Args:
        colours: ``(3, P)``.
        wanted: ``(3, S)``.
        rounds: How often. The same directions at each call.
        like: ``(3, Q)``, the cloud that decides where each colour goes, if it is another.

    Returns:
        ``(3, P)``: with the distribution of ``wanted``, nearly, if ``like`` is None.
    """
    moved = colours if like is None else torch.cat([like, colours], 1)
    deciding = slice(None) if like is None else slice(like.shape[1])
    for number in range(rounds):
        axes = torch.eye(3).to(colours) if number == 0 else random_axes(number, colours)
        seen, aims = axes @ moved, axes @ wanted
        for axis in range(3):
            here = _quantiles(seen[axis][deciding])
            seen[axis] = _interpolate(seen[axis], here, _quantiles(aims[axis], len(here)))
        moved = axes.mT @ seen
    return moved if like is None else moved[:, like.shape[1] :]


def _quantiles(values: Tensor, count: int = 1024) -> Tensor:
    ordered = values.sort().values
    places = torch.linspace(0, len(ordered) - 1, count, device=values.device).round().long()
    return ordered[places]


def _interpolate(values: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return the piecewise linear function through (x, y), x in order, at values; flat outside."""
    right = torch.searchsorted(x, values).clamp(1, len(x) - 1)
    left = right - 1
    width = (x[right] - x[left]).clamp_min(1e-9)
    share = ((values - x[left]) / width).clamp(0, 1)
    return torch.lerp(y[left], y[right], share)


def guided_lines(values: Tensor, guide: Tensor, radius: int, edge: float) -> tuple[Tensor, Tensor]:
    """Return the slope and offset that make smooth values, slope · guide + offset, of a guide.

    Within a window values follow the guide, so their edges are its edges (He, Sun & Tang, "Guided
    Image Filtering", TPAMI 2013). Both may be enlarged for a larger guide (He & Sun, "Fast Guided
    Filter", arXiv:1505.00996).

    Args:
        values: ``(1, C, H, W)``.
        guide: ``(1, 1, H, W)``.
        radius: Of the square windows, in pixels.
        edge: Variance of the guide in a window from which on it counts as an edge.

    Returns:
        Each ``(1, C, H, W)``.
    """
    mean_guide, mean = _windows(guide, radius), _windows(values, radius)
    variance = _windows(guide.square(), radius) - mean_guide.square()
    covariance = _windows(guide * values, radius) - mean_guide * mean
    slope = covariance / (variance + edge)
    return _windows(slope, radius), _windows(mean - slope * mean_guide, radius)


def _windows(values: Tensor, radius: int) -> Tensor:
    """Return the means over squares, at the border over what lies inside."""
    return F.avg_pool2d(values, 2 * radius + 1, 1, radius, count_include_pad=False)


@dataclass(frozen=True)
class PaletteChange:
    """How a picture's colours get to a palette: lines of its grey, smooth over the picture.

    For a picture much like the one that it was found on, of any size, it does as well.

    Attributes:
        slope: Shape ``(1, 3, h, w)``.
        offset: The same.
    """

    slope: Tensor
    offset: Tensor

    @classmethod
    @torch.no_grad()
    def of(
        cls,
        picture: Tensor,
        styles: Sequence[Tensor],
        shares: Sequence[float],
        like: Tensor | None = None,
    ) -> Self:
        """Find the change of a picture, as `to_palette` makes it; nearly all of its time."""
        parts = [(s, share) for s, share in zip(styles, shares, strict=True) if share > 0]
        total = sum(share for _, share in parts)
        wanted = union_by_share(
            [style.to(picture)[0].flatten(1).mT for style, _ in parts],
            [share / total for _, share in parts],
            _MOST_COLOURS,
        ).mT  # (3, S)
        small = _small(picture)
        deciding = None if like is None else _small(like.to(picture))[0].flatten(1)
        moved = sliced_transport(small[0].flatten(1), wanted, like=deciding).view_as(small)
        change = moved - small
        radius = max(2, round(max(small.shape[-2:]) / 32))
        radius = min(radius, (min(small.shape[-2:]) - 1) // 2)
        return cls(*guided_lines(change, small.mean(1, keepdim=True), max(0, radius), _EDGE))

    @torch.no_grad()
    def __call__(self, picture: Tensor) -> Tensor:
        """Return a picture, ``(1, 3, H, W)``, in its new colours."""
        size = (picture.shape[-2], picture.shape[-1])
        guide, moved = picture.mean(1, keepdim=True), torch.empty_like(picture)
        # A channel at a time: enlarged, slope and offset are as large as the picture.
        for channel in range(3):
            one = slice(channel, channel + 1)
            line = F.interpolate(self.slope[:, one], size, mode="bilinear")
            line.mul_(guide).add_(picture[:, one])
            line += F.interpolate(self.offset[:, one], size, mode="bilinear")
            moved[:, one] = line.clamp_(0, 1)
        return moved


def _small(picture: Tensor) -> Tensor:
    height, width = picture.shape[-2:]
    times = -(-max(height, width) // _SIDE)  # rounded up
    return F.adaptive_avg_pool2d(picture, (-(-height // times), -(-width // times)))


def to_palette(
    picture: Tensor, styles: Sequence[Tensor], shares: Sequence[float], like: Tensor | None = None
) -> Tensor:
    """Return the picture in the colours of the styles, in these amounts.

    Every colour is moved to one of the styles' (`sliced_transport`), and the change is smoothed but
    across the picture's edges, so that even areas stay even.

    Args:
        picture: Shape ``(1, 3, H, W)``.
        styles: Each of shape ``(1, 3, h, w)``.
        shares: Of each style, 0 or more; not all 0.
        like: Shape ``(1, 3, H', W')``, the picture whose colours decide where each is moved, if it
            is another: the frames of a film are then moved alike.
    """
    return PaletteChange.of(picture, styles, shares, like)(picture)
