"""A module that remembers tensors without saving them."""

from typing import Any, TypeAlias

import torch
from torch import nn

Representation: TypeAlias = Any
"""A tensor or a tuple of tensors, as the term says."""


class TensorStore(nn.Module):
    """Keeps tensors by name in buffers: they move with the module, but no checkpoint holds them."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[str, list[str] | str] = {}  # name → its buffer, or those of a tuple

    def set_target(self, name: str, value: Representation) -> None:
        """Keep a copy of ``value``, in place of what the name stood for.

        Without a graph, and usable in a backward pass even if it was made in inference mode.

        Args:
            name: Any text.
            value: A tensor or a tuple of tensors.
        """
        self.forget_target(name)
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

    def forget_target(self, name: str | None = None) -> None:
        """Forget what is kept under ``name``, or all there is."""
        for each in list(self._kept) if name is None else [name]:
            kept = self._kept.pop(each, [])
            for buffer in [kept] if isinstance(kept, str) else kept:
                del self._buffers[buffer]
