"""Masks: which part of the content is painted in which style, or in which part of a style."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nst_lightning.data.images import LoadedImage, load_image
from nst_lightning.errors import InputError

_SHAPE_TOLERANCE = 0.02
_MINIMUM_SHARE = 0.005
_SAME_COLOUR_WITHIN = 0.25
"""Distance of two colours of a map, in units of [0, 1]; nearer ones are one colour."""
_GREY_WITHIN = 0.06
_FLAT_CHANGE = 0.04
_MAXIMUM_COLOURS = 16
_DRAWN = 0.9
"""Share of a mask's pixels that its most frequent colours have."""


@dataclass
class Regions:
    """The masks of one run, R regions.

    Attributes:
        content: ``(1, R, H, W)`` in [0, 1], of the content's size.
        styles: For each style ``(1, R, h, w)``, of its size; a channel is zero where the style has
            no part in the region.
        notes: One-line remarks for the user.
    """

    content: Tensor
    styles: list[Tensor]
    notes: list[str]

    def on(self, device: torch.device) -> tuple[Tensor, list[Tensor]]:
        """Return the masks of the content and of the styles on a device."""
        return self.content.to(device), [mask.to(device) for mask in self.styles]


def load_regions(
    content_mask: str | list[str],
    style_mask: str | list[str | None] | None,
    content: LoadedImage,
    styles: Sequence[LoadedImage],
    feather: float = 0.0,
) -> Regions:
    """Read the masks and pair them.

    Args:
        content_mask: A list of grey pictures, one a region, white where it is; or one picture whose
            flat colours are the regions. One grey picture for two styles may have soft edges: black
            is the first style, white the second.
        style_mask: For a list: one grey picture a region, of the style that belongs to it (null for
            all of it). For one picture: one map a style, in which the same colours are the same
            regions. Null takes each style whole: for a list one style a region in its order, for a
            map in the order of its colours from dark to bright (Rec. 709: blue, red, green).
        content: The content, already resized.
        styles: The styles, already resized.
        feather: How soft the edges of the content's regions are made, as a share of its long side.

    Raises:
        InputError: If a mask has another shape than its picture, a region is missing or empty, or
            there is not one style for each region.
    """
    notes: list[str] = []
    given = [style_mask] if isinstance(style_mask, str) else style_mask
    if isinstance(content_mask, list):
        masks, of_styles = _by_file(content_mask, given, content, styles, notes)
    else:
        masks, of_styles = _by_colour(content_mask, given, content, styles, notes)
    share = masks.sum(1)
    for what, amount in (("more than one region", share > 1.5), ("no region", share < 0.5)):
        if float(amount.float().mean()) > _MINIMUM_SHARE:
            notes.append(f"{float(amount.float().mean()):.0%} of the content lies in {what}")
    if feather:
        masks = blur(masks, feather * max(masks.shape[-2:]))
    return Regions(masks, of_styles, notes)


def _by_file(
    files: list[str],
    style_mask: Sequence[str | None] | None,
    content: LoadedImage,
    styles: Sequence[LoadedImage],
    notes: list[str],
) -> tuple[Tensor, list[Tensor]]:
    if not files:
        raise InputError("data.content_mask: the list is empty; give one picture a region")
    masks = torch.cat([_grey(file, "content_mask", content, notes) for file in files], dim=1)
    given = [None] * len(files) if style_mask is None else style_mask
    if len(given) != len(files):
        raise InputError(
            f"data.style_mask: {len(given)} masks for {len(files)} regions; give one for each, or "
            "null for a whole style"
        )
    one_for_all = len(styles) == 1 and (style_mask is not None or len(files) == 1)
    if not one_for_all and len(styles) != len(files):
        raise InputError(
            f"data.content_mask: {len(files)} regions for {len(styles)} styles; give one style a "
            "region (data.style), or one style with a data.style_mask for each region"
        )
    of_styles = [torch.zeros(1, len(files), *style.pixels.shape[-2:]) for style in styles]
    for region, file in enumerate(given):
        which = region if len(styles) > 1 else 0
        mask = 1.0 if file is None else _grey(file, "style_mask", styles[which], notes)
        of_styles[which][:, region : region + 1] = mask
    return masks, of_styles


