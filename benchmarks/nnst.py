"""NNST's objective by its own optimiser and by ours: seconds to the loss that its own ends with.

Both paint the same objective (configs/recipes/nnst.yaml, without rotations) at the same four sizes.
*Theirs* is Adam on a Laplacian pyramid, 200 steps a size with one match, and then 200 steps with
each layer matched by itself at every step. *Ours* is BoundedLBFGS with fewer steps at the coarse
sizes, until its picture is as near to its own nearest neighbours as theirs is: first of all layers
together against theirs after its first stage, then layer by layer against theirs at the end. That
distance, to matches made anew for the picture at hand, is the same function for both; measuring it
is not timed.

    python benchmarks/nnst.py --pairs a.jpg,b.jpg c.jpg,d.jpg --size 384 --out outputs/nnst
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback
from torch import Tensor
from torchvision.utils import save_image

from nst_lightning.files import write_csv
from nst_lightning.losses import NearestNeighbourLoss, Reference
from nst_lightning.options import read_yaml
from nst_lightning.session import Session, open_run

sys.path.insert(0, str(Path(__file__).parent))  # theirs: laplacian_adam.LaplacianAdam
RECIPE = Path(__file__).parents[1] / "configs" / "recipes" / "nnst.yaml"
LAYERS = read_yaml(RECIPE)["model"]["style"]["init_args"]["layers"]


class Judge:
    """The distance of a picture to its own nearest neighbours in the style."""

    def __init__(self, session: Session, per_layer: bool) -> None:
        pair, self.encoder = session.pair, session.model.objective.encoder
        self.term = NearestNeighbourLoss(
            layers=LAYERS, grid="relu3_1", mix=0.0, metric="cosine", per_layer=per_layer
        )
        content, style = pair._sized[len(pair.scales)].content, pair._sized[len(pair.scales)].styles
        self.term.set_targets(self.see(content.pixels), [self.see(s.pixels) for s in style])

    @torch.no_grad()
    def see(self, picture: Tensor) -> Reference:
        """Encode a picture."""
        return Reference(picture, self.encoder(picture))

    @torch.no_grad()
    def __call__(self, picture: Tensor) -> float:
        """Return the distance, a mean of 1 - cosine."""
        seen = self.see(picture)
        self.term.redraw(0, lambda: seen.features)
        return float(self.term(picture, self.term.take(seen.features)))


class Clock(Callback):
    """Times the steps alone; ends a run when its picture is good enough."""

    def __init__(self, session: Session, per_layer: bool = False, aim: float | None = None) -> None:
        self.session, self.per_layer, self.aim = session, per_layer, aim
        self.seconds, self.reached, self._from = 0.0, False, 0.0
        self.judge: Judge | None = None

    def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
        """Go on counting, before matches are made."""
        self._from = time.perf_counter()

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        """Stop counting; look at the picture at every third step of the last size."""
        self.seconds += time.perf_counter() - self._from
        pair = self.session.pair
        if self.aim is None or pair.scale < len(pair.scales) or trainer.global_step % 3:
            return
        self.judge = self.judge or Judge(self.session, self.per_layer)
        found = self.judge(self.session.picture())
        print(f"  step {trainer.global_step}: {found:.5f} of {self.aim:.5f}", flush=True)
        if found <= self.aim:
            self.reached = trainer.should_stop = True


def opened(content: str, style: str, size: int, optimizer: str, **settings: Any) -> Session:
    """Open a run of the recipe."""
    steps = settings.pop("coarse")
    scales = [{"size": size >> k, "steps": steps} for k in (3, 2, 1)]
    fixed = {
        "data.content": content,
        "data.style": style,
        "data.size": size,
        "data.scales": scales,
        "model.style.rotations": False,
        "model.encoder.precision": "auto",
        "model.optimizer": optimizer,
        "model.clamp": "none" if "Bounded" in optimizer else "step",
        **settings,
    }
    return open_run(
        fixed, [RECIPE], summary=False, progress=False, pictures=False, checkpoints=False
    )


def second(first: Session, path: Path, optimizer: str, steps: int, every: int) -> Session:
    """Open the pass in which each layer is matched by itself, from the first one's picture."""
    save_image(first.picture(), path)
    more = {"data.scales": None, "data.init": str(path), "data.steps_per_epoch": steps}
    data = first.settings["data"]
    split = {"model.style.per_layer": True, "model.style.every": every}
    session = opened(
        data["content"], data["style"], data["size"], optimizer, coarse=1, **more, **split
    )
    return session


def measure(content: str, style: str, size: int, steps: int, out: Path) -> dict[str, Any]:
    """Paint a pair by both."""
    adam, bounded = "laplacian_adam.LaplacianAdam", "nst_lightning.optim.BoundedLBFGS"
    theirs = opened(
        content,
        style,
        size,
        adam,
        coarse=steps,
        **{"data.steps_per_epoch": 4 * steps, "model.style.every": steps},
    )
    clocks = [Clock(theirs)]
    theirs.run(clocks[0])
    together = Judge(theirs, per_layer=False)(theirs.picture())
    split = second(theirs, out / "theirs.png", adam, steps, every=1)
    clocks.append(Clock(split))
    split.run(clocks[1])
    apart = Judge(split, per_layer=True)(split.picture())
    save_image(split.picture(), out / "theirs.png")
    print(f"theirs: {together:.5f} together, {apart:.5f} by layer", flush=True)

    ours = opened(
        content,
        style,
        size,
        bounded,
        coarse=10,
        **{"data.steps_per_epoch": 30 + 200, "model.style.every": 10},
    )
    clocks.append(Clock(ours, aim=together))
    ours.run(clocks[2])
    finish = second(ours, out / "ours.png", bounded, 200, every=3)
    clocks.append(Clock(finish, per_layer=True, aim=apart))
    finish.run(clocks[3])
    save_image(finish.picture(), out / "ours.png")
    seconds = [round(clock.seconds, 1) for clock in clocks]
    return {
        "pair": f"{Path(content).stem} x {Path(style).stem}",
        "theirs, together": seconds[0],
        "theirs, by layer": seconds[1],
        "ours, together": seconds[2],
        "ours, by layer": seconds[3],
        "reached": clocks[2].reached and clocks[3].reached,
        "ratio, together": round(seconds[0] / seconds[2], 1),
        "ratio": round(sum(seconds[:2]) / sum(seconds[2:]), 1),
    }


def main() -> None:
    """Measure every pair."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", nargs="+", required=True, help="CONTENT,STYLE, two files each")
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--steps", type=int, default=200, help="of theirs, in each of five stages")
    parser.add_argument("--out", type=Path, default=Path("outputs/nnst"))
    given = parser.parse_args()
    rows = []
    for pair in given.pairs:
        content, _, style = pair.rpartition(",")
        folder = given.out / f"{Path(content).stem}-{Path(style).stem}"
        folder.mkdir(parents=True, exist_ok=True)
        rows.append(measure(content, style, given.size, given.steps, folder))
        print(json.dumps(rows[-1]), flush=True)
        write_csv(given.out / "nnst.csv", rows)


if __name__ == "__main__":
    main()
