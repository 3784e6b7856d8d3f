"""One frame painted: an ordinary run that begins with what is known from other frames."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from nst_lightning.data.carried import Carried
from nst_lightning.data.colour_match import grey
from nst_lightning.data.encoding import quantise, whole_levels
from nst_lightning.losses import TemporalLoss
from nst_lightning.losses.matched import MatchedTerm
from nst_lightning.objective import SharedTargets
from nst_lightning.options import lay_over
from nst_lightning.session import Session, open_run
from nst_lightning.video import settling
from nst_lightning.video.consistency import closest_first, hidden, reliable, warp
from nst_lightning.video.flow import Frame, optical_flow
from nst_lightning.video.interrupts import Interrupts

TERM = "temporal"
_SURE = 0.5  # of a mask, from which on a place keeps its match
_BITS = 16  # in which a painting is kept between frames
LEVELS = 2**_BITS - 1
"""The highest level of a painting that is kept between frames."""


@dataclass
class Painted:
    """A frame and its painting, at the size of the result.

    Attributes:
        frame: What was painted, ``(H, W, 3)``, RGB.
        raw: The painting as the optimiser left it, ``(1, 3, H, W)``, whole levels of 16 bits over
            65,535: what a file keeps of it.
        shown: As people see it, ``(1, 3, H, W)``, values in [0, 1].
        matches: Of the style, for each place of the grid ``(h, w)``; None where the style term has
            none.
        age: How long each place has been in sight, ``(1, 1, H, W)``, in frames.
    """

    frame: Frame
    raw: Tensor
    shown: Tensor
    matches: Tensor | None
    age: Tensor


@dataclass
class Seen:
    """Another frame's painting as this one has it.

    Attributes:
        warped: Moved to this frame's places, ``(1, 3, H, W)``, values in [0, 1].
        mask: Where that is reliable, ``(1, 1, H, W)``.
        matches: Its matches, moved likewise.
        age: How long each place has been in sight, as far as it tells, ``(1, 1, H, W)``.
    """

    warped: Tensor
    mask: Tensor
    matches: Tensor | None
    age: Tensor

    @classmethod
    def of(cls, frame: Frame, other: Painted) -> "Seen":
        """Look for another frame's places in this one, of the same size."""
        flow, back = (
            torch.from_numpy(optical_flow(*pair))[None]
            for pair in ((frame, other.frame), (other.frame, frame))
        )
        matches = None
        if other.matches is not None:
            matches = _moved(other.matches, flow)
        warped = warp(other.raw, flow, "spline").clamp(0, 1)
        mask = reliable(flow, back)
        age = settling.older(other.age, flow, mask, hidden(flow, back))
        return cls(warped, mask, matches, age)


def _moved(matches: Tensor, flow: Tensor) -> Tensor:
    """Return matches ``(h, w)`` at the places of this frame, as near as the grid allows."""
    size = (matches.shape[0], matches.shape[1])
    height, width = flow.shape[-2:]
    factor = flow.new_tensor([size[1] / width, size[0] / height]).view(1, 2, 1, 1)
    coarse = torch.nn.functional.adaptive_avg_pool2d(flow, size) * factor
    # Doubles: float32 has 24 bits for a place's number.
    return warp(matches[None, None].double(), coarse.double(), "nearest")[0, 0].long()


