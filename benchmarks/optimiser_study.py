"""How many evaluations of the loss do variants of the optimiser need?

Runs the PyTorch tutorial's loop (torch's L-BFGS, picture clamped inside the closure), or pastiche's
(no clamp; the loss of the displayed, clamped picture counts), and then variants of BoundedLBFGS on
the same objective until they reach the peer's best loss. Counts evaluations, not seconds, so that a
busy machine does not matter. Writes one CSV per run, a summary and a plot per pair; runs that are
on the disk already are not repeated.

    python benchmarks/optimiser_study.py --content a.jpg b.jpg --style c.jpg d.jpg --out DIR

The pairs are content 1 with style 1, content 2 with style 2, and so on.
"""

import argparse
import csv
import math
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import Tensor
from torch.optim import LBFGS

from nst_lightning.data.images import load_image
from nst_lightning.data.resizing import resize_to
from nst_lightning.encoder import VGG19Encoder
from nst_lightning.losses import ContentLoss, GramLoss
from nst_lightning.losses.reference import Reference
from nst_lightning.losses.term import LossTerm
from nst_lightning.optim import BoundedLBFGS, FixedFourier, SecantFourier

STD5 = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]
SCALE = 255 * 0.226  # activations of a 0-255 network over ours
Log = list[tuple[int, float]]  # (evaluations so far, loss of the displayed picture)

VARIANTS: dict[str, Callable[[Tensor], BoundedLBFGS]] = {
    "default": lambda x: BoundedLBFGS([x]),
    "identity": lambda x: BoundedLBFGS([x], preconditioner=None),
    "fixed": lambda x: BoundedLBFGS([x], preconditioner=FixedFourier()),
    "rings only": lambda x: BoundedLBFGS([x], preconditioner=SecantFourier(window=None)),
    "window 6": lambda x: BoundedLBFGS([x], preconditioner=SecantFourier(window=6)),
    "32 rings": lambda x: BoundedLBFGS([x], preconditioner=SecantFourier(rings=32)),
    "20 pairs": lambda x: BoundedLBFGS([x], preconditioner=SecantFourier(pairs=20)),
    "fit 3, every 4": lambda x: BoundedLBFGS(
        [x], preconditioner=SecantFourier(first_fit=3, fit_every=4)
    ),
    "history 10": lambda x: BoundedLBFGS([x], history=10),
    "history 40": lambda x: BoundedLBFGS([x], history=40),
    "first step 0.2": lambda x: BoundedLBFGS([x], first_step=0.2),
}


class Objective:
    """A recipe's loss of a picture."""

    def __init__(self, recipe: str, content: Path, style: Path, size: int) -> None:
        self.content = load_image(content, size).pixels
        height, width = self.content.shape[-2:]
        if recipe == "pytorch_tutorial":
            styled = resize_to(load_image(style, role="style").pixels, (height, width))
            layers = ["conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1"]
            self.terms: list[LossTerm] = [
                ContentLoss(10.0, ["conv2_2"]),
                GramLoss(1e6, layers, divisor="chw"),
            ]
        else:
            # As many pixels as the content; its weights brought to our scale of activations.
            def same_area(style_width: int, style_height: int) -> int:
                ratio = style_width / style_height
                return round(math.sqrt(height * width * max(ratio, 1 / ratio)))

            styled = load_image(style, same_area, role="style").pixels
            weights = [1 / channels**2 for channels in (64, 128, 256, 512, 512)]
            self.terms = [
                ContentLoss(0.01 * SCALE**2, ["relu4_2"]),
                GramLoss(10 * SCALE**4, STD5, weights, divisor="hw"),
            ]
        self.encoder = VGG19Encoder([tap for term in self.terms for tap in term.layers])
        with torch.no_grad():
            target = Reference(self.content, self.encoder(self.content))
            styles = [Reference(styled, self.encoder(styled))]
            for term in self.terms:
                term.set_targets(target, styles)

    def __call__(self, image: Tensor) -> Tensor:
        """Return the loss of a picture in [0, 1]."""
        features = self.encoder(image)
        return torch.stack([term.weight * term(image, features) for term in self.terms]).sum()


def run_tutorial(objective: Objective, evaluations: int) -> Log:
    """The PyTorch tutorial's loop; the last entry is the picture it hands over."""
    image = objective.content.clone().requires_grad_()
    optimizer = LBFGS([image])
    log: Log = []

    def closure() -> Tensor:
        with torch.no_grad():
            image.clamp_(0, 1)
        optimizer.zero_grad()
        loss = objective(image)
        loss.backward()
        log.append((len(log) + 1, loss.item()))
        return loss

    while len(log) < evaluations:
        optimizer.step(closure)
    with torch.no_grad():
        final = objective(image.clamp(0, 1)).item()
    return [*log[:evaluations], (evaluations, final)]


