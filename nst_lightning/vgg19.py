"""The convolutions of VGG-19: names, places, shapes."""

from dataclasses import dataclass

# Configuration E of Simonyan & Zisserman (arXiv:1409.1556): each block's convolutions, channels.
BLOCKS: tuple[tuple[int, int], ...] = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))


@dataclass(frozen=True)
class Convolution:
    """One 3×3 convolution of VGG-19."""

    name: str  # conv{block}_{number}
    index: int  # its place in torchvision's features
    shape: tuple[int, int, int, int]  # of its weight, (out, in, 3, 3)


def _convolutions() -> tuple[Convolution, ...]:
    found, index, channels = [], 0, 3
    for block, (count, width) in enumerate(BLOCKS, start=1):
        for number in range(1, count + 1):
            found.append(Convolution(f"conv{block}_{number}", index, (width, channels, 3, 3)))
            channels = width
            index += 2  # the convolution and its ReLU
        index += 1  # the pooling
    return tuple(found)


CONVOLUTIONS: tuple[Convolution, ...] = _convolutions()
