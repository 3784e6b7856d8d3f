"""The DataModule: one content, one or more styles, and how many steps an epoch has."""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from nst_lightning.checks import choice, number, shares, whole_number
from nst_lightning.data.carried import Carried
from nst_lightning.data.coherence import coherent
from nst_lightning.data.colour_match import match_covariance, match_histogram, match_luminance
from nst_lightning.data.images import LoadedImage, load_image
from nst_lightning.data.regions import Regions, load_regions
from nst_lightning.data.resizing import carry_up, resize_to
from nst_lightning.data.scales import Scale, checked_scales, octaves
from nst_lightning.data.sizes import SMALL, Growth, SizeRule, long_side, of_style
from nst_lightning.data.sources import resolve, resolve_one
from nst_lightning.data.starts import STARTS, start_from
from nst_lightning.data.steps import StepLoader
from nst_lightning.errors import InputError, did_you_mean

ColourRule = Literal["style", "luminance", "covariance", "histogram", "palette"]
_STAIRS = 0.6  # standard deviation in pixels
_SHARPNESS = 0.7  # of an enlarged painting; at 1 its strokes look cut out


@dataclass
class _Sized:
    """The pictures of one scale."""

    content: LoadedImage
    styles: list[LoadedImage]
    regions: Regions | None


class ImagePair(LightningDataModule):
    """Decodes and resizes the pictures of one run.

    Args:
        content: The picture to be painted: a path, a URL (https://, s3://, ...), ``sample:NAME`` or
            ``artworks:ARTIST/NUMBER``.
        style: The picture to paint like, or a list of them; ``artworks:ARTIST?n=5`` is five.
        style_weights: Share of each style where several are given; they are normalised to sum 1.
        size: Size of the result in pixels, read by ``size_rule``.
        size_rule: What ``size`` measures: the ``long`` or the ``short`` side, the ``height``, or
            ``area`` for as many pixels as a square of that side.
        style_resize: ``scale`` gives a style its own shape at ``size * style_scale``; ``content``
            squeezes it to the content's width and height, as the PyTorch tutorial does.
        style_scale: Size of the styles relative to the content's; larger gives larger strokes.
        strokes: What becomes of strokes beyond 1000 pixels. ``large`` ones grow with the picture:
            an octave above takes the painting that it starts from for its content, and adds
            brushwork to it; a style grows too, but not beyond its own pixels. ``fine`` ones stay as
            they are at 1000 pixels, and a larger picture has more of them.
        init: The picture to start from: ``content``, ``blurred`` (the content reduced to a quarter
            and enlarged again), ``style``, ``noise``, ``grey``, or a file.
        init_noise: Standard deviation of the ``noise`` around mid-grey, in units of [0, 1].
        steps_per_epoch: Optimiser steps in one epoch.
        colour: ``style`` takes the style's colours; ``luminance`` paints the luminance alone and
            keeps the content's colours; ``covariance`` and ``histogram`` recolour the styles like
            the content beforehand; ``palette`` moves the colours of the finished picture to the
            styles', in the same amounts.
        content_mask: Regions of the content: one picture of flat colours, or a list of grey ones;
            they need a style term that looks at regions (``NearestNeighbourLoss``, the default;
            ``GuidedGramLoss``, ``SlicedWassersteinLoss``). See ``nst_lightning.data.regions``.
        style_mask: The same regions in the styles, paired by colour or by file; null takes one
            whole style for each region.
        mask_feather: How soft the edges of the content's regions are made, as a share of its long
            side.
        scales: Sizes to paint at first, from coarse to fine, each with its steps; the rest of the
            run's steps are at ``size``. It gives larger strokes. ``octaves`` is 64 pixels,
            twice as many and so on.
        octave_steps: Steps at each of the octaves; an epoch has them on top of
            ``steps_per_epoch``.
        detail: What comes in at a larger scale of a run that starts from ``content``: the
            ``content``'s detail, under the strokes, or nothing but the enlarged ``painting``.
        artworks: Folder of the paintings that ``artworks:`` names; if null, the environment
            variable NST_ARTWORKS names it.

    Raises:
        InputError: If a value is out of range or a picture cannot be read.
    """

    def __init__(
        self,
        content: str = "sample:cat",
        style: str | list[str] = "sample:klimt",
        style_weights: list[float] | None = None,
        size: int = 512,
        size_rule: SizeRule = "long",
        style_resize: Literal["scale", "content"] = "scale",
        style_scale: float = 1.0,
        strokes: Literal["large", "fine"] = "large",
        init: str = "content",
        init_noise: float = 0.25,
        steps_per_epoch: int = 100,
        colour: ColourRule = "style",
        content_mask: str | list[str] | None = None,
        style_mask: str | list[str | None] | None = None,
        mask_feather: float = 0.0,
        scales: list[Scale] | Literal["octaves"] | None = None,
        octave_steps: int = 24,
        detail: Literal["content", "painting"] = "content",
        artworks: str | None = None,
    ) -> None:
        super().__init__()
        if style_mask is not None and content_mask is None:
            raise InputError("data.style_mask: give a data.content_mask with the same regions too")
        self.size, self.size_rule = whole_number("data.size", size, 1), size_rule
        self.style_resize = style_resize
        self.style_scale = number("data.style_scale", style_scale, above=0)
        self.strokes = choice("data.strokes", strokes, ("large", "fine"))
        if init not in STARTS and (near := did_you_mean(init, STARTS)) and not Path(init).exists():
            raise InputError(f"data.init: there is no file {init}{near}")
        self.init = resolve_one(init, artworks)
        self.init_noise = number("data.init_noise", init_noise, least=0)
        self.steps_per_epoch = whole_number("data.steps_per_epoch", steps_per_epoch, 1)
        self.colour = colour
        self.content_mask, self.style_mask = content_mask, style_mask
        self.mask_feather = number("data.mask_feather", mask_feather, least=0, most=0.5)
        whole_number("data.octave_steps", octave_steps, 1)
        self.added_steps = 0
        """Steps of the octaves, which an epoch has besides those that were asked for."""
        self.octaves = scales == "octaves"
        if scales == "octaves":
            self.scales = octaves(size, octave_steps)
            self.added_steps = octave_steps * len(self.scales)
        else:
            self.scales = checked_scales(scales or [], size)
        self.steps_per_epoch += self.added_steps
        self.scale, self.detail, self.artworks = 0, detail, artworks
        self.content_source: Any = resolve_one(content, artworks)
        self.style_weights = style_weights
        self.set_styles(style if isinstance(style, list) else [style])
        self._sized: dict[int, _Sized] = {}
        self._start: list[LoadedImage] = []
        self.carried: Carried | None = None
        """What a frame of a film takes over from those before it."""

    def set_styles(self, sources: list[Any]) -> None:
        """Name the styles, by source or as Pillow pictures; at least one, and a weight for each."""
        if not sources:
            raise InputError("data.style: the list is empty; give at least one picture")
        found = [resolve(source, self.artworks) for source in sources]
        self.style_sources: list[Any] = list(itertools.chain.from_iterable(found))
        self.blend = shares("data.style_weights", self.style_weights, len(self.style_sources))

    def setup(self, stage: str) -> None:
        """Read and resize every picture, once; for a fit at every scale."""
        if self._sized:
            return
        last = len(self.scales)
        # All of them at once: a mistake is reported before the run, not in its middle.
        for scale in range(last, -1, -1) if stage == "fit" else [last]:
            self.use_scale(scale)
        if stage == "fit" and self.init not in STARTS:
            self._start = [load_image(self.init, role="init")]
            self._start[0].pixels = resize_to(self._start[0].pixels, self.content.shape[-2:])

    def _load(self, size: int) -> _Sized:
        content = load_image(self.content_source, long_side(size, self.size_rule), role="content")
        if self.style_resize == "content":
            styles = [load_image(s, role="style") for s in self.style_sources]
            for style in styles:
                style.pixels = resize_to(style.pixels, content.pixels.shape[-2:])
        else:
            side = of_style(size, self.style_scale, self.size_rule, self._growth)
            styles = [load_image(s, side, role="style") for s in self.style_sources]
        regions = None
        if self.content_mask is not None:
            regions = load_regions(
                self.content_mask, self.style_mask, content, styles, self.mask_feather
            )
        return _Sized(content, styles, regions)

    def scale_at(self, step: int) -> int:
        """Return the number of the scale of a step, counted from 0, the coarsest."""
        return sum(step >= end for end in itertools.accumulate(s.steps for s in self.scales))

    @property
    def scale_began(self) -> int:
        """The step at which the present scale began."""
        return sum(scale.steps for scale in self.scales[: self.scale])

    def use_scale(self, scale: int) -> None:
        """Let content, styles and regions be those of a scale; of the last if there are fewer."""
        self.scale = min(scale, len(self.scales))
        self._at(self.scale)

    def _at(self, scale: int) -> _Sized:
        if scale not in self._sized:
            self._sized[scale] = self._load(self._sizes[scale])
        return self._sized[scale]

    @property
    def _sizes(self) -> list[int]:
        return [*(scale.size for scale in self.scales), self.size]

    @property
    def repaints(self) -> bool:
        """Whether the content of the present scale is the painting that it starts from."""
        above = self.scale > 0 and self._sizes[self.scale] > SMALL
        return above and self._growth == "own"

    @property
    def _growth(self) -> Growth:
        """How far a style grows: other scales than octaves are a known system's, left as it is."""
        if self.strokes == "fine":
            return "small"
        return "own" if self.octaves else "any"

    def enlarged(self, painting: Tensor, detail: float) -> Tensor:
        """Return what the present scale starts from.

        Args:
            painting: Of the scale before, ``(1, 3, h, w)``, values in [0, 1].
            detail: How much of the content's detail comes in, from 0 to 1, where the run began with
                the content; ``data.detail: content`` lets all of it in.
        """
        detail = 1.0 if self.detail == "content" else detail
        redrawn = self.repaints and detail < 1
        if redrawn:
            # Its edges are stairs of pixels: enlarged as they are, a mosaic to be painted.
            painting = torch.lerp(gaussian_blur(painting, 5, _STAIRS), painting, detail)
        content = self.content.to(painting)
        if self.init == "content" and detail:
            before = self._at(self.scale - 1).content.pixels.to(painting)
            painting = carry_up(painting, before, content, detail)
        else:
            painting = resize_to(painting, (content.shape[-2], content.shape[-1]))
        if redrawn:
            painting = torch.lerp(coherent(painting, _SHARPNESS), painting, detail)
        return painting if self.carried is None else self.carried.onto(painting)

    @property
    def largest(self) -> tuple[int, int]:
        """Width and height of the finished picture."""
        height, width = self._sized[len(self.scales)].content.pixels.shape[-2:]
        return width, height

    def sizes(self, scale: int) -> tuple[tuple[int, int], list[tuple[int, int]]]:
        """Return height and width of the content at a scale, and of each style."""
        now = self._sized[scale]
        content, *styles = (
            (image.pixels.shape[-2], image.pixels.shape[-1]) for image in (now.content, *now.styles)
        )
        return content, styles

    def steps_left(self, step: int, steps: int) -> list[int]:
        """Return how many of a run's steps, counted from 0, are left at each scale."""
        ends = [*itertools.accumulate(scale.steps for scale in self.scales), steps]
        return [max(0, end - max(step, begin)) for begin, end in itertools.pairwise([0, *ends])]

    @property
    def _now(self) -> _Sized:
        if self.scale not in self._sized:
            raise RuntimeError("ImagePair.setup has not been called yet")
        return self._sized[self.scale]

    @property
    def content(self) -> Tensor:
        """The content, shape ``(1, 3, H, W)``, values in [0, 1]."""
        return self._now.content.pixels

    @property
    def alpha(self) -> Tensor | None:
        """The content's transparency, shape ``(1, 1, H, W)``, or None if it is opaque."""
        return self._now.content.alpha

    @property
    def styles(self) -> list[Tensor]:
        """The styles, each of shape ``(1, 3, h, w)``, values in [0, 1]."""
        return [style.pixels for style in self._now.styles]

    @property
    def regions(self) -> Regions | None:
        """The masks of content and styles; None without a ``content_mask``."""
        return self._now.regions

    @property
    def style_targets(self) -> list[Tensor]:
        """The styles as the picture is to take after them: recoloured if ``colour`` says so."""
        match = {
            "style": lambda style, content: style,
            "palette": lambda style, content: style,
            "luminance": match_luminance,
            "covariance": match_covariance,
            "histogram": match_histogram,
        }[self.colour]
        return [match(style, self.content) for style in self.styles]

    @property
    def notes(self) -> list[str]:
        """What the user should know about how the files were read."""
        now = self._now
        notes = [n for image in (now.content, *now.styles, *self._start) for n in image.notes]
        return list(dict.fromkeys(notes + (now.regions.notes if now.regions else [])))

    def initial(self) -> Tensor:
        """Return the picture to start from, of the content's shape."""
        made = (self.init, self.content, self.styles[0], self.init_noise)
        start = self._start[0].pixels if self._start else start_from(*made)
        return start if self.carried is None else self.carried.onto(start)

    def train_dataloader(self) -> StepLoader:
        """Return one item a step."""
        return StepLoader(self.steps_per_epoch)

    def test_dataloader(self) -> StepLoader:
        """Return one item: the picture is measured once."""
        return StepLoader(1)


def pictures_of(trainer: Any) -> ImagePair:
    """Return the pictures of a trainer; raises ``InputError`` if it has no ``ImagePair``."""
    pair = getattr(trainer, "datamodule", None)
    if not isinstance(pair, ImagePair):
        raise InputError("no pictures: give the trainer an ImagePair as datamodule")
    return pair
