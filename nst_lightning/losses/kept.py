"""What a term remembers of the pictures that it compares with."""

from typing import Any, TypeAlias

import torch
from torch import nn

Representation: TypeAlias = Any
"""A tensor or a tuple of tensors, as the term says."""


class KeepsTargets(nn.Module):
    """A module with targets by name, in buffers that move with it and that no checkpoint holds."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[str, list[str] | str] = {}  # name → its buffer, or those of a tuple

    def set_target(self, name: str, value: Representation) -> None:
        """Keep a copy of a tensor or a tuple of tensors, in place of what the name stood for.

        Without a graph, and usable in a backward pass even if it was made in inference mode.
        """
        parts = value if isinstance(value, tuple) else (value,)
        # Names of layers may have dots, which nn.Module takes for paths into submodules.
        buffers = [f"target_{name}_{i}".replace(".", "_") for i in range(len(parts))]
        with torch.inference_mode(False), torch.no_grad():
            for buffer, part in zip(buffers, parts, strict=True):
                self.register_buffer(buffer, part.clone(), persistent=False)
        self._kept[name] = buffers if isinstance(value, tuple) else buffers[0]

    def target(self, name: str) -> Representation:
        """Return what `set_target` kept under ``name``.

        Raises:
            RuntimeError: If it kept nothing.
        """
        kept = self._kept.get(name)
        if kept is None:
            raise RuntimeError(
                f"{type(self).__name__} has no target {name!r}; call set_targets() first"
            )
        if isinstance(kept, str):
            return self._buffers[kept]
        return tuple(self._buffers[buffer] for buffer in kept)

    def has_target(self, name: str) -> bool:
        """Say whether `set_target` kept something under ``name``."""
        return name in self._kept

    def forget(self, name: str) -> Representation:
        """Keep what `set_target` kept under ``name`` no longer; return it."""
        value, kept = self.target(name), self._kept.pop(name)
        for buffer in [kept] if isinstance(kept, str) else kept:
            del self._buffers[buffer]
        return value
