"""Initial inverse Hessians for L-BFGS on pictures, diagonal in the Fourier domain."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from nst_lightning.checks import number, whole_number

_CLOSE_FITS = 4  # intervals between fits before they are twice as long
_PIXEL_SPREAD = 8.0  # largest factor between the gain L² of a pixel and the median

Pairs = Callable[[int], tuple[Tensor, Tensor]]


class Preconditioner(ABC):
    """A symmetric positive definite map: the inverse Hessian before any pair is known.

    Its scale does not matter: :class:`BoundedLBFGS` scales it by the newest secant pair.
    Constructors take settings only; the picture comes with :meth:`bind`.
    """

    @abstractmethod
    def bind(self, image: Tensor) -> None:
        """Prepare for pictures of this one's shape, type and device, and forget what was learnt.

        Args:
            image: ``(N, C, H, W)``; fewer dimensions count as leading ones of size 1.
        """

    @abstractmethod
    def apply(self, vector: Tensor) -> Tensor:
        """Return P·vector for a flat vector, as a new flat tensor."""

    def update(self, age: int, newest: Pairs) -> bool:
        """Learn from the run; called after every accepted step.

        Args:
            age: Number of accepted steps since the run began or was reset.
            newest: ``newest(n)`` gives the last (at most) ``n`` steps and gradient changes, one a
                row.

        Returns:
            Whether the map has changed.
        """
        return False

    def reset(self) -> None:  # noqa: B027
        """Forget what was learnt from the run."""

    def state_dict(self) -> dict[str, Any]:
        """Return what was learnt, as tensors and numbers."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: B027
        """Take back what :meth:`state_dict` gave; called after :meth:`bind`."""


def radial_frequency(height: int, width: int, device: torch.device | None = None) -> Tensor:
    """Distance from zero frequency of every coefficient of ``rfft2``.

    Returns:
        ``(height, width // 2 + 1)`` in float64, in cycles per pixel.
    """
    rows = torch.fft.fftfreq(height, dtype=torch.float64, device=device)[:, None]
    columns = torch.fft.rfftfreq(width, dtype=torch.float64, device=device)[None]
    return (rows**2 + columns**2).sqrt()


