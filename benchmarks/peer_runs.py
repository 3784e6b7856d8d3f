"""One timed run of one system on one objective: a process of its own, called by against_peers.py.

Reads a request (JSON, first argument), writes ``[evaluations, seconds, loss of the displayed
picture]`` rows to the file it names. The clock runs while a system works and stands still while its
picture is scored; loading the network and the targets is in nobody's time.
"""

import functools
import json
import operator
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

Row = tuple[int, float, float]


class Stopwatch:
    """Counts only the seconds between :meth:`go` and :meth:`halt`."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._since = 0.0

    def go(self) -> None:
        """Let the clock run."""
        self._since = time.perf_counter()

    def halt(self) -> float:
        """Stop the clock and return the seconds so far."""
        self.seconds += time.perf_counter() - self._since
        return self.seconds


def tutorial(request: dict[str, Any]) -> list[Row]:
    """PyTorch's tutorial "Neural Transfer": its modules, its loop, its clamp in the closure."""
    content, style = pixels(request["content"]), pixels(request["style"])
    model, content_losses, style_losses = tutorial_model(content, style)
    image = content.clone().requires_grad_(True)
    optimizer = torch.optim.LBFGS([image])
    rows: list[Row] = []
    clock = Stopwatch()

    def closure() -> Tensor:
        with torch.no_grad():
            image.clamp_(0, 1)
        optimizer.zero_grad()
        model(image)
        loss = tutorial_loss(content_losses, style_losses)
        loss.backward()
        # The picture that this loss is of is clamped: it is the displayed one.
        rows.append((len(rows) + 1, clock.halt(), loss.item()))
        clock.go()
        return loss

    clock.go()
    while len(rows) < request["evaluations"]:
        optimizer.step(closure)
    del rows[request["evaluations"] :]
    with torch.no_grad():
        image.clamp_(0, 1)
        model(image)
        final = tutorial_loss(content_losses, style_losses).item()
    return [*rows, (len(rows), rows[-1][1], final)]


class _Normalization(nn.Module):
    mean: Tensor
    std: Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        return (image - self.mean) / self.std


class _ContentLoss(nn.Module):
    target: Tensor

    def __init__(self, target: Tensor) -> None:
        super().__init__()
        self.register_buffer("target", target.detach())

    def forward(self, features: Tensor) -> Tensor:
        self.loss = nn.functional.mse_loss(features, self.target)
        return features


class _StyleLoss(nn.Module):
    target: Tensor

    def __init__(self, target: Tensor) -> None:
        super().__init__()
        self.register_buffer("target", self.gram(target).detach())

    @staticmethod
    def gram(features: Tensor) -> Tensor:
        batch, channels, height, width = features.size()
        flat = features.view(batch * channels, height * width)
        return torch.mm(flat, flat.t()).div(batch * channels * height * width)

    def forward(self, features: Tensor) -> Tensor:
        self.loss = nn.functional.mse_loss(self.gram(features), self.target)
        return features


def tutorial_model(
    content: Tensor, style: Tensor
) -> tuple[nn.Sequential, list[_ContentLoss], list[_StyleLoss]]:
    """The tutorial's network: convolutions with loss modules in between, cut after the last."""
    from nst_lightning.weights import load_vgg19

    network = load_vgg19("bundled", depth=5)
    model = nn.Sequential(_Normalization(network.mean, network.std))
    content_losses: list[_ContentLoss] = []
    style_losses: list[_StyleLoss] = []
    for name, (weight, bias) in network.convolutions.items():
        if name.endswith("_1") and name != "conv1_1":
            model.append(nn.MaxPool2d(kernel_size=2, stride=2))
        layer = nn.Conv2d(weight.shape[1], weight.shape[0], kernel_size=3, padding=1)
        layer.weight.data, layer.bias.data = weight.clone(), bias.clone()  # type: ignore[union-attr]
        model.append(layer)
        if name == "conv2_2":
            content_losses.append(_ContentLoss(model(content)))
            model.append(content_losses[-1])
        style_losses.append(_StyleLoss(model(style)))
        model.append(style_losses[-1])
        model.append(nn.ReLU(inplace=False))
    model.eval()
    model.requires_grad_(False)
    return model[:-1], content_losses, style_losses


def tutorial_loss(content: Sequence[_ContentLoss], style: Sequence[_StyleLoss]) -> Tensor:
    """Return what the tutorial minimises, of what went through its network last."""
    style_score = functools.reduce(operator.add, (term.loss for term in style)) * 1_000_000
    content_score = functools.reduce(operator.add, (term.loss for term in content)) * 10
    loss: Tensor = style_score + content_score
    return loss