@dataclass
class FramePainter:
    """Paints frames with the same settings; encoders and style targets are made once.

    Args:
        settings: Of every run, by their dotted names.
        configs: Config files that lie below the settings.
        styles: Paintings, by their sources.
        weight: Of the temporal term.
        shared: Encoders and targets, for all frames.
        interrupts: Signals that came while it paints.
    """

    settings: Mapping[str, Any]
    configs: Sequence[str]
    styles: Sequence[str]
    weight: float
    shared: SharedTargets = field(default_factory=lambda: SharedTargets(keep=16))
    interrupts: Interrupts = field(default_factory=Interrupts)

    def open(self, picture: Image.Image, more: Mapping[str, Any] | None = None) -> Session:
        """Open the run of a frame; raises ``InputError`` if a setting is wrong."""
        own = {
            f"model.extra.{TERM}": {
                "class_path": "nst_lightning.losses.TemporalLoss",
                "init_args": {"weight": self.weight},
            },
            "data.content": "a frame",
            "data.style": list(self.styles),
        }
        return open_run(
            lay_over(self.settings, own, more or {}),
            self.configs,
            content=picture,
            styles=list(self.styles),
            summary=False,
            progress=False,
            pictures=False,
            checkpoints=False,
            shared=self.shared,
        )

    def paint(
        self, picture: Image.Image, others: Sequence[Painted] = (), scene: Painted | None = None
    ) -> Painted:
        """Paint a frame.

        Args:
            picture: The frame, of any size.
            others: Frames of the same scene that are painted, the nearest in time first.
            scene: The scene's first frame.

        Raises:
            InputError: If a setting is wrong.
            KeyboardInterrupt: If it was stopped before its end.
        """
        session = self.open(picture)
        frame = _frame_of(session)
        seen = [Seen.of(frame, other) for other in others]
        age = settling.of_a_first_frame(*frame.shape[:2])
        if seen:
            masks = closest_first([one.mask for one in seen])
            age = _age(seen, masks)
            masks = [settling.carried(mask, age) for mask in masks]
            nearest, palette_of = replace(seen[0], mask=masks[0]), (scene or others[-1]).raw
            session.pair.carried = Carried(nearest.warped, nearest.mask, palette_of)
            hold = [settling.held(mask, age) for mask in masks]
            _look_at(session, [replace(s, mask=m) for s, m in zip(seen, hold, strict=True)])
            _follow(session, nearest)
        return self._painted(session, frame, age)

    def repaint(
        self, own: Painted, just_done: Painted | None, ahead: Painted | None, scene: Painted
    ) -> Painted:
        """Paint a frame once more, at its full size alone.

        Args:
            own: The frame as it was painted.
            just_done: The neighbour that was just repainted, of the same scene.
            ahead: The other neighbour, as it was painted.
            scene: The scene's first frame.

        Raises:
            KeyboardInterrupt: If it was stopped before its end.
        """
        session = self.open(Image.fromarray(own.frame), {"data.scales": None})
        frame = _frame_of(session)
        start, seen = own.raw, []
        if just_done is not None:
            seen.append(Seen.of(frame, just_done))
            share = seen[0].mask / (1 + seen[0].mask)
            start = torch.lerp(start, seen[0].warped, share)
        if ahead is not None:
            seen.append(Seen.of(frame, ahead))
        session.pair.carried = Carried(start, torch.ones_like(start[:, :1]), scene.raw)
        _look_at(session, seen)
        if seen:
            _follow(session, seen[0])
        return self._painted(session, frame, own.age)

    def _painted(self, session: Session, frame: Frame, age: Tensor) -> Painted:
        session.run(self.interrupts)
        by_hand = self.interrupts.asked or session.interrupted or session.ended_by_hand
        # Else a time limit or the guard ended it: painted it is.
        if by_hand and not session.finished:
            raise KeyboardInterrupt
        raw = whole_levels(session.model.painted.detach().cpu().double(), _BITS) / LEVELS
        return Painted(frame, raw.float(), session.picture().cpu(), _matches(session), age)


def _age(seen: Sequence[Seen], masks: Sequence[Tensor]) -> Tensor:
    """Return how long each place has been in sight, by that frame which its mask chooses."""
    age = seen[0].age
    for other, mask in zip(seen[1:], masks[1:], strict=True):
        age = torch.where(mask > _SURE, other.age, age)
    return age


def _frame_of(session: Session) -> Frame:
    """Return a run's content as the run has it at its full size."""
    pair = session.pair
    pair.setup("fit")
    pair.use_scale(len(pair.scales))
    return as_frame(pair.content)


def _look_at(session: Session, seen: Sequence[Seen]) -> None:
    term = session.model.objective.terms[TERM]
    assert isinstance(term, TemporalLoss)
    see = grey if session.pair.colour == "luminance" else torch.nn.Identity()
    term.look_back([(see(one.warped), one.mask) for one in seen])


def as_frame(pixels: Tensor) -> Frame:
    """Return ``(1, 3, H, W)``, values in [0, 1], as whole levels ``(H, W, 3)``."""
    return quantise(pixels, None, 8)


def _matched(session: Session) -> MatchedTerm | None:
    terms = session.model.objective.terms.values()
    return next((term for term in terms if isinstance(term, MatchedTerm)), None)


def _follow(session: Session, seen: Seen) -> None:
    term = _matched(session)
    if term is not None and seen.matches is not None:
        size = (seen.matches.shape[0], seen.matches.shape[1])
        mask = torch.nn.functional.adaptive_avg_pool2d(seen.mask, size)
        term.follow(seen.matches, mask[0, 0] > _SURE)


def _matches(session: Session) -> Tensor | None:
    term = _matched(session)
    found = None if term is None else term.matches()
    return None if found is None else found.cpu().clone()