def run_pastiche(objective: Objective, evaluations: int) -> Log:
    """The loop of pastiche: values in 0-255, torch's L-BFGS, clamped only where displayed."""
    image = (objective.content * 255).requires_grad_()
    optimizer = LBFGS([image], max_iter=1)
    log: Log = []

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = objective(image / 255)
        loss.backward()
        return loss

    for step in range(1, evaluations + 1):
        optimizer.step(closure)
        if step % 10 == 0:
            with torch.no_grad():
                log.append((step, objective((image / 255).clamp(0, 1)).item()))
    return log


def run_variant(
    objective: Objective, build: Callable[[Tensor], BoundedLBFGS], most: int, goal: float
) -> Log:
    """A variant, until it reaches the goal."""
    image = objective.content.clone().requires_grad_()
    optimizer = build(image)
    log: Log = []

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = objective(image)
        loss.backward()
        return loss

    while optimizer.evaluations < most and not optimizer.converged:
        loss = optimizer.step(closure).item()
        log.append((optimizer.evaluations, loss))
        if loss <= goal:
            break
    return log


def kept(path: Path, run: Callable[[], Log]) -> Log:
    """Read a run's log, or run it and write its log."""
    if path.exists():
        with path.open(newline="") as handle:
            return [(int(k), float(loss)) for k, loss in list(csv.reader(handle))[1:]]
    log = run()
    write_csv(path, ["evaluations", "loss"], log)
    return log


def write_csv(path: Path, header: list[str], rows: Iterable[Iterable[object]]) -> None:
    temporary = path.with_suffix(".part")
    with temporary.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(header)
        writer.writerows(rows)
    temporary.replace(path)


def first_at(log: Log, goal: float) -> int | None:
    """Evaluations until the loss is at or below the goal."""
    return next((k for k, loss in log if loss <= goal), None)


def plot(path: Path, title: str, logs: dict[str, Log]) -> None:
    """Draw loss against evaluations."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 5))
    best = min(loss for log in logs.values() for _, loss in log)
    for name, log in logs.items():
        style = {"color": "black", "linewidth": 1} if name == "peer" else {"linewidth": 1.5}
        axes.plot(*zip(*log, strict=True), label=name, **style)
    axes.set(
        title=title, xlabel="evaluations", ylabel="loss of the displayed picture", yscale="log"
    )
    axes.set_ylim(best * 0.97, best * 10)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def ratio(peer: int | None, ours: int | None) -> float:
    return peer / ours if peer and ours else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--content", nargs="+", type=Path, required=True)
    parser.add_argument("--style", nargs="+", type=Path, required=True)
    parser.add_argument("--size", type=int, default=192)
    recipes = ["pytorch_tutorial", "pastiche"]
    parser.add_argument("--recipe", choices=recipes, default="pytorch_tutorial")
    parser.add_argument("--evaluations", type=int, default=None, help="of the peer: 300 or 200")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=["default", "identity"])
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    if len(args.content) != len(args.style):
        parser.error("give as many styles as contents")
    tutorial = args.recipe == "pytorch_tutorial"
    most = args.evaluations or (300 if tutorial else 200)
    args.out.mkdir(parents=True, exist_ok=True)

    rows: list[list[object]] = []
    ratios: dict[str, list[float]] = {}
    for content, style in zip(args.content, args.style, strict=True):
        pair = f"{content.stem}+{style.stem}"
        stem = f"{args.recipe}-{args.size}-{pair}"
        objective = Objective(args.recipe, content, style, args.size)
        loop = run_tutorial if tutorial else run_pastiche
        peer = kept(args.out / f"{stem}-peer.csv", lambda: loop(objective, most))  # noqa: B023
        finite = [(loss, k) for k, loss in peer if math.isfinite(loss)]
        best, best_at = min(finite)
        handed = peer[-1][1] if math.isfinite(peer[-1][1]) else math.inf
        logs = {"peer": peer}
        for name in args.variants:
            path = args.out / f"{stem}-{name.replace(' ', '_').replace(',', '')}.csv"
            logs[name] = kept(
                path,
                lambda: run_variant(objective, VARIANTS[name], most, best),  # noqa: B023
            )
            to_best, to_handed = first_at(logs[name], best), first_at(logs[name], handed)
            sooner = ratio(best_at, to_best)
            ratios.setdefault(name, []).append(sooner)
            row = [pair, name, f"{best:.6g}", best_at, to_best, f"{sooner:.2f}"]
            row += [f"{handed:.6g}", most, to_handed, f"{ratio(most, to_handed):.2f}"]
            rows.append(row)
            print(*rows[-1], flush=True)
        plot(args.out / f"{stem}.png", f"{pair}, {args.size} px, {args.recipe}", logs)
    header = ["pair", "variant", "peer's best", "at evaluation", "ours", "times fewer"]
    header += ["peer hands over", "at evaluation", "ours", "times fewer"]
    write_csv(args.out / f"summary-{args.recipe}-{args.size}.csv", header, rows)
    for name, values in ratios.items():
        print(
            f"{name}: {statistics.median(values):.2f} times fewer evaluations (median),"
            f" {min(values):.2f} at least, over {len(values)} pairs"
        )


if __name__ == "__main__":
    main()