def _by_colour(
    file: str,
    style_mask: Sequence[str | None] | None,
    content: LoadedImage,
    styles: Sequence[LoadedImage],
    notes: list[str],
) -> tuple[Tensor, list[Tensor]]:
    pixels = _read(file, "content_mask", content, notes)
    size = content.pixels.shape[-2:]
    is_grey = float((pixels.amax(1) - pixels.amin(1)).amax()) < _GREY_WITHIN
    if style_mask is None and len(styles) == 2 and is_grey:
        white = _resized(pixels[:, :1], size)
        masks = torch.cat([1 - white, white], dim=1)
        _refuse_empty(masks, file, ["black", "white"], "content_mask")
        return masks, _whole_styles(styles)
    colours = palette(pixels, file)
    if not _is_drawn(pixels):
        notes.append(f"{file} is no map of flat colours; regions are what is near its commonest")
    masks = _resized(assign(pixels, colours), size)
    levels = (colours * 255).round().int().tolist()
    names = ["#" + bytes(colour).hex() for colour in levels]
    if style_mask is None:
        if len(colours) != len(styles):
            raise InputError(
                f"data.content_mask: {file} has {len(colours)} regions ({', '.join(names)}) for "
                f"{len(styles)} styles; give one style a region, or masks of the styles "
                "(data.style_mask)"
            )
        notes.extend(f"region {name}: style {i}" for i, name in enumerate(names, start=1))
        return masks, _whole_styles(styles)
    if len(style_mask) != len(styles):
        raise InputError(
            f"data.style_mask: {len(style_mask)} masks for {len(styles)} styles; give one for each"
        )
    of_styles = []
    for map_file, style in zip(style_mask, styles, strict=True):
        if map_file is None:
            raise InputError(
                "data.style_mask: with a map of colours for the content every style needs a map"
            )
        read = _read(map_file, "style_mask", style, notes)
        of_style = assign(read, colours, _SAME_COLOUR_WITHIN)
        of_styles.append(_resized(of_style, style.pixels.shape[-2:]))
    for region, name in enumerate(names):
        if not any(bool(m[:, region].mean() > _MINIMUM_SHARE / 2) for m in of_styles):
            raise InputError(
                f"data.style_mask: no style has a region {name}, which {file} has; paint it into "
                "one of the styles' masks"
            )
    return masks, of_styles


def _whole_styles(styles: Sequence[LoadedImage]) -> list[Tensor]:
    """Return the masks of one region a style, which is all of it."""
    regions = torch.eye(len(styles))[..., None, None]
    return [
        region.repeat(1, 1, *style.pixels.shape[-2:])  # (R, 1, 1) -> (1, R, h, w)
        for region, style in zip(regions, styles, strict=True)
    ]


def _read(
    file: str, role: str, picture: LoadedImage, notes: list[str], grey: bool = False
) -> Tensor:
    mask = load_image(file, None, role=role)
    (width, height), (wide, high) = mask.original_size, picture.original_size
    off = abs(width * high / (height * wide) - 1)
    if off > _SHAPE_TOLERANCE + 1 / min(width, height, wide, high):
        raise InputError(
            f"data.{role}: {mask.name} is {width}x{height} but its picture is {wide}x{high}; a "
            "mask must have its picture's shape"
        )
    notes += [note for note in mask.notes if note not in notes]
    if mask.alpha is None:
        return mask.pixels
    # White on a transparent ground; or a photograph whose transparency is the mask.
    if _is_in_alpha(mask.pixels, mask.alpha, grey):
        notes.append(f"{mask.name}: its transparency is taken for the mask, not its colours")
        return mask.alpha.expand_as(mask.pixels)
    notes.append(f"{mask.name}: its colours are the mask; what is transparent counts as black")
    return mask.pixels * mask.alpha


def _is_in_alpha(pixels: Tensor, alpha: Tensor, grey: bool) -> bool:
    """Tell whether a mask is drawn in its transparency: by what can be seen of its colours.

    Those of a photograph, and one colour all over, are no mask; in a map a colour is a region.
    """
    seen = pixels[0].flatten(1).T[alpha.flatten() > 0.5]  # (H·W, 3)
    if not len(seen):
        return True
    middle = seen.median(0).values
    if float(((seen - middle).norm(dim=1) <= _SAME_COLOUR_WITHIN).float().mean()) >= 0.99:
        coloured = float(middle.amax() - middle.amin()) >= _GREY_WITHIN
        return grey or not coloured or float(middle.norm()) <= _SAME_COLOUR_WITHIN
    is_grey = float((seen.amax(1) - seen.amin(1) < _GREY_WITHIN).float().mean()) >= 0.99
    bins = (seen * 63).round().long() @ torch.tensor([4096, 64, 1])
    common = torch.bincount(bins).sort(descending=True).values
    most = _MAXIMUM_COLOURS // 2 if is_grey else _MAXIMUM_COLOURS
    return float(common[:most].sum()) <= _DRAWN * len(seen)


