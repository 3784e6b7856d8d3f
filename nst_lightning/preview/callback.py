"""The run's side of the preview: what it shows between two steps, and what it does as asked."""

import contextlib
import os
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Timer
from torch import Tensor

from nst_lightning.budget import taken
from nst_lightning.callbacks import GracefulStop, ImageCheckpoint
from nst_lightning.callbacks.pace import Pace
from nst_lightning.checks import whole_number
from nst_lightning.data.encoding import quantise
from nst_lightning.data.image_pair import pictures_of
from nst_lightning.data.palette import PaletteChange
from nst_lightning.data.resizing import at_most
from nst_lightning.data.sources import public_name
from nst_lightning.errors import CheckedError, InputError
from nst_lightning.preview import PreviewAddress
from nst_lightning.preview.feed import SIDE, Feed
from nst_lightning.preview.series import shown_series
from nst_lightning.preview.server import EVERY, server_at
from nst_lightning.say import say
from nst_lightning.view import View

WATCHED, UNWATCHED = 0.0025, 0.001
"""Shares of a run's time, at most, that go into each thing shown: picture, colours, curves."""
_POINTS = 0.25  # seconds between two points of the curves, at least


class _Ration:
    """Lets something be done so often that it takes a share of the time, and not more often.

    Args:
        every: Seconds between two times, at least.
        cost: Seconds that it takes, until that is known.
    """

    def __init__(self, every: float, cost: float) -> None:
        self._every, self._cost, self._last = every, cost, time.monotonic()

    def is_due(self, share: float) -> bool:
        return time.monotonic() - self._last >= max(self._every, self._cost / share)

    def spent(self, seconds: float) -> None:
        self._last, self._cost = time.monotonic(), seconds


