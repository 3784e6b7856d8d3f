"""Cuts between real photographs, and what is none: pans, zooms, flashes, dissolves."""

import itertools
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from helpers.real_pictures import SHARED_IMAGES
from PIL import Image

from nst_lightning.data.images import load_image
from nst_lightning.data.samples import SAMPLES
from nst_lightning.video.scenes import Cutter, cuts

WIDTH, HEIGHT = 160, 96


@cache
def photographs() -> list[Image.Image]:
    """Return the samples, and the photographs beside the repository where they are."""
    sources = [f"sample:{name}" for name in SAMPLES]
    sources += sorted(str(path) for path in SHARED_IMAGES.glob("*.jpg"))
    pixels = [load_image(source, 512).pixels[0].permute(1, 2, 0).numpy() for source in sources]
    return [Image.fromarray((255 * levels).round().astype(np.uint8)) for levels in pixels]


def view(picture: Image.Image, x: float = 0.5, width: float = 0.4, turn: float = 0) -> Image.Image:
    """Return what a camera sees that looks at a picture's middle row, its place and width in it."""
    if turn:
        picture = picture.rotate(turn, Image.Resampling.BILINEAR)
    half = (width * picture.width / 2, width * picture.width * HEIGHT / WIDTH / 2)
    middle = (x * picture.width, picture.height / 2)
    ends = zip(middle, half, picture.size, strict=True)
    low, high = zip(*((max(0, m - h), min(s, m + h)) for m, h, s in ends), strict=True)
    return picture.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS, box=(*low, *high))


def levels(picture: Image.Image, change: Callable[[np.ndarray], np.ndarray]) -> Image.Image:
    changed = np.clip(change(np.asarray(picture, float)), 0, 255)
    return Image.fromarray(changed.astype(np.uint8))


FLASHES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "all white": lambda a: a * 0 + 255,
    "nearly": lambda a: a * 0.1 + 235,
    "brighter": lambda a: a + 130,
    "three times the light": lambda a: a * 3,
    "from one side": lambda a: a + np.linspace(0, 255, WIDTH)[None, :, None],
    "lights out": lambda a: a * 0.15,
}


def flash(picture: Image.Image, kind: str) -> list[Image.Image]:
    frames = [view(picture, 0.4 + 0.004 * index) for index in range(8)]
    return [levels(frame, FLASHES[kind]) if index in (3, 4) else frame
            for index, frame in enumerate(frames)]  # fmt: skip


MOTIONS: dict[str, Callable[[Image.Image], list[Image.Image]]] = {
    "a slow pan": lambda p: [view(p, 0.25 + 0.01 * i) for i in range(10)],
    "a pan by 0.3 of the picture a frame": lambda p: [view(p, 0.25 + 0.12 * i) for i in range(5)],
    "a zoom by 15 % a frame": lambda p: [view(p, width=0.7 * 0.85**i) for i in range(8)],
    "a turn by 6 degrees a frame": lambda p: [view(p, turn=6 * i) for i in range(8)],
    **{f"a flash, {kind}": lambda p, kind=kind: flash(p, kind) for kind in FLASHES},
}


@pytest.mark.parametrize("motion", MOTIONS)
@pytest.mark.parametrize("noise", [0, 4])
def test_what_is_no_cut(motion: str, noise: int) -> None:
    generator = np.random.default_rng(0)
    for picture in photographs():
        frames = MOTIONS[motion](picture)
        noisy = [levels(f, lambda a: a + generator.normal(0, noise, a.shape)) for f in frames]
        assert cuts(noisy) == []


def test_a_cut_between_any_two_photographs() -> None:
    for first, second in itertools.permutations(photographs(), 2):
        pan = [view(first, 0.4 + 0.01 * i) for i in range(4)]
        assert cuts([*pan, *(view(second, width=0.5 - 0.01 * i) for i in range(3))]) == [4]


def test_a_cut_within_one_photograph() -> None:
    for picture in photographs():
        frames = [view(picture, x, 0.28) for x in (0.25, 0.25, 0.75, 0.75)]
        assert cuts(frames) == [2]


@pytest.mark.parametrize("steps", [4, 12])
def test_a_dissolve_is_no_cut(steps: int) -> None:
    for first, second in itertools.pairwise(photographs()):
        mixed = [Image.blend(view(first), view(second), i / steps) for i in range(steps + 1)]
        assert cuts(mixed) == []


def test_a_fade_through_black_is_a_cut_where_the_new_scene_appears() -> None:
    black = Image.new("RGB", (WIDTH, HEIGHT))
    for first, second in itertools.pairwise(photographs()):
        out = [Image.blend(view(first), black, i / 6) for i in range(7)]
        into = [Image.blend(black, view(second), i / 6) for i in range(7)]
        found = cuts([*out, *into])
        assert len(found) == 1
        assert 7 < found[0] < 11


def test_a_run_that_goes_on_in_the_middle_finds_the_same() -> None:
    one, two, three = photographs()[:3]
    white = Image.new("RGB", (WIDTH, HEIGHT), "white")
    frames = [*(view(one, 0.4 + 0.02 * i) for i in range(4)), *flash(two, "all white")]
    frames += [white] * 12 + [view(two)] * 2 + [white] * 13 + [view(three)] * 3
    whole = set(cuts(frames))
    assert 4 in whole
    for start in range(1, len(frames)):
        cutter = Cutter()
        for before in frames[max(0, start - Cutter.MEMORY) : start]:
            cutter.push(before)
        assert cutter.push(frames[start]) == (start in whole)
