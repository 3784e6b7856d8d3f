"""The measures that torchmetrics lacks, or has too slow, as pure functions.

Pictures have the shape (N, 3, H, W) and values in [0, 1]; every measure returns one value a
picture, shape (N,), in the precision of its input.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from nst_lightning.losses.sliced_wasserstein import ascending, wasserstein_1d
from nst_lightning.metrics.pictures import check_side

_SSIM_SIGMA = 1.5
_SSIM_RADIUS = 5
_SSIM_WINDOW = 2 * _SSIM_RADIUS + 1

_MS_SSIM_EXPONENTS: tuple[float, ...] = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def _gaussian_window_means(values: Tensor) -> Tensor:
    """Means over every whole 11x11 Gaussian window: (..., H, W) -> (..., H - 10, W - 10).

    In place and one tap after the other: on a CPU more than twenty times as fast as a convolution
    in float64, which flat areas need (in float32 their variance, a small difference of large
    numbers, moves SSIM by more than 1e-4).
    """
    places = torch.arange(-_SSIM_RADIUS, _SSIM_RADIUS + 1, dtype=torch.float64)
    taps = torch.exp(-0.5 * (places / _SSIM_SIGMA) ** 2)
    first, *others = (taps / taps.sum()).tolist()
    for dim in (-1, -2):
        length = values.shape[dim] - 2 * _SSIM_RADIUS
        means = values.narrow(dim, 0, length) * first
        for start, tap in enumerate(others, start=1):
            means.add_(values.narrow(dim, start, length), alpha=tap)
        values = means
    return values


def _ssim_terms(picture: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """SSIM's factors at every window: luminance, and contrast with structure."""
    c1, c2 = 0.01**2, 0.03**2
    both = torch.stack([picture, reference])
    mean_x, mean_y = _gaussian_window_means(both)
    square_x, square_y = _gaussian_window_means(both.square())
    covariance = _gaussian_window_means(picture * reference) - mean_x * mean_y
    variance_x = (square_x - mean_x.square()).clamp(min=0)
    variance_y = (square_y - mean_y.square()).clamp(min=0)
    luminance = (2 * mean_x * mean_y + c1) / (mean_x.square() + mean_y.square() + c1)
    return luminance, (2 * covariance + c2) / (variance_x + variance_y + c2)


def structural_similarity(picture: Tensor, reference: Tensor) -> Tensor:
    """Mean structural similarity (SSIM) of Wang et al., 2004, over pixels and channels.

    Gaussian window with σ 1.5 cut at 11 pixels, biased covariance, K1 0.01, K2 0.03, data range 1.
    Only whole windows count, as in the paper and in ``skimage.metrics.structural_similarity(
    gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1)``. torchmetrics
    continues the picture by reflection and counts the windows at its border too, which gives a
    slightly different number.

    Returns:
        Shape (N,), from -1 to 1; 1 for equal pictures.

    Raises:
        InputError: If a side is shorter than 11 pixels.
    """
    check_side(picture, _SSIM_WINDOW, "SSIM")
    luminance, contrast = _ssim_terms(picture, reference)
    return (luminance * contrast).mean(dim=(1, 2, 3))


def ms_ssim_scales(height: int, width: int) -> int:
    """Number of scales that MS-SSIM uses for a picture of this size: 5 from 176 pixels on.

    Below that (the shorter side counts) a window does not fit into the coarsest scales, and they
    are left out: 4 scales from 88 pixels, 3 from 44, 2 from 22, 1 from 11, none under 11.
    """
    side, scales = min(height, width), 0
    while side >= _SSIM_WINDOW and scales < len(_MS_SSIM_EXPONENTS):
        side, scales = side // 2, scales + 1
    return scales


