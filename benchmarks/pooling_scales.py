"""Find the factors of average and l2 pooling that keep max pooling's activations.

    python benchmarks/pooling_scales.py                   # prints encoder.POOLING_SCALES anew
    python benchmarks/pooling_scales.py a.jpg b.jpg ...   # and what they do on further pictures

One factor a pooling: VGG is positively homogeneous but for its biases, so a factor behind a pooling
scales all that follows. Each is chosen, from the first pooling to the last, so that the root mean
square of the next block's ReLUs is max pooling's: the geometric mean of the ratio, over the block's
layers and the pictures, is 1.
"""

import functools
import sys
from collections.abc import Sequence

import torch
from torch import Tensor

from nst_lightning import encoder as module
from nst_lightning.data.images import load_image
from nst_lightning.encoder import VGG19_LAYERS, Pooling, VGG19Encoder

RELUS = tuple(name for name in VGG19_LAYERS if name.startswith("relu"))
# The fourth drawing, klimt, is flat areas and single dots, unlike photographs and paintings.
SAMPLES = [f"sample:{name}" for name in ("cat", "coffee", "astronaut", "starry", "waves")]
SIZES = (256, 384, 512)
REPEATS = 2
POOLINGS: tuple[Pooling, ...] = ("avg", "l2")


def pictures(sources: Sequence[str], size: int) -> list[Tensor]:
    return [load_image(source, size).pixels for source in sources]


network = functools.cache(VGG19Encoder)


@torch.no_grad()
def activations(shown: Sequence[Tensor], pooling: Pooling, relus: tuple[str, ...]) -> Tensor:
    """Return the logarithm of each ReLU's root mean square, (pictures, layers)."""
    encode = network(relus, pooling=pooling)
    return torch.tensor(
        [[f.square().mean().sqrt().log() for f in encode(x).values()] for x in shown]
    )


def calibrate(pooling: Pooling, shown: Sequence[Tensor]) -> None:
    """Put factors into POOLING_SCALES."""
    scales = [1.0, 1.0, 1.0, 1.0]
    for block in range(1, 5):
        behind = tuple(name for name in RELUS if name[4] == str(block + 1))
        wanted = activations(shown, "max", behind)
        for _ in range(REPEATS):
            module.POOLING_SCALES[pooling] = tuple(scales)  # type: ignore[assignment]
            off = (activations(shown, pooling, behind) - wanted).mean().exp().item()
            scales[block - 1] /= off
    module.POOLING_SCALES[pooling] = tuple(round(s, 3) for s in scales)  # type: ignore[assignment]


def main(further: Sequence[str]) -> None:
    shown = pictures(SAMPLES, 384)
    for pooling in POOLINGS:
        calibrate(pooling, shown)
        print(f"{pooling}: {module.POOLING_SCALES[pooling]}", flush=True)
    for size in SIZES:
        for name, sources in (("samples", SAMPLES), ("further", further)):
            if not sources:
                continue
            shown = pictures(sources, size)
            wanted = activations(shown, "max", RELUS)
            for pooling in POOLINGS:
                ratios = activations(shown, pooling, RELUS) - wanted
                mean = dict(zip(RELUS, ratios.mean(0).exp().tolist(), strict=True))
                print(f"{name}, {size} px, {pooling}, mean over the pictures:")
                print("  " + " ".join(f"{k[4:]} {v:.2f}" for k, v in list(mean.items())[2:]))
                least, most = ratios.exp().min(), ratios.exp().max()
                print(f"  single pictures and layers: {least:.2f} to {most:.2f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
