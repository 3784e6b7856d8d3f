"""One frame painted: an ordinary run that begins with what is known from other frames."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from nst_lightning.data.carried import Carried
from nst_lightning.data.colour_match import grey
from nst_lightning.data.encoding import whole_levels
from nst_lightning.losses import TemporalLoss
from nst_lightning.losses.matched import MatchedTerm
from nst_lightning.objective import SharedTargets
from nst_lightning.options import lay_over
from nst_lightning.session import Session, open_run
from nst_lightning.video.consistency import closest_first, reliable, warp
from nst_lightning.video.flow import Frame, optical_flow

TERM = "temporal"
_SURE = 0.5  # of a mask, from which on a place keeps its match
_BITS = 16  # in which a painting is kept between frames


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
    """

    frame: Frame
    raw: Tensor
    shown: Tensor
    matches: Tensor | None


@dataclass
class Seen:
    """Another frame's painting as this one has it.

    Attributes:
        warped: Moved to this frame's places, ``(1, 3, H, W)``, values in [0, 1].
        mask: Where that is reliable, ``(1, 1, H, W)``.
        matches: Its matches, moved likewise.
    """

    warped: Tensor
    mask: Tensor
    matches: Tensor | None

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
        warped = warp(other.raw, flow).clamp(0, 1)
        return cls(warped, reliable(flow, back), matches)


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
    """

    settings: Mapping[str, Any]
    configs: Sequence[str]
    styles: Sequence[str]
    weight: float
    shared: SharedTargets = field(default_factory=lambda: SharedTargets(keep=16))

    def open(self, picture: Image.Image) -> Session:
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
            lay_over(self.settings, own),
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
        self,
        picture: Image.Image,
        others: Sequence[Painted] = (),
        first: Painted | None = None,
        session: Session | None = None,
    ) -> Painted:
        """Paint a frame.

        Args:
            picture: The frame, of any size.
            others: Frames of the same scene that are painted, the nearest in time first.
            first: The scene's first frame.
            session: The frame's own, if it is open already.

        Raises:
            InputError: If a setting is wrong.
            KeyboardInterrupt: If it was stopped before its end.
        """
        session = session or self.open(picture)
        pair = session.pair
        pair.setup("fit")
        pair.use_scale(len(pair.scales))
        frame = as_frame(pair.content)
        seen = [Seen.of(frame, other) for other in others]
        term = session.model.objective.terms[TERM]
        assert isinstance(term, TemporalLoss)
        if seen:
            nearest, palette_of = seen[0], (first or others[-1]).raw
            pair.carried = Carried(nearest.warped, nearest.mask, palette_of)
            see = grey if pair.colour == "luminance" else torch.nn.Identity()
            masks = closest_first([one.mask for one in seen])
            term.look_back([(see(s.warped), m) for s, m in zip(seen, masks, strict=True)])
            if nearest.matches is not None:
                _follow(session, nearest)
        session.run()
        if session.stopped:
            raise KeyboardInterrupt
        raw = whole_levels(session.model.painted.detach().cpu().double(), _BITS) / (2**_BITS - 1)
        return Painted(frame, raw.float(), session.picture().cpu(), _matches(session))


def as_frame(pixels: Tensor) -> Frame:
    """Return ``(1, 3, H, W)``, values in [0, 1], as whole levels ``(H, W, 3)``."""
    return whole_levels(pixels[0].double(), 8).permute(1, 2, 0).numpy().astype(np.uint8)


def _matched(session: Session) -> MatchedTerm | None:
    terms = session.model.objective.terms.values()
    return next((term for term in terms if isinstance(term, MatchedTerm)), None)


def _follow(session: Session, seen: Seen) -> None:
    term = _matched(session)
    if term is not None and seen.matches is not None:
        mask = torch.nn.functional.adaptive_avg_pool2d(seen.mask, tuple(seen.matches.shape))
        term.follow(seen.matches, mask[0, 0] > _SURE)


def _matches(session: Session) -> Tensor | None:
    term = _matched(session)
    found = None if term is None else term.matches()
    return None if found is None else found.cpu().clone()
