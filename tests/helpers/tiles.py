"""Runs in tiles that something happens to in the middle of a tile."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback

from nst_lightning import budget
from nst_lightning.losses.term import LossTerm
from nst_lightning.stages import Stage, Tiles


class SignalInTile:
    """Sends this process a signal in the middle of a tile of either pass.

    Args:
        at: Which tiles, from 0 on, among all that were begun; each gets a signal.
        number: Of the signal.
    """

    def __init__(self, at: list[int], number: int) -> None:
        self.at, self.number, self.begun = at, number, 0
        self._products = Stage.products

    def products(self, stage: Stage, *args: Any) -> Any:
        """Stand in for `Stage.products`."""
        at, self.begun = self.begun, self.begun + 1
        if at not in self.at:
            return self._products(stage, *args)
        run = stage.run

        def half_way(part: torch.Tensor) -> Any:
            done = run(part)
            os.kill(os.getpid(), self.number)
            return done

        stage.run = half_way
        try:
            return self._products(stage, *args)
        finally:
            stage.run = run


class InTiles(Callback):
    """Has a run of the command line computed in tiles of 40 px, whatever memory there is.

    The file ``happens.json`` in the working folder may say ``free``, the memory there is, and
    ``die``, the tile in which the process kills itself: were they arguments, the picture's own
    settings would hold them.
    """

    def __init__(self) -> None:
        budget._TILES = (Tiles(40, 2),)
        budget.tiles_kept = lambda *given: ()  # each tile twice, whatever memory there is
        file = Path("happens.json")
        happens = json.loads(file.read_text()) if file.exists() else {}
        if "free" in happens:
            budget._free = lambda device: happens["free"]
        if "die" in happens:
            dying = SignalInTile([happens["die"]], int(signal.SIGKILL))
            Stage.products = lambda stage, *args: dying.products(stage, *args)


class Whole(LossTerm):
    """It does not say how it adds up over tiles."""

    def distance(self, layer: str, representation: Any, target: Any) -> torch.Tensor:
        """Return the mean squared difference of the channels' means."""
        seen, wanted = (value.flatten(2).mean(2) for value in (representation, target))
        return (seen - wanted).square().mean()