def multiscale_structural_similarity(picture: Tensor, reference: Tensor) -> Tensor:
    """Multi-scale SSIM of Wang, Simoncelli & Bovik, 2003, with the conventions of torchmetrics.

    Those are: negative values count as 0, and at the coarsest scale, whose SSIM is the last factor,
    the picture is continued by reflection.

    Pictures under 176 pixels a side use fewer scales (:func:`ms_ssim_scales`): the finest ones,
    their exponents divided by their sum. Values from different numbers of scales do not compare.

    Returns:
        Shape (N,), from 0 to 1; 1 for equal pictures.

    Raises:
        InputError: If a side is shorter than 11 pixels.
    """
    check_side(picture, _SSIM_WINDOW, "MS-SSIM")
    exponents = _MS_SSIM_EXPONENTS[: ms_ssim_scales(*picture.shape[-2:])]
    if len(exponents) < len(_MS_SSIM_EXPONENTS):
        exponents = tuple(exponent / sum(exponents) for exponent in exponents)
    result = torch.ones_like(picture[:, 0, 0, 0])
    for exponent in exponents[:-1]:
        _, contrast = _ssim_terms(picture, reference)
        result = result * contrast.mean(dim=(1, 2, 3)).relu() ** exponent
        picture, reference = F.avg_pool2d(picture, 2), F.avg_pool2d(reference, 2)
    luminance, contrast = _ssim_terms(
        *(F.pad(image, (_SSIM_RADIUS,) * 4, mode="reflect") for image in (picture, reference))
    )
    return result * (luminance * contrast).mean(dim=(1, 2, 3)).relu() ** exponents[-1]


def relative_gram_distance(gram: Tensor, target: Tensor) -> Tensor:
    """‖G − T‖²_F / ‖T‖²_F: how far a Gram matrix is from a target, as a share of the target.

    The scale of the features and the number of channels cancel out. 0 for equal matrices, 1 for a
    black layer against any target; a target of zeros gives infinity unless the matrices are equal.
    Matrices are (N, C, C), the target also one for the whole batch.
    """
    error = (gram - target).square().sum(dim=(-2, -1))
    norm = target.square().sum(dim=(-2, -1))
    # 0/0 means "equal", not "unknown".
    return torch.where(error == 0, torch.zeros_like(error), error / norm)


def deltas(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Differences of neighbouring pixels, the report's measure of high-frequency artefacts.

    ``high_pass_x_y`` of the TensorFlow tutorial. "Horizontal" means here that the two pixels lie
    side by side; the tutorial (and the report's figure 8) titles the pictures by the edges that
    show in them, the other way round. Shapes are (N, 3, H, W - 1) and (N, 3, H - 1, W).
    """
    return picture[..., 1:] - picture[..., :-1], picture[..., 1:, :] - picture[..., :-1, :]


def delta_pictures(picture: Tensor) -> tuple[Tensor, Tensor]:
    """The deltas as pictures to look at: clip(2·delta + ½), grey where nothing changes."""
    horizontal, vertical = deltas(picture)
    return (2 * horizontal + 0.5).clamp(0, 1), (2 * vertical + 0.5).clamp(0, 1)


def mean_absolute_deltas(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Mean |delta| over pixels and channels, horizontal and vertical; 0 where there are none."""
    horizontal, vertical = (
        d.abs().sum(dim=(1, 2, 3)) / max(1, d[0].numel()) for d in deltas(picture)
    )
    return horizontal, vertical


def colour_directions() -> Tensor:
    """The 13 axes of symmetry of the RGB cube as unit vectors, shape (13, 3).

    R, G and B; the six diagonals of the faces; the four of the body, of which one is lightness.
    """
    axes = [
        (1, 0, 0), (0, 1, 0), (0, 0, 1),
        (1, 1, 0), (1, 0, 1), (0, 1, 1), (1, -1, 0), (1, 0, -1), (0, 1, -1),
        (1, 1, 1), (1, 1, -1), (1, -1, 1), (-1, 1, 1),
    ]  # fmt: skip
    return F.normalize(torch.tensor(axes, dtype=torch.float64), dim=1)


def colour_distance(picture: Tensor, reference: Tensor) -> Tensor:
    """Distance of two pictures' colour histograms, wherever in the picture the colours lie.

    Sliced Wasserstein-1 distance (Rabin et al., 2011) of the two clouds of RGB points: the mean,
    over the 13 fixed directions of :func:`colour_directions`, of the Wasserstein-1 distance of the
    projections. No bins; the sizes may differ. In units of the pixel values: 0 for the same colours
    in the same amounts, 0.82 for black against white.
    """
    directions = colour_directions().to(picture)
    a, b = picture.flatten(2), reference.flatten(2).expand(picture.shape[0], -1, -1)
    # One direction after the other: thirteen copies of a large picture would not fit.
    return torch.stack(
        [
            wasserstein_1d(ascending(torch.matmul(d, a)), ascending(torch.matmul(d, b)))
            for d in directions
        ]
    ).mean(dim=0)
