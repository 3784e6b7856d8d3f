"""Steps a second on a CUDA device, timed with events after a warm-up, and how near the floor.

The PyTorch tutorial's loop (torch's L-BFGS, history 100) against ours on the same objective, in
float32, with TF32, in bfloat16, and compiled (``reduce-overhead``: CUDA graphs), in turns. The
floor of a step is one evaluation's floating-point operations at the measured rate of a matrix
product in the same precision, or the bytes of its activations at the measured bandwidth of a copy,
whichever takes longer.

    python benchmarks/gpu.py --content photo.jpg --style painting.jpg --size 512 --out DIR

``--device cpu`` runs the same code with the host's clock, to try the script out.
"""

import argparse
import csv
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from against_peers import prepare
from peer_runs import pixels, tutorial_loss, tutorial_model
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

# name: precision of the encoder, TF32 allowed, torch.compile's mode
VARIANTS: dict[str, tuple[str, bool, str | None]] = {
    "float32": ("float32", False, None),
    "tf32": ("float32", True, None),
    "bfloat16": ("bfloat16", True, None),
    "tf32 compiled": ("float32", True, "default"),
    "tf32 CUDA graphs": ("float32", True, "reduce-overhead"),
    "bfloat16 CUDA graphs": ("bfloat16", True, "reduce-overhead"),
}
CONFIGS = Path(__file__).parents[1] / "configs"
COLUMNS = ["system", "repeat", "steps_per_s", "evaluations_per_s", "final_loss", "floor_fraction"]


class Timer:
    """Seconds between two moments of the device, not of the host."""

    def __init__(self, device: torch.device) -> None:
        self.cuda = device.type == "cuda"

    def mark(self) -> Any:
        """Return a moment."""
        if not self.cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def between(self, start: Any, end: Any) -> float:
        """Return the seconds from one moment to another."""
        if not self.cuda:
            return float(end - start)
        end.synchronize()
        return float(start.elapsed_time(end)) / 1000


def allow_tf32(allowed: bool) -> None:
    """Let convolutions and products use TF32, or not."""
    torch.backends.cudnn.allow_tf32 = allowed
    torch.backends.cuda.matmul.allow_tf32 = allowed


def matmul_rate(device: torch.device, kind: torch.dtype, size: int) -> float:
    """Return the operations a second of a square matrix product."""
    a, b = (torch.randn(size, size, device=device).to(kind) for _ in range(2))
    return 2 * size**3 / _fastest(device, lambda: a @ b)


def bandwidth(device: torch.device, megabytes: int) -> float:
    """Return the bytes a second that a copy reads and writes."""
    a = torch.empty(megabytes << 18, device=device)
    b = torch.empty_like(a)
    return 2 * a.nbytes / _fastest(device, lambda: b.copy_(a))


def _fastest(device: torch.device, work: Any) -> float:
    timer, seconds = Timer(device), []
    for _ in range(12):
        start = timer.mark()
        work()
        seconds.append(timer.between(start, timer.mark()))
    return min(seconds[3:])


def tutorial(files: dict[str, str], device: torch.device, warm: int, steps: int) -> dict[str, Any]:
    """The tutorial's loop."""
    content, style = pixels(files["content"]), pixels(files["style"])
    model, content_losses, style_losses = tutorial_model(content, style)
    model.to(device)
    image = content.clone().to(device).requires_grad_(True)
    optimizer = torch.optim.LBFGS([image], max_iter=1)
    last: list[Tensor] = []

    def closure() -> Tensor:
        with torch.no_grad():
            image.clamp_(0, 1)
        optimizer.zero_grad()
        model(image)
        loss = tutorial_loss(content_losses, style_losses)
        loss.backward()
        last[:] = [loss.detach()]
        return loss

    timer = Timer(device)
    for _ in range(warm):
        optimizer.step(closure)
    start = timer.mark()
    for _ in range(steps):
        optimizer.step(closure)
    seconds = timer.between(start, timer.mark())
    return {"seconds": seconds, "evaluations": steps, "final_loss": last[0].item()}