class LivePreview(Callback):
    """Shows the run in a browser.

    Between two steps a small copy of the picture is put where the server's threads find it, which
    encode and send it. While nobody looks, nearly nothing is done.

    Args:
        at: Where it is shown. Runs of one program with the same address are shown one after
            another on the same page.

    Raises:
        InputError: If nothing can be shown there.
    """

    def __init__(self, at: PreviewAddress | None = None) -> None:
        self._at = at or PreviewAddress()
        if not self._at.host.strip():
            raise InputError("preview.host: it is empty; give a host such as 127.0.0.1")
        whole_number("preview.port", self._at.port, 0, 65535)
        self._feed = Feed("")
        self._begin()

    def _begin(self) -> None:
        self._pace, self._began, self._started = Pace(), 0.0, time.monotonic()
        self._pictures, self._palette = _Ration(EVERY, 0.01), _Ration(EVERY, 0.2)
        self._points = _Ration(_POINTS, 0.0)
        self._views: tuple[View, View] | None = None  # of the picture and of its small copy
        self._change: PaletteChange | None = None
        self._over = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Open the server, or take the one that is there; raises ``InputError``."""
        if stage != "fit":
            return
        self._begin()
        pair = pictures_of(trainer)
        names = [_name(source) for source in (pair.content_source, *pair.style_sources)]
        series = shown_series()
        if series and series.name:
            names[0] = series.name
        title = " \N{MULTIPLICATION SIGN} ".join(names)
        self._feed = Feed(title, lambda: taken(pl_module.device), series)
        server_at(self._at).feed = self._feed

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the photograph: what is done before the first step takes minutes for large ones."""
        pair = pictures_of(trainer)
        scale = pair.scale
        pair.use_scale(len(pair.scales))
        photograph, alpha = at_most(pair.content, pair.alpha, SIDE)
        pair.use_scale(scale)
        self._feed.show("photograph", quantise(photograph, alpha, 8, on_white=True))
        steps = trainer.estimated_stepping_batches
        self._feed.tell(
            step=trainer.global_step,
            steps=None if steps == float("inf") else int(steps),
            largest=pair.largest,
            scales=len(pair.scales) + 1,
            edges=[sum(s.steps for s in pair.scales[: i + 1]) for i in range(len(pair.scales))],
            **self._size(trainer),
        )

    @staticmethod
    def _size(trainer: Trainer) -> dict[str, Any]:
        pair = pictures_of(trainer)
        (height, width), _ = pair.sizes(pair.scale)
        return {"scale": pair.scale + 1, "size": (width, height)}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say that it begins."""
        self._started = time.monotonic()
        self._feed.tell("painting", step=trainer.global_step)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Look at the clock."""
        self._began = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Show the step, if it is time for that; wait, or end the run, if that is wanted."""
        self._pace.add(pictures_of(trainer).scale, time.monotonic() - self._began)
        self._show(trainer, pl_module)
        if self._feed.phase == "pausing":
            paused = time.monotonic()
            self._show(trainer, pl_module, at_once=True)
            self._feed.hold(lambda: trainer.should_stop or _is_ended(trainer))
            self._started += time.monotonic() - paused
        if self._feed.finish_asked and not trainer.should_stop:
            trainer.should_stop = True
            for stop in _stops(trainer):
                stop.asked = True
            kept = trainer.checkpoint_callback is not None
            further = "; --ckpt_path last goes on from there" if kept else ""
            say(f"\nfinishing after this step, as the preview asks{further}", error=True)
        if _is_ended(trainer):
            trainer.should_stop = True

    def _show(self, trainer: Trainer, pl_module: Any, at_once: bool = False) -> None:
        feed = self._feed
        share = WATCHED if feed.is_watched else UNWATCHED
        if at_once or self._points.is_due(share):
            step, began = trainer.global_step, time.monotonic()
            feed.add_losses(step, _losses(trainer))
            feed.tell(
                step=step,
                pace=self._pace.seconds[pictures_of(trainer).scale],
                left=self._pace.left(trainer),
                elapsed=began - self._started,
                **self._size(trainer),
            )
            self._points.spent(time.monotonic() - began)
        first = feed.is_watched and "picture" not in feed.shots
        if at_once or first or self._pictures.is_due(share):
            self._show_picture(pl_module, pictures_of(trainer).alpha, share, at_once)

    @torch.no_grad()
    def _show_picture(
        self, pl_module: Any, alpha: Tensor | None, share: float, at_once: bool
    ) -> None:
        """Put a copy of the picture into the feed.

        How its colours get to a palette takes most of the time, and hardly changes from step to
        step: it is found more rarely.
        """
        began, view = time.monotonic(), pl_module.view
        first = self._feed.is_watched and self._change is None
        renew = at_once or first or self._palette.is_due(share)
        if view.moves_colours and self._change is None and not renew:
            return  # nobody looks: rather no picture than one in wrong colours
        picture, alpha = at_most(pl_module.painted.detach(), alpha, SIDE)
        if not bool(picture.sum().isfinite()):
            return
        if self._views is None or self._views[0] is not view:
            self._views = view, view.small(picture.shape[-2:])
        small = self._views[1]
        if view.moves_colours and renew:
            finding = time.monotonic()
            self._change = small.change(small.carried(picture))
            self._palette.spent(time.monotonic() - finding)
            began += time.monotonic() - finding
        shown = small.of_people(picture, self._change)
        self._feed.show("picture", quantise(shown, alpha, 8, on_white=True))
        self._pictures.spent(time.monotonic() - began)

    def _end(self, trainer: Trainer, pl_module: Any, phase: Any, **facts: Any) -> None:
        if self._over:
            return
        self._over = True
        if pl_module.image is not None and trainer.global_step:
            self._show_picture(pl_module, pictures_of(trainer).alpha, 1.0, at_once=True)
        self._feed.tell(phase, step=trainer.global_step, left=None, **facts)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the last picture, and say how the run ended."""
        phase = "stopped" if _was_signalled(trainer) else "finished"
        self._end(trainer, pl_module, phase, file=_file(trainer))

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Say what ended the run; nothing, if it was begun for its checks alone."""
        if isinstance(exception, CheckedError):
            return
        stopped = isinstance(exception, KeyboardInterrupt)
        why = str(exception) if isinstance(exception, InputError) else type(exception).__name__
        facts = {} if stopped else {"why": " ".join(why.split())}
        with contextlib.suppress(Exception):  # the run's own is what counts
            self._end(trainer, pl_module, "stopped" if stopped else "failed", **facts)


def _file(trainer: Any) -> str | None:
    """Return where the finished picture is; None where the run writes none."""
    writers = [each for each in trainer.callbacks if isinstance(each, ImageCheckpoint)]
    return str(writers[0].kept_at(trainer)) if writers else None


def _stops(trainer: Any) -> list[GracefulStop]:
    return [callback for callback in trainer.callbacks if isinstance(callback, GracefulStop)]


def _was_signalled(trainer: Any) -> bool:
    """Return whether Ctrl-C or SIGTERM came."""
    return any(stop.received is not None for stop in _stops(trainer))


def _is_ended(trainer: Any) -> bool:
    """Return whether a run that waits is to end: a signal came, or its time is up."""
    clocks = [callback for callback in trainer.callbacks if isinstance(callback, Timer)]
    left = [clock.time_remaining() for clock in clocks]
    return _was_signalled(trainer) or any(rest is not None and rest <= 0 for rest in left)


def _losses(trainer: Trainer) -> dict[str, float]:
    """Return the step's losses by term, the sum first."""
    metrics = trainer.callback_metrics
    names = [name for name in metrics if name == "loss" or name.endswith("_loss")]
    if not names:
        return {}
    values = torch.stack([metrics[name].detach().float() for name in names]).tolist()
    found = dict(zip((n.removesuffix("_loss") for n in names), values, strict=True))
    return dict(sorted(found.items(), key=lambda item: item[0] != "loss"))


def _name(source: Any) -> str:
    """Return what a picture is called, without its folder."""
    if not isinstance(source, str | os.PathLike):
        return str(getattr(source, "info", {}).get("Title", "a picture"))
    return Path(public_name(os.fspath(source)).removeprefix("sample:")).stem
