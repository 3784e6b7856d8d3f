"""Each recipe's objective and gradient against its system's own, on real pictures."""

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor

from nst_lightning.session import Session

from .conftest import NAMES, ONE_SCALE, Build
from .originals import ORIGINALS, Caffe, Parts
from .originals_of_matches import ORIGINALS_OF_MATCHES

ALL = ORIGINALS | ORIGINALS_OF_MATCHES

RELATIVE = 1e-4
LESS_EXACT = {"sliced_wasserstein": 2e-3}  # places that are nearly equal may come in another order
SIZE = 64


@pytest.fixture(scope="session")
def caffe() -> Caffe:
    return Caffe()


def pictures(session: Session) -> tuple[Tensor, Tensor, Tensor]:
    """Return a picture on the way from content to style, the content and the style."""
    session.pair.setup("fit")
    content, style = session.pair.content.double(), session.pair.styles[0].double()
    return between(content, style), content, style


def between(content: Tensor, style: Tensor) -> Tensor:
    resized = torch.nn.functional.interpolate(style, content.shape[-2:], mode="bilinear")
    noise = torch.randn(content.shape, generator=torch.Generator().manual_seed(1)).double()
    return (0.6 * content + 0.4 * resized + 0.02 * noise).clamp(0, 1)


def ours(session: Session, x: Tensor, content: Tensor, style: Tensor) -> Parts:
    objective = session.model.objective.to(x.dtype)
    objective.set_targets(content, [style], [1.0])
    parts: Parts = objective.losses(x)
    assert float(parts.pop("loss").detach()) == pytest.approx(
        sum(float(part.detach()) for part in parts.values())
    )
    return {name.removesuffix("_loss"): part for name, part in parts.items()}


def check(part: Tensor, x: Tensor, expected: Tensor, y: Tensor, relative: float = RELATIVE) -> None:
    """Compare a term in ``x`` and its gradient with another in ``y``."""
    assert float(part.detach()) == pytest.approx(float(expected.detach()), rel=relative)
    (gradient,) = torch.autograd.grad(part, x, retain_graph=True)
    (expected_gradient,) = torch.autograd.grad(expected, y, retain_graph=True)
    distance = (gradient - expected_gradient).norm() / expected_gradient.norm()
    assert float(distance) < relative


def test_every_recipe_has_an_original() -> None:
    # pastiche's is the package itself, see below.
    assert sorted([*ALL, "pastiche"]) == NAMES


@pytest.mark.parametrize("name", ALL)
def test_objective_is_the_original(
    name: str, build: Build, real_pair: tuple[str, str], caffe: Caffe
) -> None:
    arguments = ["--data.content", real_pair[0], "--data.style", real_pair[1]]
    session = build(name, *arguments, "--data.size", str(SIZE), *ONE_SCALE.get(name, []))
    picture, content, style = pictures(session)
    x, y = (picture.clone().requires_grad_() for _ in range(2))

    parts = ours(session, x, content, style)

    # Term by term: one may be a millionth of another, and a wrong weight would hide in the sum.
    expected = ALL[name](caffe, y, content, style)
    assert set(parts) == set(expected)
    for term, part in parts.items():
        check(part, x, expected[term], y, LESS_EXACT.get(name, RELATIVE))


@pytest.fixture(scope="session")
def artist(real_pair: tuple[str, str]) -> Any:
    """pastiche's own object: its loader, sizes, network and objective. It takes about 12 s."""
    from pastiche.pastiche import PasticheArtist

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        return PasticheArtist(real_pair[0], [real_pair[1]], size_pixels=SIZE**2, device="cpu")


@pytest.mark.filterwarnings("ignore:Image.Image.getdata:DeprecationWarning")
def test_objective_is_pastiches_own(artist: Any, build: Build, real_pair: tuple[str, str]) -> None:
    from pastiche.pastiche import load_image

    arguments = ["--data.content", real_pair[0], "--data.style", real_pair[1]]
    session = build("pastiche", *arguments, "--data.size", str(SIZE))
    sizes = [artist.content_size, *artist.style_sizes]
    for sized, size in zip(pictures(session)[1:], sizes, strict=True):
        # The same rule; pastiche rounds the height first, we the long side.
        assert list(sized.shape[-2:]) == pytest.approx(size, abs=1)
    mean = torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1)
    content, style = (
        ((load_image(file, size=size) + mean).flip(1) / 255).double()
        for file, size in zip(real_pair, sizes, strict=True)
    )
    x, y = (between(content, style).requires_grad_() for _ in range(2))

    parts = ours(session, x, content, style)

    artist.pastiche = (y.flip(1) * 255 - mean).float()
    for term, part in (("content", parts["content"]), ("style", parts["style"]), ("", None)):
        artist.content_weight = 0.0 if term == "style" else 1.0
        artist.style_weights = [0.0] if term == "content" else []
        own = artist._calc_loss()
        check(parts["content"] + parts["style"] if part is None else part, x, own, y)
