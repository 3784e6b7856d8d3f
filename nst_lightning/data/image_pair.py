"""The DataModule: one content, one or more styles, and how many steps an epoch has."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor

from nst_lightning.artworks.query import is_artwork
from nst_lightning.data.colour_match import match_covariance, match_histogram, match_luminance
from nst_lightning.data.images import LoadedImage, load_image
from nst_lightning.data.regions import Regions, load_regions
from nst_lightning.data.resizing import check_size, resize_to
from nst_lightning.errors import InputError

SizeRule = Literal["long", "short", "height", "area"]
ColourRule = Literal["style", "luminance", "covariance", "histogram"]
STARTS = ("content", "style", "noise", "grey")
"""What ``init`` may be besides a file."""


@dataclass
class Scale:
    """A size to paint at before the final one.

    Attributes:
        size: In pixels, read by ``size_rule``.
        steps: Optimiser steps at this size.
    """

    size: int
    steps: int


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
        init: The picture to start from: ``content``, ``style``, ``noise``, ``grey``, or a file.
        init_noise: Standard deviation of the ``noise`` around mid-grey, in units of [0, 1].
        steps_per_epoch: Optimiser steps in one epoch.
        colour: ``style`` takes the style's colours; ``luminance`` paints the luminance alone and
            keeps the content's colours; ``covariance`` and ``histogram`` recolour the styles like
            the content beforehand.
        content_mask: Regions of the content: one picture of flat colours, or a list of grey ones;
            they need the style term ``GuidedGramLoss``. See ``nst_lightning.data.regions``.
        style_mask: The same regions in the styles, paired by colour or by file; null takes one
            whole style for each region.
        mask_feather: How soft the edges of the content's regions are made, as a share of its long
            side.
        scales: Sizes to paint at first, from coarse to fine, each with its steps; the rest of the
            run's steps are at ``size``. It gives larger strokes.
        artworks: Folder of the paintings that ``artworks:`` names; if null, the environment
            variable NST_ARTWORKS tells it.

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
        init: str = "content",
        init_noise: float = 0.25,
        steps_per_epoch: int = 100,
        colour: ColourRule = "style",
        content_mask: str | list[str] | None = None,
        style_mask: str | list[str | None] | None = None,
        mask_feather: float = 0.0,
        scales: list[Scale] | None = None,
        artworks: str | None = None,
    ) -> None:
        super().__init__()
        if size < 1:
            raise InputError(
                f"data.size: {size} is not a size; give a number of pixels such as 512"
            )
        if steps_per_epoch < 1:
            raise InputError(f"data.steps_per_epoch: {steps_per_epoch} is not at least 1")
        if not (math.isfinite(style_scale) and style_scale > 0):
            raise InputError(f"data.style_scale: {style_scale} is not a positive number")
        if not (math.isfinite(init_noise) and init_noise >= 0):
            raise InputError(f"data.init_noise: {init_noise} is not zero or more")
        self.artworks = artworks
        if not (math.isfinite(mask_feather) and 0 <= mask_feather <= 0.5):
            raise InputError(f"data.mask_feather: {mask_feather} is not from 0 to 0.5")
        if style_mask is not None and content_mask is None:
            raise InputError("data.style_mask: give a data.content_mask with the same regions too")
        self.colour = colour
        self.content_mask, self.style_mask = content_mask, style_mask
        self.mask_feather = mask_feather
        self.regions: Regions | None = None
        self.scales = _checked_scales([as_scale(scale) for scale in scales or []], size)
        self.scale = 0
        self._sized: dict[int, _Sized] = {}
        self._file(content)  # refused now, not when the run is set up
        self.content_source: Any = content
        self.style_weights = style_weights
        self.set_styles(style if isinstance(style, list) else [style])
        self.size, self.size_rule = size, size_rule
        self.style_resize, self.style_scale = style_resize, style_scale
        self.init, self.init_noise = self._file(init), init_noise
        self.steps_per_epoch = steps_per_epoch
        self.content_image: LoadedImage | None = None
        self.style_images: list[LoadedImage] = []

    def set_styles(self, sources: list[Any]) -> None:
        """Name the styles, by source or as Pillow pictures.

        Raises:
            InputError: If there is none, or not one weight for each.
        """
        if not sources:
            raise InputError("data.style: the list is empty; give at least one picture")
        self.style_sources: list[Any] = list(sources)
        if any(is_artwork(source) for source in sources):
            from nst_lightning.artworks.collection import expand

            self.style_sources = expand(sources, self.artworks)
        self.blend = _normalised(self.style_weights, len(self.style_sources))

    def _file(self, source: Any) -> Any:
        """Return the file of an ``artworks:`` source, or the source itself."""
        if not is_artwork(source):
            return source
        from nst_lightning.artworks.collection import expand_one

        return expand_one(source, self.artworks)

    def setup(self, stage: str) -> None:
        """Read and resize every picture, once; for a fit at every scale."""
        if self.content_image is not None:
            return
        # All of them at once: a mistake is to be told before the run, not in its middle.
        for number in range(len(self.scales), -1, -1) if stage == "fit" else [len(self.scales)]:
            self.use_scale(number)
        self._start = self._load_start() if stage == "fit" else None

    def _load(self, size: int) -> "_Sized":
        content = self._load_sized(self._file(self.content_source), "content", size)
        shape = (content.pixels.shape[-2], content.pixels.shape[-1])
        if self.style_resize == "content":
            styles = [load_image(s, role="style") for s in self.style_sources]
            for style in styles:
                style.pixels = resize_to(style.pixels, shape)
        else:
            style_size = size * self.style_scale
            styles = [self._load_sized(s, "style", style_size) for s in self.style_sources]
        regions = None
        if self.content_mask is not None:
            regions = load_regions(
                self.content_mask, self.style_mask, content, styles, self.mask_feather
            )
        return _Sized(content, styles, regions)

    def _load_sized(self, source: str, role: str, size: float) -> LoadedImage:
        def long_side(width: int, height: int) -> int:
            ratio = {
                "long": 1.0,
                "short": max(width, height) / min(width, height),
                "height": max(width, height) / height,
                "area": math.sqrt(max(width, height) / min(width, height)),
            }[self.size_rule]
            return max(1, round(size * ratio))

        return load_image(source, long_side, role=role)

    # -- coarse to fine ---------------------------------------------------------------------------

    def scale_at(self, step: int) -> int:
        """Return the number of the scale of a step, counted from 0, the coarsest."""
        return sum(step >= end for end in itertools.accumulate(s.steps for s in self.scales))

    @property
    def scale_began(self) -> int:
        """The step at which the present scale began."""
        return sum(scale.steps for scale in self.scales[: self.scale])

    def use_scale(self, number: int) -> None:
        """Let content, styles and regions be those of a scale; of the last if there are fewer."""
        self.scale = min(number, len(self.scales))
        if self.scale not in self._sized:
            sizes = [*(scale.size for scale in self.scales), self.size]
            self._sized[self.scale] = self._load(sizes[self.scale])
        there = self._sized[self.scale]
        self.content_image, self.style_images = there.content, there.styles
        self.regions = there.regions

    @property
    def largest(self) -> tuple[int, int]:
        """Width and height of the finished picture."""
        height, width = self._sized[len(self.scales)].content.pixels.shape[-2:]
        return width, height

    def _load_start(self) -> Tensor | None:
        if self.init in STARTS:
            return None
        shape = (self.content.shape[-2], self.content.shape[-1])
        return resize_to(load_image(self.init, role="init").pixels, shape)

    @property
    def content(self) -> Tensor:
        """The content, shape ``(1, 3, H, W)``, values in [0, 1]."""
        return self._loaded().pixels

    @property
    def alpha(self) -> Tensor | None:
        """The content's transparency, shape ``(1, 1, H, W)``, or None if it is opaque."""
        return self._loaded().alpha

    @property
    def styles(self) -> list[Tensor]:
        """The styles, each of shape ``(1, 3, h, w)``, values in [0, 1]."""
        self._loaded()
        return [style.pixels for style in self.style_images]

    @property
    def style_targets(self) -> list[Tensor]:
        """The styles as the picture is to take after them: recoloured if ``colour`` says so."""
        match = {
            "style": lambda style, content: style,
            "luminance": match_luminance,
            "covariance": match_covariance,
            "histogram": match_histogram,
        }[self.colour]
        return [match(style, self.content) for style in self.styles]

    @property
    def notes(self) -> list[str]:
        """What the user should know about how the files were read."""
        notes = [n for image in (self._loaded(), *self.style_images) for n in image.notes]
        return notes + (self.regions.notes if self.regions else [])

    def _loaded(self) -> LoadedImage:
        if self.content_image is None:
            raise RuntimeError("ImagePair.setup has not been called yet")
        return self.content_image

    def initial(self) -> Tensor:
        """Return the picture to start from, of the content's shape."""
        content = self.content
        if self._start is not None:
            return self._start
        if self.init == "content":
            return content
        if self.init == "style":
            return resize_to(self.styles[0], (content.shape[-2], content.shape[-1]))
        grey = torch.full_like(content, 0.5)
        if self.init == "grey":
            return grey
        return (grey + self.init_noise * torch.randn_like(content)).clamp(0, 1)

    def train_dataloader(self) -> "StepLoader":
        """Return one item a step."""
        return StepLoader(self.steps_per_epoch)

    def test_dataloader(self) -> "StepLoader":
        """Return one item: the picture is measured once."""
        return StepLoader(1)


