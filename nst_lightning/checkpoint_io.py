"""Checkpoints written whole or not at all, and read with one-line errors."""

import os
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

from nst_lightning.errors import InputError
from nst_lightning.files import atomic_write


class WholeCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoint files, put in place by one rename.

    Lightning's own writes through a temporary file that may lie on another file system; a process
    killed during the copy then leaves half a checkpoint under the final name.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        """Write the checkpoint beside its final name, then rename it."""
        with atomic_write(path) as part:
            try:
                torch.save(checkpoint, part)
            except RuntimeError as error:
                # torch's file writer turns a full disk into a RuntimeError without an errno.
                raise OSError(28, os.strerror(28), str(part)) from error


def checkpoint_settings(path: Path) -> dict[str, Any]:
    """Return the settings that a checkpoint was made with; InputError if it is none of ours."""
    return dict(_read(path, "nst_lightning")["settings"])


def checkpoint_step(path: Path) -> int:
    """Return the optimiser step at which a checkpoint was written; InputError likewise."""
    return int(_read(path, "global_step"))


def _read(path: Path, key: str) -> Any:
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        dict(checkpoint["nst_lightning"]["settings"])  # raises where it is not one of ours
        return checkpoint[key]
    # What torch and pickle raise on damaged or other files shares no base class.
    except Exception:
        raise InputError(
            f"--ckpt_path: {path} is not a whole checkpoint of nst_lightning; give another"
        ) from None