def ours(
    files: dict[str, str], device: torch.device, warm: int, steps: int, variant: str, size: int
) -> dict[str, Any]:
    """The framework, as a user runs it."""
    from lightning.pytorch import Callback

    from nst_lightning import stylize

    precision, _, compiled = VARIANTS[variant]
    timer = Timer(device)
    result: dict[str, Any] = {}

    class Watch(Callback):
        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            picture = pl_module.picture().requires_grad_()
            held = [0]

            def count(tensor: Tensor) -> Tensor:
                held[0] += tensor.nbytes
                return tensor

            with (
                FlopCounterMode(display=False) as counter,
                torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor),
            ):
                pl_module.losses(picture)["loss"].backward()
            # Written once and read once each way is the least that the activations need.
            result["flop"], result["bytes"] = counter.get_total_flops(), 4 * held[0]

        def on_train_batch_end(
            self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
        ) -> None:
            optimizer = trainer.optimizers[0]
            if batch_idx == warm - 1:
                self.start, self.before = timer.mark(), optimizer.evaluations
            elif batch_idx == warm + steps - 1:
                result["seconds"] = timer.between(self.start, timer.mark())
                result["evaluations"] = optimizer.evaluations - self.before
                with torch.no_grad():
                    result["final_loss"] = pl_module.losses(pl_module.picture())["loss"].item()

    settings = {
        "data.size_rule": "long",
        "model.encoder.precision": precision,
        "model.encoder.channels_last": precision == "bfloat16" or device.type == "cpu",
        "model.compile": compiled,
        "trainer.accelerator": "gpu" if device.type == "cuda" else "cpu",
    }
    stylize(
        files["content"],
        files["style"],
        # By path: configs named are looked for where the program is started first.
        config=[CONFIGS / "recipes/pytorch_tutorial.yaml", CONFIGS / "overlays/bounded_lbfgs.yaml"],
        settings=settings,
        size=size,
        steps=warm + steps,
        callbacks=[Watch()],
        progress=False,
    )
    return result


def main() -> int:
    """Run every variant in turns and print medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--content", default="sample:cat")
    parser.add_argument("--style", default="sample:klimt")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--warm-up", type=int, default=20)
    parser.add_argument("--steps", type=int, default=280)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--variants", nargs="*", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        print("error: no CUDA device here; --device cpu tries the script out", file=sys.stderr)
        return 2
    device = torch.device(args.device)
    args.out.mkdir(parents=True, exist_ok=True)
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    copied = bandwidth(device, 2048 if device.type == "cuda" else 256)
    print(f"{name}, torch {torch.__version__}, copy {copied / 1e9:.0f} GB/s")
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        files = prepare(args.content, args.style, args.size, Path(folder))["tutorial"]
        for repeat in range(1, args.repeats + 1):
            for system in ("tutorial", *args.variants):
                precision, tf32, _ = VARIANTS.get(system, ("float32", False, None))
                allow_tf32(tf32)
                if system == "tutorial":
                    result = tutorial(files, device, args.warm_up, args.steps)
                else:
                    result = ours(files, device, args.warm_up, args.steps, system, args.size)
                row = {"system": system, "repeat": repeat, "final_loss": result["final_loss"]}
                row["steps_per_s"] = args.steps / result["seconds"]
                row["evaluations_per_s"] = result["evaluations"] / result["seconds"]
                if "flop" in result:
                    side = 8192 if device.type == "cuda" else 1024
                    rate = matmul_rate(device, getattr(torch, precision), side)
                    floor = max(result["flop"] / rate, result["bytes"] / copied)
                    row["floor_fraction"] = floor * row["evaluations_per_s"]
                rows.append(row)
                print(row, flush=True)
                with (args.out / "gpu.csv").open("w", newline="") as handle:
                    writer = csv.DictWriter(handle, COLUMNS)
                    writer.writeheader()
                    writer.writerows(rows)
    base = _median(rows, "tutorial", "steps_per_s")
    for system in args.variants:
        ratio = _median(rows, system, "steps_per_s") / base
        reached = _median(rows, system, "floor_fraction")
        print(f"{system}: {ratio:.2f} times the tutorial's steps a second, {reached:.0%} of floor")
    return 0


def _median(rows: list[dict[str, Any]], system: str, key: str) -> float:
    return statistics.median(float(row[key]) for row in rows if row["system"] == system)


if __name__ == "__main__":
    sys.exit(main())