class StepLoader:
    """Counts the steps of an epoch; its state lets a run go on in the middle of one."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.position = 0
        self._start = 0

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[int]:
        # Only a loaded state moves the start: nobody asks for more than an epoch has, so the
        # iterator of the epoch before stands after its last step, unfinished.
        start, self._start = self._start, 0
        for step in range(start, self.steps):
            self.position = step + 1
            yield step

    def state_dict(self) -> dict[str, int]:
        """Return how many steps of this epoch were taken."""
        return {"position": self.position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where :meth:`state_dict` was taken; with the next epoch if that was at the end."""
        self._start = self.position = state["position"] if state["position"] < self.steps else 0


def _normalised(weights: list[float] | None, count: int) -> list[float]:
    if weights is None:
        return [1 / count] * count
    if len(weights) != count:
        raise InputError(
            f"data.style_weights: {len(weights)} weights for {count} styles; give one for each"
        )
    if any(not math.isfinite(w) or w < 0 for w in weights) or sum(weights) == 0:
        raise InputError(f"data.style_weights: {weights} must be zero or more, and not all zero")
    return [w / sum(weights) for w in weights]


def as_scale(scale: Scale | dict[str, int]) -> Scale:
    """Return a scale that was given as itself or as ``{"size": 128, "steps": 50}``."""
    return scale if isinstance(scale, Scale) else Scale(**scale)


def _checked_scales(scales: list[Scale], size: int) -> list[Scale]:
    for number, scale in enumerate(scales, start=1):
        if scale.steps < 1:
            raise InputError(
                f"data.scales: scale {number} has {scale.steps} steps; give at least 1"
            )
        check_size(scale.size, f"data.scales: the size of scale {number}")
    sizes = [*(scale.size for scale in scales), size]
    if any(after <= before for before, after in itertools.pairwise(sizes)):
        raise InputError(
            f"data.scales: the sizes {sizes} (data.size last) must grow from one to the next"
        )
    return scales
