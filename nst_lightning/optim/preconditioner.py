"""Initial inverse Hessians for L-BFGS on pictures, and the one of a natural picture's spectrum."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from nst_lightning.checks import number

Pairs = Callable[[int], tuple[Sequence[Tensor], Sequence[Tensor]]]


class Preconditioner(ABC):
    """A symmetric positive definite map: the inverse Hessian before any pair is known.

    Its scale does not matter: :class:`BoundedLBFGS` scales it by the newest secant pair.
    Constructors take settings only; the picture comes with :meth:`bind`.
    """

    @abstractmethod
    def bind(self, image: Tensor) -> None:
        """Prepare for pictures of this one's shape, type and device, and forget what was learnt.

        It is ``(N, C, H, W)``; fewer dimensions count as leading ones of size 1.
        """

    @abstractmethod
    def apply(self, vector: Tensor) -> Tensor:
        """Return P·vector for a flat vector, as a new flat tensor."""

    def update(self, age: int, newest: Pairs) -> bool:
        """Learn from the run after every accepted step; say whether the map has changed.

        Args:
            age: Number of accepted steps since the run began or was reset.
            newest: ``newest(n)`` gives the last (at most) ``n`` steps and gradient changes,
                flat, perhaps in lower precision.
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
    """Distance from zero of every coefficient of ``rfft2``, in cycles per pixel, in float64."""
    rows = torch.fft.fftfreq(height, dtype=torch.float64, device=device)[:, None]
    columns = torch.fft.rfftfreq(width, dtype=torch.float64, device=device)[None]
    frequency: Tensor = (rows**2 + columns**2).sqrt()  # (height, width // 2 + 1)
    return frequency


def conjugate_multiplicity(height: int, width: int, device: torch.device | None = None) -> Tensor:
    """How often every coefficient of ``rfft2`` occurs in the full transform: once or twice."""
    times = torch.full((height, width // 2 + 1), 2.0, dtype=torch.float64, device=device)
    times[:, 0] = 1.0
    if width % 2 == 0:
        times[:, -1] = 1.0
    return times


def opponent_colours(channels: int) -> Tensor:
    """Orthonormal basis, one colour a row: light, red against blue, green against both.

    In float64; the identity unless there are 3 channels.
    """
    if channels != 3:
        return torch.eye(channels, dtype=torch.float64)
    basis = torch.tensor([[1, 1, 1], [1, 0, -1], [1, -2, 1]], dtype=torch.float64)
    normed: Tensor = basis / basis.norm(dim=1, keepdim=True)
    return normed


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
        pictures, channels, height, width = (1,) * (4 - image.ndim) + tuple(image.shape)
        self._shape = (pictures, channels, height, width)
        self._kind, self._device = image.dtype, image.device
        self._prepare()
        self.reset()

    def reset(self) -> None:
        """See :meth:`Preconditioner.reset`."""
        _, _, height, width = self._bound_shape()
        frequency = radial_frequency(height, width, self._device)
        shape = (frequency**2 + self.cutoff**2) ** (-self.exponent / 2)
        self._filter = (shape / shape.mean()).to(self._kind)

    def apply(self, vector: Tensor) -> Tensor:
        """See :meth:`Preconditioner.apply`."""
        return self._back(self._spectrum(vector) * self._filter)

    def _prepare(self) -> None:
        """Make what depends on the shape alone."""

    def _spectrum(self, vector: Tensor) -> Tensor:
        spectrum: Tensor = torch.fft.rfft2(vector.view(self._bound_shape()))
        return spectrum  # (N, C, H, W // 2 + 1)

    def _back(self, spectrum: Tensor) -> Tensor:
        pixels: Tensor = torch.fft.irfft2(spectrum, s=self._bound_shape()[-2:])
        return pixels.reshape(-1)

    def _bound_shape(self) -> tuple[int, int, int, int]:
        if self._shape is None:
            raise RuntimeError("bind() the preconditioner to a picture first")
        return self._shape
