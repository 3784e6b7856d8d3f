"""An initial inverse Hessian for L-BFGS that learns from the run."""

import copy
import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from nst_lightning.checks import choice, number, whole_number
from nst_lightning.errors import InputError
from nst_lightning.optim.preconditioner import (
    FixedFourier,
    Pairs,
    Preconditioner,
    conjugate_multiplicity,
    opponent_colours,
    radial_frequency,
)

_CLOSE_FITS = 4  # intervals between fits before they are twice as long
_PIXEL_SPREAD = 8.0  # largest factor between the gain L² of a pixel and the median


class SecantFourier(FixedFourier):
    """A diagonal over frequencies and one over pixels, estimated from the run's own secant pairs.

    P = L·C⁻¹·F⁻¹·diag(h)·F·C·L with C an orthonormal opponent-colour basis, F the Fourier
    transform, h a gain for every colour and ring of frequencies (of equal width in log frequency)
    and L a gain for every pixel. Both are geometric means of what the last pairs say, h = (Σ |ŝ|²
    / Σ |ŷ|²)^½ on a ring, each pair weighted by 1 / sᵀy: the diagonal that minimises Σ yᵀPy +
    sᵀP⁻¹s (Li, "Preconditioned stochastic gradient descent", 2015), which unlike the least-squares
    fit is positive by itself and not biased low by what is not diagonal. L² is the same ratio
    around a pixel, of the pairs whitened by h. Gains are held within a factor of their median and
    smoothed.
    Until the first fit P is :class:`FixedFourier`'s.

    Args:
        rings: Number of frequency rings.
        window: Radius in pixels of the box filter, applied twice, around a pixel; None for L = 1.
        pairs: Number of the newest pairs that a fit uses.
        first_fit: Accepted steps before the first fit.
        fit_every: Accepted steps between the first fits; twice as many after the first five, when
            the curvature changes little any more.
        spread: Largest factor between a ring's gain and the median.
        exponent: Of the filter before the first fit.
        cutoff: Of the filter before the first fit, in cycles per pixel.

    Raises:
        InputError: If a setting is out of range.
    """

    def __init__(
        self,
        rings: int = 16,
        window: int | None = 2,
        pairs: int = 5,
        first_fit: int = 5,
        fit_every: int = 8,
        spread: float = 30.0,
        exponent: float = 1.0,
        cutoff: float = 0.02,
    ) -> None:
        super().__init__(exponent, cutoff)
        self.rings = whole_number("rings", rings, least=1)
        self.window = None if window is None else whole_number("window", window, least=0)
        self.pairs = whole_number("pairs", pairs, least=1)
        self.first_fit = whole_number("first_fit", first_fit, least=1)
        self.fit_every = whole_number("fit_every", fit_every, least=1)
        self.spread = number("spread", spread, least=1)
        self._rings_gain: Tensor | None = None  # (C, rings), float64
        self._pixels_gain: Tensor | None = None  # L: (N, 1, H, W)

    def update(self, age: int, newest: Pairs) -> bool:
        """See :meth:`Preconditioner.update`."""
        since = age - self.first_fit
        every = self.fit_every if since < _CLOSE_FITS * self.fit_every else 2 * self.fit_every
        if since < 0 or since % every:
            return False
        steps, changes = newest(self.pairs)
        if not len(steps):
            return False
        # One pair after another, here and below: all at once would be ten pictures more.
        weights = [1 / (s * c).sum() for s, c in self._each(steps, changes)]
        self._use_rings(self._fit_rings(steps, changes, weights))
        if self.window is not None:
            self._pixels_gain = self._fit_pixels(steps, changes, weights)
        return True

    def apply(self, vector: Tensor) -> Tensor:
        """See :meth:`Preconditioner.apply`."""
        return self._localise(super().apply(self._localise(vector)))

    def reset(self) -> None:
        """See :meth:`Preconditioner.reset`."""
        self._rings_gain = self._pixels_gain = None
        super().reset()

    def state_dict(self) -> dict[str, Any]:
        """See :meth:`Preconditioner.state_dict`."""
        state = {"rings_gain": self._rings_gain, "pixels_gain": self._pixels_gain}
        return {name: gain for name, gain in state.items() if gain is not None}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See :meth:`Preconditioner.load_state_dict`."""
        self.reset()
        rings, pixels = state.get("rings_gain"), state.get("pixels_gain")
        # Gains of other settings are of no use; the next fit makes new ones.
        if rings is None or rings.shape != (self._bound_shape()[1], self.rings):
            return
        self._use_rings(rings.to(self._device, copy=True))
        if pixels is not None and self.window is not None:
            self._pixels_gain = pixels.to(self._device, self._kind, copy=True)

    def _prepare(self) -> None:
        _, channels, height, width = self._bound_shape()
        frequency = radial_frequency(height, width, self._device)
        lowest, highest = math.log(1 / max(height, width, 2)), math.log(math.sqrt(0.5))
        edges = torch.linspace(lowest, highest, self.rings + 1, dtype=torch.float64)
        self._ring = torch.bucketize(frequency, edges[1:-1].exp().to(self._device), right=True)
        # Summing sorted runs instead of scattering: the same bits every time, on a GPU too.
        self._order = self._ring.flatten().argsort(stable=True)
        self._run_lengths = torch.bincount(self._ring.flatten(), minlength=self.rings).tolist()
        self._times = conjugate_multiplicity(height, width, self._device).to(self._kind)
        self._colours = opponent_colours(channels).to(self._device, self._kind)

    def _spectrum(self, vector: Tensor) -> Tensor:
        pixels = vector.view(*self._bound_shape()[:2], -1)
        return super()._spectrum(self._colours @ pixels)  # (C, C) @ (N, C, H·W)

    def _back(self, spectrum: Tensor) -> Tensor:
        pixels = super()._back(spectrum).view(*self._bound_shape()[:2], -1)
        return (self._colours.mT @ pixels).reshape(-1)  # (C, C) @ (N, C, H·W)

    def _localise(self, vector: Tensor) -> Tensor:
        """Return L·vector."""
        if self._pixels_gain is None:
            return vector
        return (vector.view(self._bound_shape()) * self._pixels_gain).reshape(-1)

    def _each(
        self, steps: Sequence[Tensor], changes: Sequence[Tensor]
    ) -> Iterator[tuple[Tensor, Tensor]]:
        for step, change in zip(steps, changes, strict=True):
            yield step.to(self._kind), change.to(self._kind)

    def _fit_rings(
        self, steps: Sequence[Tensor], changes: Sequence[Tensor], weights: Sequence[Tensor]
    ) -> Tensor:
        """Return the gain of every channel and ring, ``(C, rings)`` in float64."""
        pictures, channels, height, width = self._bound_shape()
        shape = (2, pictures, channels, height, width // 2 + 1)
        power = torch.zeros(shape, dtype=self._kind, device=self._device)
        for (step, change), weight in zip(self._each(steps, changes), weights, strict=True):
            # In the variables in which P is L = 1.
            if self._pixels_gain is not None:
                step = (step.view(self._bound_shape()) / self._pixels_gain).reshape(-1)
                change = self._localise(change)
            for k, vector in enumerate((step, change)):
                # |spectrum|² without the square root in between
                square = torch.view_as_real(self._spectrum(vector)).square().sum(-1)
                power[k].addcmul_(square, weight)
        gain = (self._sum_rings(power[0]) / self._sum_rings(power[1])).sqrt()
        good = gain.isfinite() & (gain > 0)  # a ring may be empty
        median = torch.where(good, gain, torch.nan).nanmedian()
        gain = torch.where(good, gain, median).clamp(median / self.spread, median * self.spread)
        padded = functional.pad(gain.log()[:, None], (1, 1), mode="replicate")  # (C, 1, rings + 2)
        return functional.avg_pool1d(padded, 3, 1)[:, 0].exp()

    def _fit_pixels(
        self, steps: Sequence[Tensor], changes: Sequence[Tensor], weights: Sequence[Tensor]
    ) -> Tensor:
        """Return L, ``(N, 1, H, W)``, from the pairs whitened by the rings' gain."""
        root = self._filter.sqrt()
        shape = self._bound_shape()
        power = torch.zeros((2, shape[0], 1, *shape[2:]), dtype=self._kind, device=self._device)
        for (step, change), weight in zip(self._each(steps, changes), weights, strict=True):
            whitened = (self._spectrum(step) / root, self._spectrum(change) * root)
            for k, spectrum in enumerate(whitened):
                pixels = torch.fft.irfft2(spectrum, s=shape[-2:])
                power[k].addcmul_(pixels.square().sum(1, keepdim=True), weight)
        # (2, N, 1, H, W), as pictures of one channel while they are blurred
        power = self._blur(self._blur(power.flatten(0, 1))).view_as(power)
        gain = (power[0] / power[1]).sqrt()
        good = gain.isfinite() & (gain > 0)
        gain = torch.where(good, gain, torch.nan)
        gain = torch.where(good, gain / gain.nanmedian(), 1.0)
        return gain.clamp(1 / _PIXEL_SPREAD, _PIXEL_SPREAD).sqrt()

    def _blur(self, pictures: Tensor) -> Tensor:
        """Box filter of the window's radius, edges repeated."""
        radius = self.window or 0
        padded = functional.pad(pictures, (radius,) * 4, mode="replicate")
        return functional.avg_pool2d(padded, 2 * radius + 1, 1)

    def _sum_rings(self, spectrum: Tensor) -> Tensor:
        """Sum ``(N, C, H, W // 2 + 1)`` over pictures and rings: ``(C, rings)`` in float64."""
        # (N, C, H, W // 2 + 1) → (C, coefficients), those of a ring one after another
        values = (spectrum * self._times).sum(0).flatten(1)[:, self._order].double()
        runs = torch.split(values, self._run_lengths, dim=1)  # (C, places) each
        return torch.stack([run.sum(1) for run in runs], 1)

    def _use_rings(self, gain: Tensor) -> None:
        self._rings_gain = gain
        # (C, rings) → (C, H, W // 2 + 1)
        self._filter = (gain / gain.mean())[:, self._ring].to(self._kind)


def make_preconditioner(wanted: Preconditioner | str | None) -> Preconditioner | None:
    """Return a new preconditioner by its name, or a copy of one; None for None.

    Raises:
        InputError: If it is neither.
    """
    if isinstance(wanted, str):
        known: dict[str, type[Preconditioner]]
        known = {"secant_fourier": SecantFourier, "fixed_fourier": FixedFourier}
        return known[choice("preconditioner", wanted, list(known))]()
    if wanted is not None and not isinstance(wanted, Preconditioner):
        raise InputError(f"preconditioner must be a Preconditioner, a name or None, not {wanted!r}")
    # One that served another run would bring that run's picture along.
    return copy.deepcopy(wanted)
