"""What this machine's processor, and its GPU, are good at."""

import functools
from typing import Any

import torch

from nst_lightning.errors import InputError
from nst_lightning.say import say


@functools.cache
def has_fast_bfloat16() -> bool:
    """Say whether this CPU multiplies bfloat16 faster than float32: AVX-512 BF16 or AMX.

    Others can be made to, several times more slowly.
    """
    asks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, ask, lambda: False)() for ask in asks)


def usable_accelerator(given: Any) -> Any:
    """Return what a trainer is to compute with: never Apple's GPU (MPS), which has no float64.

    The optimiser and several terms add up in float64.

    Args:
        given: ``trainer.accelerator``.

    Raises:
        InputError: If it asks for that GPU.
    """
    apple = torch.backends.mps.is_available() and not torch.cuda.is_available()
    if given == "mps" or (given == "gpu" and apple):
        raise InputError(
            f"trainer.accelerator: {given} is Apple's GPU, which has no float64 to add up in; use "
            "cpu"
        )
    if given == "auto" and apple:
        say("note: Apple's GPU has no float64: painting on the processor", error=True)
        return "cpu"
    return given
