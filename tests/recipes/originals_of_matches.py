"""What systems of matched features minimise, with the departures that our recipes state."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .originals import Caffe, Objective, Parts, imagenet, total, wasserstein

Size = tuple[int, int]

VGG16_LAYERS = [
    *("relu1_1", "relu1_2", "relu2_1", "relu2_2", "relu3_1"),
    *("relu3_2", "relu3_3", "relu4_1", "relu4_2", "relu4_3"),
]


def hypercolumns(features: dict[str, Tensor], layers: list[str], size: Size) -> list[Tensor]:
    """Each layer's places ``(P, C)`` on one grid."""
    columns = []
    for layer in layers:
        f = features[layer]
        larger = f.shape[2] * f.shape[3] > size[0] * size[1]
        f = (
            F.adaptive_avg_pool2d(f, size)
            if larger
            else F.interpolate(f, size, mode="bilinear", align_corners=False)
        )
        columns.append(f[0].reshape(f.shape[1], -1).T)
    return columns


def cosines(a: Tensor, b: Tensor) -> Tensor:
    a, b = a - a.mean(0), b - b.mean(0)
    return (a / a.norm(dim=1, keepdim=True)) @ (b / b.norm(dim=1, keepdim=True)).T


def cosine_distance(a: Tensor, b: Tensor) -> Tensor:
    """Of rows in units of the style's root mean square; dark ones count less."""
    product = (a * b).sum(1)
    return (1 - product / (((a**2).sum(1) + 0.01) * ((b**2).sum(1) + 0.01)).sqrt()).mean()


def by_layers(seen: list[Tensor], wanted: list[Tensor]) -> Tensor:
    """Cosine distances, each layer counting by its channels."""
    width = sum(layer.shape[1] for layer in seen)
    return total(
        a.shape[1] / width * cosine_distance(a, b) for a, b in zip(seen, wanted, strict=True)
    )


def matched(
    net: Caffe,
    pictures: tuple[Tensor, Tensor],
    styles: list[Tensor],
    layers: list[str],
    grid: str,
) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Hypercolumns of picture, content and styles, in units of the styles' root mean squares."""
    picture, content, *others = (imagenet(net, p, layers) for p in (*pictures, *styles))
    sizes = [f[grid].shape[2:] for f in (picture, content, *others)]
    seen, kept, *there = (
        hypercolumns(f, layers, size)
        for f, size in zip((picture, content, *others), sizes, strict=True)
    )
    joined = [torch.cat(parts) for parts in zip(*there, strict=True)]
    scales = [(layer**2).mean().sqrt() for layer in joined]
    return tuple(
        [layer / scale for layer, scale in zip(some, scales, strict=True)]
        for some in (seen, kept, joined)
    )


def nnst(net: Caffe, x: Tensor, content: Tensor, style: Tensor) -> Parts:
    """Of a first match, which is that of the content; with the recipe's own departures."""
    turned = [torch.rot90(style, turns, (2, 3)) for turns in range(4)]
    seen, kept, there = matched(net, (x, content), turned, VGG16_LAYERS, "relu3_1")
    match = cosines(torch.cat(kept, 1), torch.cat(there, 1)).argmax(1)
    raw = imagenet(net, x, VGG16_LAYERS)
    size = raw["relu3_1"].shape[2:]
    laid_out = hypercolumns(raw, VGG16_LAYERS, size)
    parts = []
    for name, on_grid, a, b in zip(VGG16_LAYERS, laid_out, seen, there, strict=True):
        wanted = b[match] / ((b[match] ** 2).sum(1, keepdim=True) + 0.01).sqrt()
        own, channels = raw[name], a.shape[1]
        if own.shape[2] * own.shape[3] < size[0] * size[1]:
            scale = (on_grid / a).nanmedian().detach()
            a = own[0].reshape(channels, -1).T / scale
            field = wanted.T.reshape(1, channels, *size)
            wanted = F.adaptive_avg_pool2d(field, own.shape[2:])[0].reshape(channels, -1).T
        cosine = (a * wanted).sum(1) / ((a**2).sum(1) + 0.01).sqrt()
        parts.append(channels * (1 - cosine).mean())
    return {"style": total(parts) / sum(layer.shape[1] for layer in seen)}


def strotss(net: Caffe, x: Tensor, content: Tensor, style: Tensor) -> Parts:
    """At the last scale; with the recipe's own departures."""
    layers = [*VGG16_LAYERS[:7], "relu4_3", "relu5_3"]
    seen, kept, there = matched(net, (x, content), [style], layers, "relu4_3")
    similar = cosines(torch.cat(kept, 1), torch.cat(there, 1))
    forth = by_layers(seen, [layer[similar.argmax(1)] for layer in there])
    back = by_layers([layer[similar.argmax(0)] for layer in seen], there)

    def relations(picture: Tensor) -> Tensor:
        features = imagenet(net, picture, layers)
        height, width = picture.shape[2:]
        shrink = min(1.0, (1024 / (height * width)) ** 0.5)
        size = int(height * shrink), int(width * shrink)
        columns = torch.cat(hypercolumns(features, layers, size), 1)
        squares = (columns**2).sum(1)
        columns = columns / (squares + 1e-4 * squares.mean()).sqrt()[:, None]
        distances = 1 - columns @ columns.T
        return distances / distances.sum(0)

    a, b = relations(x), relations(content)
    four = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
    of_x, of_style = (imagenet(net, picture, four) for picture in (x, style))
    apart = [wasserstein(of_x[layer], of_style[layer]) for layer in four]
    return {
        "content": 2 / 4 * len(a) * (a - b).abs().mean(),
        "style": 1 / 4 * (forth + back),
        "moments": 1 / 4 * total(apart),
        "palette": 1 / 2 / 4 * apart[0],
    }


ORIGINALS_OF_MATCHES: dict[str, Objective] = {"nnst": nnst, "strotss": strotss}
