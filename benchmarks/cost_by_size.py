"""What a step costs: seconds and memory by size, the evaluation's floor, the optimiser's share.

Each size runs in a process of its own, through the framework as a user would run it. An evaluation
is a loss and its gradient; its floor is its floating-point operations (convolutions and Gram
products, forward and backward) at the rate that this machine multiplies 2048 x 2048 matrices in the
same precision, taken right before and after. Everything else in a step, Lightning's part included,
counts as overhead.

Each size is computed whole and in tiles, where they are asked for as SIZE/STAGES (see
`nst_lightning.stages.Tiles`), or in the ones chosen for an amount of memory; what does not fit into
the memory is said and left out.

    python benchmarks/cost_by_size.py --out DIR
    python benchmarks/cost_by_size.py --recipe klimt --cut whole 384/2 --steps 4 --out DIR
    python benchmarks/cost_by_size.py --recipe klimt --cut whole 4GB --size 2048 --out DIR
    python benchmarks/cost_by_size.py --size 512 --precision float32 bfloat16 --steps 12 --out DIR
"""

import argparse
import csv
import itertools
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

COLUMNS = [
    "recipe",
    "size",
    "precision",
    "cut",
    "megapixels",
    "step_s",
    "evaluation_s",
    "overhead_percent",
    "gflop",
    "matmul_gflop_per_s",
    "times_floor",
    "peak_memory_mb",
]


def matmul_rate(precision: str) -> float:
    """Return the operations a second of a 2048 x 2048 product, the best of nine."""
    import torch

    a, b = (torch.randn(2048, 2048).to(getattr(torch, precision)) for _ in range(2))
    seconds = []
    for _ in range(9):
        start = time.perf_counter()
        a @ b
        seconds.append(time.perf_counter() - start)
    return 2 * 2048**3 / min(seconds)


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """Run some steps and time their parts."""
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as the command line does
    import torch
    from lightning.pytorch import Callback
    from torch.utils.flop_counter import FlopCounterMode

    from nst_lightning import budget, memory, stylize
    from nst_lightning.stages import Tiles

    memory.keep_memory()  # as the command line does, too
    in_tiles, given = re.fullmatch(r"(\d+)/(\d)", request["cut"]), "auto"
    if in_tiles:
        size, stages = (int(number) for number in in_tiles.groups())
        budget._TILES = (Tiles(min(size, request["size"] // 2), stages),)
    elif request["cut"] == "whole":
        budget._TILES = (None,)
    else:
        given = request["cut"]
    steps: list[float] = []
    evaluations: list[list[float]] = []
    flops: list[int] = []

    class Watch(Callback):
        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            picture = pl_module.picture().requires_grad_()
            with FlopCounterMode(display=False) as counter:
                pl_module.losses(picture)["loss"].backward()
            flops.append(counter.get_total_flops())
            inner = pl_module.training_step

            def training_step(*args: Any) -> Any:
                self.since = time.perf_counter()
                return inner(*args)

            pl_module.training_step = training_step

        def on_train_batch_start(self, *args: Any) -> None:
            evaluations.append([])
            self.began = time.perf_counter()

        def on_after_backward(self, *args: Any) -> None:
            evaluations[-1].append(time.perf_counter() - self.since)

        def on_train_batch_end(self, *args: Any) -> None:
            steps.append(time.perf_counter() - self.began)

    rate = matmul_rate(request["precision"])
    stylize(
        request["content"],
        request["style"],
        config=[request["recipe"], "overlays/bounded_lbfgs.yaml"],
        settings={
            "data.size_rule": "long",
            "data.scales": None,
            "model.encoder.precision": request["precision"],
            "model.memory": given,
        },
        size=request["size"],
        steps=request["steps"] + 2,
        callbacks=[Watch()],
        progress=False,
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rate = max(rate, matmul_rate(request["precision"]))
    evaluation = statistics.median(e for parts in evaluations[2:] for e in parts)
    spent = [sum(parts) for parts in evaluations]
    # Of all steps together: the preconditioner's fits come only every eighth step.
    share = 1 - sum(spent[2:]) / sum(steps[2:])
    return {
        "step_s": round(statistics.median(steps[2:]), 4),
        "evaluation_s": round(evaluation, 4),
        "overhead_percent": round(100 * share, 2),
        "gflop": round(flops[0] / 1e9, 1),
        "matmul_gflop_per_s": round(rate / 1e9, 1),
        "times_floor": round(evaluation / (flops[0] / rate), 3),
        "peak_memory_mb": round(peak),
        "threads": torch.get_num_threads(),
    }


def plot(path: Path, rows: list[dict[str, Any]]) -> None:
    """Draw seconds and memory against pixels."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4))
    for kind in dict.fromkeys((row["precision"], row["cut"]) for row in rows):
        mine = [row for row in rows if (row["precision"], row["cut"]) == kind]
        pixels, label = [row["megapixels"] for row in mine], ", ".join(kind)
        axes[0].plot(pixels, [row["step_s"] for row in mine], "o-", label=label)
        axes[1].plot(pixels, [row["peak_memory_mb"] / 1024 for row in mine], "o-", label=label)
    for axis, label in zip(axes, ("seconds a step", "peak memory, GB"), strict=True):
        axis.set(xlabel="megapixels", ylabel=label, xlim=(0, None), ylim=(0, None))
        axis.legend()
    figure.suptitle(f"{rows[0]['recipe']}, {rows[0]['threads']} threads")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    """Measure every size in its own process."""
    if len(sys.argv) == 3 and sys.argv[1] == "--measure":
        print(json.dumps(measure(json.loads(sys.argv[2]))))
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--content", default="sample:cat")
    parser.add_argument("--style", default="sample:klimt")
    parser.add_argument("--recipe", default="pytorch_tutorial")
    parser.add_argument("--size", type=int, nargs="*", default=[256, 512, 1024, 2048, 4096])
    parser.add_argument("--precision", nargs="*", default=["float32", "bfloat16"])
    parser.add_argument("--cut", nargs="*", default=["whole"])
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    from nst_lightning.data.images import load_image

    rows: list[dict[str, Any]] = []
    for size in args.size:
        pixels = load_image(args.content, size).pixels[0, 0].numel()
        for precision, cut in itertools.product(args.precision, args.cut):
            request = {key: getattr(args, key) for key in ("content", "style", "recipe", "steps")}
            request |= {"size": size, "precision": precision, "cut": cut}
            done = subprocess.run(
                [sys.executable, __file__, "--measure", json.dumps(request)],
                capture_output=True,
                text=True,
                check=False,
            )
            if "model.memory:" in done.stderr:
                print(done.stderr.strip().splitlines()[-1])
                continue
            if done.returncode:
                raise SystemExit(f"{size} px, {precision}:\n{done.stderr[-3000:]}")
            known = {"recipe": args.recipe, "size": size, "precision": precision, "cut": cut}
            known["megapixels"] = round(pixels / 1e6, 4)
            rows.append(known | json.loads(done.stdout.splitlines()[-1]))
            print(rows[-1], flush=True)
            with (args.out / f"cost-{args.recipe}.csv").open("w", newline="") as handle:
                writer = csv.DictWriter(handle, COLUMNS, extrasaction="ignore")
                writer.writeheader()
                writer.writerows(rows)
    plot(args.out / f"cost-{args.recipe}.png", rows)


if __name__ == "__main__":
    main()
