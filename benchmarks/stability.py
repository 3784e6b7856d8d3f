"""Does any recipe explode under our optimiser?

Every recipe's objective with overlays/bounded_lbfgs.yaml, on every pair, from the content and from
noise. Counts the steps whose loss rose, and losses or pictures that are not finite. Writes a CSV;
runs that are in it already are not repeated. Exit code 1 if anything rose or was not finite.

    python benchmarks/stability.py --size 128 --steps 300 --out DIR
"""

import argparse
import csv
import itertools
import math
import sys
import time
from pathlib import Path
from typing import Any

import torch
from against_peers import SAMPLES, SHARED

RECIPES = [
    "pytorch_tutorial",
    "tensorflow_tutorial",
    "gatys",
    "neural_style_pt",
    "crowsonkb",
    "gordicaleksa",
    "pystiche",
    "pastiche",
]
PAIRS = [
    ("tubingen.jpg", "starry_night.jpg"),
    ("golden_gate.jpg", "the_scream.jpg"),
    ("tubingen.jpg", "shipwreck.jpg"),
    ("golden_gate.jpg", "starry_night.jpg"),
    ("tubingen.jpg", "the_scream.jpg"),
]
MORE_SAMPLES = [("sample:cat", "sample:waves"), ("sample:astronaut", "sample:klimt")]
COLUMNS = [
    "recipe",
    "pair",
    "init",
    "steps",
    "first_loss",
    "last_loss",
    "rises",
    "not_finite",
    "retries",
    "seconds",
]


def run(recipe: str, pair: tuple[str, str], init: str, size: int, steps: int) -> dict[str, Any]:
    """Paint one picture and watch its loss."""
    from lightning.pytorch import Callback

    from nst_lightning import stylize
    from nst_lightning.callbacks import LossExplosion

    losses: list[float] = []
    refined: list[bool] = []
    bad = [0]
    guards: list[Any] = []

    class Watch(Callback):
        def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, *_: Any) -> None:
            losses.append(float(trainer.callback_metrics["loss"]))
            refined.append(pl_module.objective.refined)
            whole = bool(torch.isfinite(pl_module.image).all())
            bad[0] += not (math.isfinite(losses[-1]) and whole)
            guards[:] = [c for c in trainer.callbacks if isinstance(c, LossExplosion)]

    start = time.perf_counter()
    stylize(
        *pair,
        config=[f"recipes/{recipe}.yaml", "overlays/bounded_lbfgs.yaml"],
        settings={"data.size_rule": "long", "data.scales": None},
        init=init,
        size=size,
        steps=steps,
        callbacks=[Watch()],
        progress=False,
    )
    if len(losses) < steps:
        raise SystemExit("stopped; the same command goes on")
    # Where bfloat16 gives way to float32 (once at most) the two losses are not of one arithmetic.
    rises = sum(
        b > a * (1 + 1e-6) and before == after
        for (a, before), (b, after) in itertools.pairwise(zip(losses, refined, strict=True))
    )
    return {
        "steps": len(losses),
        "first_loss": losses[0],
        "last_loss": losses[-1],
        "rises": rises,
        "not_finite": bad[0],
        "retries": sum(guard.retries for guard in guards),
        "seconds": round(time.perf_counter() - start, 1),
    }


def main() -> int:
    """Do the runs that are not done yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", nargs="*", default=RECIPES)
    parser.add_argument("--init", nargs="*", default=["content", "noise"])
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    pairs = [(str(SHARED / content), str(SHARED / style)) for content, style in PAIRS]
    if not all(Path(name).is_file() for pair in pairs for name in pair):
        pairs = [*SAMPLES, *MORE_SAMPLES]
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / f"stability-{args.size}px-{args.steps}steps.csv"
    rows: list[dict[str, Any]] = []
    if path.exists():
        with path.open(newline="") as handle:
            rows = list(csv.DictReader(handle))
    for init in args.init:
        for recipe in args.recipe:
            for pair in pairs:
                name = " + ".join(Path(part).stem.removeprefix("sample:") for part in pair)
                key = {"recipe": recipe, "pair": name, "init": init}
                if any(key.items() <= row.items() for row in rows):
                    continue
                rows.append(key | run(recipe, pair, init, args.size, args.steps))
                print(rows[-1], flush=True)
                with path.open("w", newline="") as handle:
                    writer = csv.DictWriter(handle, COLUMNS)
                    writer.writeheader()
                    writer.writerows(rows)
    faults = sum(int(row["rises"]) + int(row["not_finite"]) for row in rows)
    print(f"{len(rows)} runs: {faults} rises or values that are not finite")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
