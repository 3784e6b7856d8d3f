"""Where a scene ends and another begins."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_SIDE = 64  # pictures are compared at this width and height
_LEVELS = 8  # of each colour, in the histogram
_FINE = 14.0  # periods across the picture up to which structure counts
_OTHER_COLOURS = 0.3  # of the pixels; a pan by three tenths of the picture stays below
_SAME_PLACE = 0.28  # height of the correlation's peak; cuts stay below it, flashes above
_PLAIN = 4.0  # standard deviation in levels below which there is no structure to compare


class Cutter:
    """Finds hard cuts, picture by picture.

    Between two pictures lies a cut if both of two measures say so, each of which is blind to what
    misleads the other: the intersection of their colour histograms (Swain and Ballard 1991), which
    no movement within the scene changes much, and the peak of their phase correlation (Vlachos
    2000, "Cut detection in video sequences using phase correlation"), which no flash changes much.

    A picture without structure, such as a black one or a flash that leaves all white, is compared
    with nothing: what follows it is compared with what came before it. A dissolve is no cut, for
    each of its pictures is much like the one before, if it takes four pictures or more.

    What is said of a picture depends on it and the `MEMORY` before it alone: a run that goes on in
    the middle pushes those first.
    """

    MEMORY = 12
    """Pictures that are looked back at; after as many without structure there is always a cut."""

    def __init__(self) -> None:
        self._before: _Looks | None = None
        self._plain = 0  # pictures without structure since that one

    def push(self, picture: Image.Image) -> bool:
        """Return whether a cut lies between this picture, RGB, and those pushed before it."""
        looks = _Looks(picture)
        if looks.plain:
            self._plain += 1
            return False
        before, gap = self._before, self._plain
        self._before, self._plain = looks, 0
        if before is None or gap >= self.MEMORY:
            return gap >= self.MEMORY
        # What fades in out of black is as dark as what faded out: its colours say nothing.
        other = gap > 0 or looks.colours_unlike(before) > _OTHER_COLOURS
        return other and looks.alike(before) < _SAME_PLACE


def cuts(pictures: Iterable[Image.Image]) -> list[int]:
    """Return the indices of the pictures, RGB, with which a scene begins; the first is not one."""
    cutter = Cutter()
    return [index for index, picture in enumerate(pictures) if cutter.push(picture)]


class _Looks:
    """What of a picture is compared."""

    def __init__(self, picture: Image.Image) -> None:
        small = picture.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BOX)
        levels = np.asarray(small, np.int64) * _LEVELS // 256  # (64, 64, 3)
        places = levels @ np.array([_LEVELS**2, _LEVELS, 1])
        self._colours = np.bincount(places.ravel(), minlength=_LEVELS**3) / _SIDE**2
        grey = np.asarray(small.convert("L"), np.float64)
        self.plain = bool(grey.std() < _PLAIN)
        window = np.outer(*2 * [np.hanning(_SIDE + 2)[1:-1]])
        grey = (grey - (grey * window).sum() / window.sum()) * window
        self._waves: NDArray[np.complex128] = np.fft.fft2(grey)

    def colours_unlike(self, other: "_Looks") -> float:
        """Return the share of pixels without a counterpart of their colour."""
        return 1 - float(np.minimum(self._colours, other._colours).sum())

    def alike(self, other: "_Looks") -> float:
        """Return how much of their structure is the same but for a shift: 1 is all."""
        both = self._waves * other._waves.conj()
        waves = np.fft.fftfreq(_SIDE) * _SIDE
        weights = np.exp(-(waves[:, None] ** 2 + waves**2) / _FINE**2)
        weights[0, 0] = 0
        peak = np.fft.ifft2(weights * both / np.maximum(np.abs(both), 1e-9)).real.max()
        return float(peak * _SIDE**2 / weights.sum())
