"""What this machine's processor is good at."""

import functools

import torch


@functools.cache
def has_fast_bfloat16() -> bool:
    """Say whether this CPU multiplies bfloat16 faster than float32: AVX-512 BF16 or AMX.

    Others can be made to, several times more slowly.
    """
    asks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, ask, lambda: False)() for ask in asks)
