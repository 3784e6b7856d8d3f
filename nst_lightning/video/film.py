"""A whole film: every frame in its turn, forwards and then backwards, scene by scene."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from PIL import Image

from nst_lightning.video.film_folder import FilmFolder
from nst_lightning.video.painting import FramePainter, Painted
from nst_lightning.video.scenes import Cutter

LOOKS_BACK = (1, 2, 4)
"""How many frames back paintings are looked at (Ruder et al. 2016, long-term consistency)."""


class Frames(Protocol):
    """A clip's frames in order, from any on."""

    def __call__(self, first: int) -> Iterator[Image.Image]:
        """Yield the frames from an index on."""
        ...


@dataclass
class Film:
    """Paints the frames of a clip.

    The first pass goes forwards: each frame begins with the painting before it and is held to those
    1, 2 and 4 frames back. Each further pass goes the other way than the one before: a frame begins
    with its own painting mixed with that of the frame just done, and is held to both neighbours
    (Ruder, Dosovitskiy & Brox, GCPR 2016, sections 4.3 to 4.5). Nothing crosses a cut.

    Args:
        folder: Where it is kept.
        painter: Of frames.
        frames: Of the clip.
        passes: How many.
        on_begin: Called with pass and frame, counted from 0, before it is painted.
        on_frame: Likewise, when it is there.
    """

    folder: FilmFolder
    painter: FramePainter
    frames: Frames
    passes: int = 1
    on_begin: Callable[[int, int], None] = lambda number, index: None
    on_frame: Callable[[int, int], None] = lambda number, index: None

    def paint(self) -> int:
        """Paint what is not there yet; return how many frames the film has.

        Raises:
            InputError: If a setting is wrong or a file cannot be written.
            KeyboardInterrupt: If it was stopped; the same film goes on from there.
        """
        count = self._forwards()
        for number in range(1, self.passes):
            order = range(count) if number % 2 == 0 else range(count - 1, -1, -1)
            self._again(number, order)
        return count

    def _forwards(self) -> int:
        index = 0
        while self.folder.has(0, index):
            self.on_frame(0, index)
            index += 1
        before = self._before(index)
        first = self._scene(index)
        cutter = Cutter()
        earlier = max(0, index - Cutter.MEMORY)
        for at, picture in enumerate(self.frames(earlier), earlier):
            begins = cutter.push(picture) or at == 0
            if at < index:
                continue
            if begins:
                before.clear()
                first = None
            others = [before[-back] for back in LOOKS_BACK if back <= len(before)]
            self.on_begin(0, at)
            painted = self.painter.paint(picture, others, first)
            self.folder.keep(0, at, painted, begins)
            first = first or painted
            before.append(painted)
            self.on_frame(0, at)
            self.painter.interrupts.check()
            index = at + 1
        return index

    def _before(self, index: int) -> deque[Painted]:
        """Load the frames of the same scene that a frame looks back at, oldest first."""
        found: deque[Painted] = deque(maxlen=max(LOOKS_BACK))
        for at in range(index - 1, max(-1, index - 1 - max(LOOKS_BACK)), -1):
            painted, begins = self.folder.load(0, at)
            found.appendleft(painted)
            if begins:
                break
        return found

    def _scene(self, index: int) -> Painted | None:
        """Load the first frame of the scene that ends before a frame."""
        for at in range(index - 1, -1, -1):
            painted, begins = self.folder.load(0, at)
            if begins:
                return painted
        return None

    def _again(self, number: int, order: Sequence[int]) -> None:
        """Paint every frame once more, each after the one that was just done."""
        count, step = len(order), -1 if number % 2 else 1
        begins = [self.folder.load(0, at)[1] for at in range(count)] + [True]
        for at in order:
            if not self.folder.has(number, at):
                # Of two neighbours the later one says whether a scene begins between them.
                just_done, ahead = (
                    None if begins[max(at, other)] else other for other in (at - step, at + step)
                )
                scene = max(i for i in range(at + 1) if begins[i])
                self.on_begin(number, at)
                painted = self.painter.repaint(
                    self.folder.load(number - 1, at)[0],
                    self._loaded(number, just_done),
                    self._loaded(number - 1, ahead),
                    self.folder.load(0, scene)[0],
                )
                self.folder.keep(number, at, painted, begins[at])
            self.on_frame(number, at)
            self.painter.interrupts.check()

    def _loaded(self, number: int, index: int | None) -> Painted | None:
        return None if index is None else self.folder.load(number, index)[0]