def conjugate_multiplicity(height: int, width: int, device: torch.device | None = None) -> Tensor:
    """How often every coefficient of ``rfft2`` occurs in the full transform: once or twice.

    Returns:
        ``(height, width // 2 + 1)`` in float64.
    """
    times = torch.full((height, width // 2 + 1), 2.0, dtype=torch.float64, device=device)
    times[:, 0] = 1.0
    if width % 2 == 0:
        times[:, -1] = 1.0
    return times


def opponent_colours(channels: int) -> Tensor:
    """Orthonormal colour basis: light, red against blue, green against both; one a row.

    Returns:
        ``(channels, channels)`` in float64; the identity unless there are 3 channels.
    """
    if channels != 3:
        return torch.eye(channels, dtype=torch.float64)
    basis = torch.tensor([[1, 1, 1], [1, 0, -1], [1, -2, 1]], dtype=torch.float64)
    return basis / basis.norm(dim=1, keepdim=True)


class FixedFourier(Preconditioner):
    """The inverse Hessian of a natural picture's spectrum: s(f) = (f² + cutoff²)^(-exponent / 2).

    Args:
        exponent: How fast the filter falls with the frequency. 0 is the identity.
        cutoff: Frequency in cycles per pixel below which the filter is flat.

    Raises:
        InputError: If a setting is out of range.
    """

    def __init__(self, exponent: float = 1.0, cutoff: float = 0.02) -> None:
        self.exponent = number("exponent", exponent, least=0)
        self.cutoff = number("cutoff", cutoff, above=0)
        self._shape: tuple[int, int, int, int] | None = None

    def bind(self, image: Tensor) -> None:
        """See :meth:`Preconditioner.bind`.

        Raises:
            ValueError: If the picture has more than 4 dimensions or is not of float32 or float64.
        """
        if image.ndim > 4 or image.dtype not in (torch.float32, torch.float64):
            raise ValueError(
                "a Fourier preconditioner takes float32 or float64 pictures of at most 4"
                f" dimensions, not {image.dtype} of shape {tuple(image.shape)}"
            )
        shape = (1,) * (4 - image.ndim) + tuple(image.shape)
        self._shape = (shape[0], shape[1], shape[2], shape[3])
        self._kind, self._device = image.dtype, image.device
        self._prepare()
        self.reset()

    def reset(self) -> None:
        """See :meth:`Preconditioner.reset`."""
        self._filter = self._fixed_filter()

    def apply(self, vector: Tensor) -> Tensor:
        """See :meth:`Preconditioner.apply`."""
        return self._back(self._spectrum(vector) * self._filter)

    def _prepare(self) -> None:
        """Make what depends on the shape alone."""

    def _fixed_filter(self) -> Tensor:
        _, _, height, width = self._bound_shape()
        frequency = radial_frequency(height, width, self._device)
        shape = (frequency**2 + self.cutoff**2) ** (-self.exponent / 2)
        return (shape / shape.mean()).to(self._kind)

    def _spectrum(self, vector: Tensor) -> Tensor:
        return torch.fft.rfft2(vector.view(self._bound_shape()))

    def _back(self, spectrum: Tensor) -> Tensor:
        return torch.fft.irfft2(spectrum, s=self._bound_shape()[-2:]).reshape(-1)

    def _bound_shape(self) -> tuple[int, int, int, int]:
        if self._shape is None:
            raise RuntimeError("bind() the preconditioner to a picture first")
        return self._shape


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
        weights = 1 / (steps * changes).sum(1)
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
        shape = self._bound_shape()
        pixels = self._colours @ vector.view(*shape[:2], -1)
        return torch.fft.rfft2(pixels.view(shape))

    def _back(self, spectrum: Tensor) -> Tensor:
        shape = self._bound_shape()
        pixels = torch.fft.irfft2(spectrum, s=shape[-2:]).view(*shape[:2], -1)
        return (self._colours.mT @ pixels).reshape(-1)

    def _localise(self, vector: Tensor) -> Tensor:
        """Return L·vector."""
        if self._pixels_gain is None:
            return vector
        return (vector.view(self._bound_shape()) * self._pixels_gain).reshape(-1)

    def _fit_rings(self, steps: Tensor, changes: Tensor, weights: Tensor) -> Tensor:
        """Return the gain of every channel and ring, ``(C, rings)`` in float64."""
        power = torch.zeros((2, *self._filter_shape()), dtype=self._kind, device=self._device)
        for step, change, weight in zip(steps, changes, weights, strict=True):
            # In the variables in which P is L = 1.
            if self._pixels_gain is not None:
                step = (step.view(self._bound_shape()) / self._pixels_gain).reshape(-1)
                change = self._localise(change)
            for k, vector in enumerate((step, change)):
                power[k].addcmul_(_power(self._spectrum(vector)), weight)
        table = [self._sum_rings(part) for part in power]
        gain = (table[0] / table[1]).sqrt()
        good = gain.isfinite() & (gain > 0)  # a ring may be empty
        median = torch.where(good, gain, torch.nan).nanmedian()
        gain = torch.where(good, gain, median).clamp(median / self.spread, median * self.spread)
        padded = functional.pad(gain.log()[:, None], (1, 1), mode="replicate")
        return functional.avg_pool1d(padded, 3, 1)[:, 0].exp()

    def _filter_shape(self) -> tuple[int, int, int, int]:
        pictures, channels, height, width = self._bound_shape()
        return pictures, channels, height, width // 2 + 1

    def _fit_pixels(self, steps: Tensor, changes: Tensor, weights: Tensor) -> Tensor:
        """Return L, ``(N, 1, H, W)``, from the pairs whitened by the rings' gain."""
        root = self._filter.sqrt()
        shape = self._bound_shape()
        power = torch.zeros((2, shape[0], 1, *shape[2:]), dtype=self._kind, device=self._device)
        for step, change, weight in zip(steps, changes, weights, strict=True):
            for k, spectrum in enumerate(
                (self._spectrum(step) / root, self._spectrum(change) * root)
            ):
                pixels = torch.fft.irfft2(spectrum, s=shape[-2:])
                power[k].addcmul_(pixels.square().sum(1, keepdim=True), weight)
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
        values = (spectrum * self._times).sum(0).flatten(1)[:, self._order].double()
        return torch.stack([run.sum(1) for run in values.split(self._run_lengths, 1)], 1)

    def _use_rings(self, gain: Tensor) -> None:
        self._rings_gain = gain
        self._filter = (gain / gain.mean())[:, self._ring].to(self._kind)


def _power(spectrum: Tensor) -> Tensor:
    """Return |spectrum|² without the square root in between."""
    return torch.view_as_real(spectrum).square().sum(-1)