def _is_drawn(pixels: Tensor) -> bool:
    """Tell a mask, grey or of a few flat colours, from a photograph."""
    seen = pixels[0].flatten(1).T  # (H·W, 3)
    if float((seen.amax(1) - seen.amin(1) < _GREY_WITHIN).float().mean()) >= 0.99:
        return True
    bins = (seen * 7).round().long() @ torch.tensor([64, 8, 1])
    common = torch.unique(bins, return_counts=True)[1].sort(descending=True).values
    return float(common[:_MAXIMUM_COLOURS].sum()) > _DRAWN * len(seen)


def _grey(file: str, role: str, picture: LoadedImage, notes: list[str]) -> Tensor:
    grey = _read(file, role, picture, notes, grey=True).mean(1, keepdim=True)
    mask = _resized(grey, picture.pixels.shape[-2:])
    _refuse_empty(mask, file, ["white"], role)
    return mask


def _refuse_empty(masks: Tensor, file: str, names: Sequence[str], role: str) -> None:
    for most, name in zip(masks.amax((0, 2, 3)).tolist(), names, strict=True):
        if most < 0.5:
            raise InputError(f"data.{role}: {file} has no {name} part; a region is missing")


def _resized(mask: Tensor, size: torch.Size) -> Tensor:
    if mask.shape[-2:] == size:
        return mask
    return F.interpolate(mask, size=size, mode="bilinear", antialias=True).clamp(0, 1)


def palette(pixels: Tensor, name: str) -> Tensor:
    """Return the flat colours of a map, ``(1, 3, H, W)`` -> ``(R, 3)``, from dark to bright.

    Colours between two regions, of smoothed edges or a JPEG, are few or near a flat one and do not
    count.

    Raises:
        InputError: If there are fewer than 2 or more than 16.
    """
    flat = pixels[0].flatten(1).T[_is_flat(pixels)]
    bins = (flat * 31).round().long() @ torch.tensor([1024, 32, 1])
    _, inverse, counts = torch.unique(bins, return_inverse=True, return_counts=True)
    found: list[Tensor] = []
    for index in counts.argsort(descending=True).tolist():
        if counts[index] < _MINIMUM_SHARE * len(flat):
            break
        colour = flat[inverse == index].mean(0)
        if all(float((colour - other).norm()) > _SAME_COLOUR_WITHIN for other in found):
            found.append(colour)
        if len(found) > _MAXIMUM_COLOURS:
            raise InputError(
                f"data.content_mask: {name} has more than {_MAXIMUM_COLOURS} colours; paint every "
                "region in one flat colour"
            )
    if len(found) < 2:
        raise InputError(
            f"data.content_mask: {name} has one colour only; paint every region in a colour of its "
            "own"
        )
    return torch.stack(sorted(found, key=_brightness))


def _brightness(colour: Tensor) -> tuple[float, ...]:
    """Return the luma of Rec. 709, rounded: a mask's compression is not to decide; then the RGB."""
    red, green, blue = (round(float(value), 2) for value in colour)
    return round(0.2126 * red + 0.7152 * green + 0.0722 * blue, 2), red, green, blue


def _is_flat(pixels: Tensor) -> Tensor:
    """Return where a picture does not change from pixel to pixel: ``(H·W,)``; all if nowhere."""
    padded = F.pad(pixels, (0, 1, 0, 1), mode="replicate")
    across = (padded[..., :-1, 1:] - pixels).abs().amax(1)
    down = (padded[..., 1:, :-1] - pixels).abs().amax(1)
    flat = (torch.maximum(across, down)[0] < _FLAT_CHANGE).flatten()
    return flat if bool(flat.any()) else torch.ones_like(flat)


def assign(pixels: Tensor, colours: Tensor, within: float | None = None) -> Tensor:
    """Return masks ``(1, R, H, W)``, 1 where of the ``(R, 3)`` colours theirs is the nearest.

    A pixel whose distance to every colour is larger than ``within`` belongs to none.
    """
    distances = torch.stack([(pixels - c.view(1, 3, 1, 1)).square().sum(1) for c in colours], dim=1)
    nearest = distances.argmin(1, keepdim=True)
    masks = torch.zeros_like(distances).scatter_(1, nearest, 1.0)
    return masks if within is None else masks * (distances <= within**2)


def blur(masks: Tensor, radius: float) -> Tensor:
    """Soften masks ``(1, R, H, W)`` by a Gaussian; the radius, in pixels, is its deviation."""
    reach = max(1, round(3 * radius))
    places = torch.arange(-reach, reach + 1, dtype=masks.dtype)
    kernel = torch.exp(-(places**2) / (2 * max(radius, 1e-3) ** 2))
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    planes = masks.transpose(0, 1)
    planes = F.conv2d(F.pad(planes, (reach, reach, 0, 0), mode="replicate"), kernel)
    planes = F.conv2d(F.pad(planes, (0, 0, reach, reach), mode="replicate"), kernel.mT)
    return planes.transpose(0, 1)