def pastiche(request: dict[str, Any]) -> list[Row]:
    """The package's own class and defaults; the picture as its ``save_image`` would show it."""
    from pastiche.pastiche import VGG_MEAN, PasticheArtist
    from PIL import Image

    # Both files have the wanted sizes already: its own resizing has nothing to do.
    sizes = []
    for name in ("content", "style"):
        with Image.open(request[name]) as picture:
            sizes.append([picture.height, picture.width])
    artist = PasticheArtist(
        request["content"], [request["style"]], size=sizes[0], style_size=sizes[1], device="cpu"
    )
    mean = torch.tensor(VGG_MEAN).view(1, 3, 1, 1)

    def displayed() -> float:
        with torch.no_grad():
            kept = artist.pastiche.data
            artist.pastiche.data = (kept + mean).clamp(0, 255) - mean
            loss = float(artist._calc_loss())
            artist.pastiche.data = kept
        return loss

    rows: list[Row] = [(0, 0.0, displayed())]
    clock = Stopwatch()
    for step in range(1, request["evaluations"] + 1):
        clock.go()
        artist.draw()
        seconds = clock.halt()
        if step % 5 == 0 or step == request["evaluations"]:
            rows.append((step, seconds, displayed()))
    return rows


def adam(request: dict[str, Any]) -> list[Row]:
    """Adam as in crowsonkb's style_transfer.py, on one scale: clamp each step, show the average."""
    from nst_lightning import VGG19Encoder
    from nst_lightning.losses import (
        ContentLoss,
        LossTerm,
        Reference,
        TotalVariationLoss,
        WassersteinLoss,
    )

    content, style = pixels(request["content"]), pixels(request["style"])
    weights = [value / 341 for value in (256, 64, 16, 4, 1)]
    terms: list[LossTerm] = [
        ContentLoss(0.015, ["relu4_2"], reduction="scaled"),
        WassersteinLoss(1.0, STD5, weights),
        TotalVariationLoss(2.0, "nine_point", "mean"),
    ]
    encoder = VGG19Encoder(
        [*STD5, "relu4_2"], padding="replicate", padding_layers="first", channels_last=False
    )
    with torch.no_grad():
        target, styles = Reference(content, encoder(content)), [Reference(style, encoder(style))]
    for term in terms:
        term.set_targets(target, styles)

    def objective(picture: Tensor) -> Tensor:
        features = encoder(picture)
        return torch.stack([term.weight * term(picture, features) for term in terms]).sum()

    image = content.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([image], lr=0.02, betas=(0.9, 0.99))
    average = torch.zeros_like(content)
    with torch.no_grad():
        rows: list[Row] = [(0, 0.0, objective(content).item())]
    clock = Stopwatch()
    for step in range(1, request["evaluations"] + 1):
        clock.go()
        loss = objective(image)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            image.clamp_(0, 1)
            average.lerp_(image.detach(), 0.01)
        seconds = clock.halt()
        if step % 10 == 0 or step == request["evaluations"]:
            with torch.no_grad():
                shown = (average / (1 - 0.99**step)).clamp(0, 1)
                rows.append((step, seconds, objective(shown).item()))
    return rows


STD5 = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]


def ours(request: dict[str, Any]) -> list[Row]:
    """This framework through its own ``stylize``, until the goal or the last evaluation."""
    from lightning.pytorch import Callback
    from PIL import Image

    from nst_lightning import stylize

    rows: list[Row] = []
    clock = Stopwatch()

    class Watch(Callback):
        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            rows.append((0, 0.0, self.score(pl_module)))
            clock.go()

        def on_train_batch_end(self, trainer: Any, pl_module: Any, *args: Any) -> None:
            seconds = clock.halt()
            optimizer = trainer.optimizers[0]
            rows.append((optimizer.evaluations, seconds, self.score(pl_module)))
            done = optimizer.evaluations >= request["evaluations"]
            trainer.should_stop = done or rows[-1][2] <= request["goal"]
            clock.go()

        @staticmethod
        @torch.no_grad()
        def score(module: Any) -> float:
            return float(module.losses(module.picture())["loss"])  # without a gradient: float32

    with Image.open(request["content"]) as content:
        size = max(content.size)
    picture = stylize(
        request["content"],
        request["style"],
        config=[f"recipes/{request['recipe']}.yaml", "overlays/bounded_lbfgs.yaml"],
        settings={"data.size_rule": "long", "data.scales": None},
        size=size,
        steps=request["evaluations"],
        callbacks=[Watch()],
        progress=False,
    )
    picture.save(request["picture"])
    return rows


def pixels(path: str) -> Tensor:
    """Read a picture of the right size already: (1, 3, H, W) in [0, 1]."""
    from nst_lightning.data.images import load_image

    return load_image(path).pixels


SYSTEMS: dict[str, Callable[[dict[str, Any]], list[Row]]] = {
    "tutorial": tutorial,
    "pastiche": pastiche,
    "adam": adam,
    "ours": ours,
}


def main() -> None:
    """Do what the request says."""
    request = json.loads(sys.argv[1])
    rows = SYSTEMS[request["system"]](request)
    Path(request["rows"]).write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
