"""Writes the picture: every N steps, the best, the last, and when a run is cut short."""

from pathlib import Path
from typing import Any, Literal, get_args

import torch
from lightning.pytorch import Callback, Trainer
from PIL import Image, ImageChops, ImageStat
from torch import Tensor

from nst_lightning.checks import whole_number
from nst_lightning.data.decoding import pillow_as_shipped
from nst_lightning.data.image_pair import pictures_of
from nst_lightning.data.output import FORMATS, check_path, contact_sheet, save_animation, save_image
from nst_lightning.data.resizing import at_most
from nst_lightning.data.sides import MINIMUM_SIDE
from nst_lightning.errors import InputError
from nst_lightning.files import check_folder, local_path, remove_parts, write_whole
from nst_lightning.run_folder import forget_older_run
from nst_lightning.say import say

PictureFormat = Literal["png", "jpg", "webp", "tiff"]

FRAME_SIDE = 320
"""Long side of the frames of an animation or a contact sheet, in pixels."""
TENSORBOARD_SIDE = 1024
"""Long side, at most, of the pictures in TensorBoard, in pixels."""


class ImageCheckpoint(Callback):
    """Writes pictures under the trainer's ``default_root_dir``.

    The result is ``stylized.<format>``; the pictures on the way are ``images/step-00050.<format>``.
    Both carry an sRGB profile and the run's settings, and are written whole or not at all. The
    result is also written when an exception or Ctrl-C ends the run.

    Args:
        every_n_steps: Steps between two pictures; 0 writes only the result.
        save_best: Keep ``images/best.<format>``, the picture with the lowest loss so far.
        format: File format of all pictures.
        bits: Bits per channel, 8 or 16 (16 for png and tiff only).
        quality: Quality of jpg and webp, 1 to 100.
        film: Also join the pictures on the way to ``film.gif`` or ``film.webp``.
        sheet: Also lay the pictures on the way out in ``contact_sheet.png``.
        out: File for the finished picture beside the run's own, with an ending of ``format``.
        side: Long side, at most, of the pictures on the way in pixels, the best too, and in
            TensorBoard, where it is never over 1024; null for no limit. The result is always whole.

    Raises:
        InputError: If a value is out of range.
    """

    def __init__(
        self,
        every_n_steps: int = 50,
        save_best: bool = True,
        format: PictureFormat = "png",
        bits: Literal[8, 16] = 8,
        quality: int = 95,
        film: Literal["gif", "webp"] | None = None,
        sheet: bool = False,
        out: str | None = None,
        side: int | None = 2048,
    ) -> None:
        if every_n_steps < 0:
            raise InputError(f"images.every_n_steps: {every_n_steps} is negative; use 0 for none")
        check_path(f"stylized.{format}", bits, quality)
        self.every_n_steps = every_n_steps
        self.save_best = save_best
        self.format = format
        self.bits = bits
        self.quality = quality
        self.film = film
        self.sheet = sheet
        self.out = None if out is None else check_path(local_path(out), bits, quality)
        if self.out is not None:
            check_folder(self.out.parent)
            if FORMATS[self.out.suffix.lower()] != FORMATS[f".{format}"]:
                raise InputError(f"images.out: {out} is no {format}, as images.format says")
        self.side = None if side is None else whole_number("images.side", side, MINIMUM_SIDE)
        self._best_written: float | None = None

    def result_path(self, trainer: Trainer) -> Path:
        """Path of the finished picture."""
        return Path(trainer.default_root_dir, f"stylized.{self.format}")

    def kept_at(self, trainer: Trainer) -> Path:
        """Where people look for the finished picture: the file they asked for, else the run's."""
        return self.out or self.result_path(trainer)

    def folder(self, trainer: Trainer) -> Path:
        """Folder of the pictures on the way."""
        return Path(trainer.default_root_dir, "images")

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Remove the pictures of an earlier run in the same folder that this run will not write."""
        if trainer.global_step == 0:
            forget_older_run(self.folder(trainer).parent)
        if self.folder(trainer).is_dir():
            remove_parts(self.folder(trainer))
            for path in self.folder(trainer).glob("step-*.*"):
                step = path.stem.removeprefix("step-")
                if step.isdigit() and int(step) > trainer.global_step:
                    path.unlink()
            if pl_module.best.picture is None:  # a new run, or another objective's
                self._best_written = None
                for format in get_args(PictureFormat):
                    (self.folder(trainer) / f"best.{format}").unlink(missing_ok=True)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write the picture of this step if its turn has come."""
        step = trainer.global_step
        if self.every_n_steps and step % self.every_n_steps == 0:
            self._save_best(trainer, pl_module)
            picture = pl_module.picture()
            # A step may ruin the picture before any loss shows it: no reason to end the run.
            if bool(torch.isfinite(picture).all()):
                path = self.folder(trainer) / f"step-{step:05d}.{self.format}"
                self._save(trainer, pl_module, picture, path, self.side)
                self._to_tensorboard(trainer, picture, step)

    @pillow_as_shipped(None)
    def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Write the result, and the film and the sheet if asked for."""
        self._save_best(trainer, pl_module)
        picture = pl_module.picture()
        if not bool(torch.isfinite(picture).all()):
            say("note: the last picture is not finite; the result is the best one")
            pl_module.replace_picture(pl_module.best.picture)
            picture = pl_module.picture()
        self._save_result(trainer, pl_module, picture)
        self._forget_stopped(trainer)
        frames, labels = self._frames(trainer)
        if self.film:
            save_animation(frames, Path(trainer.default_root_dir, f"film.{self.film}"), fps=6)
        if self.sheet:
            contact_sheet(frames, labels, Path(trainer.default_root_dir, "contact_sheet.png"))

    def _forget_stopped(self, trainer: Trainer) -> None:
        """Delete what was written as the run was stopped, and is not written again now."""
        others = [f"stylized.{format}" for format in get_args(PictureFormat)]
        others.remove(self.result_path(trainer).name)
        for name in (*others, "film.gif", "film.webp", "contact_sheet.png"):
            Path(trainer.default_root_dir, name).unlink(missing_ok=True)

    def on_fit_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Write the result of a finished run again if it is gone."""
        if trainer.global_step and not self.result_path(trainer).exists():
            self.on_train_end(trainer, pl_module)

    def on_exception(self, trainer: Trainer, pl_module: Any, exception: BaseException) -> None:
        """Keep what there is: the best picture if one was scored, else the one in hand."""
        if pl_module.image is None or trainer.global_step == 0 or isinstance(exception, InputError):
            return
        best = pl_module.best.picture
        picture = pl_module.picture() if best is None else pl_module.shown(best)
        self._save_result(trainer, pl_module, picture)

    def _save_result(self, trainer: Trainer, pl_module: Any, picture: Tensor) -> None:
        self._save(trainer, pl_module, picture, self.result_path(trainer))
        if self.out is not None:
            write_whole(self.out, self.result_path(trainer).read_bytes())

    def _save(
        self,
        trainer: Trainer,
        pl_module: Any,
        picture: Tensor,
        path: Path,
        side: int | None = None,
    ) -> None:
        picture, alpha = at_most(picture, pictures_of(trainer).alpha, side)
        save_image(
            picture,
            path,
            alpha=alpha,
            settings=pl_module.public_settings,
            quality=self.quality,
            bits=self.bits,
        )

    def _save_best(self, trainer: Trainer, pl_module: Any) -> None:
        best = pl_module.best
        if not self.save_best or best.picture is None:
            return
        loss = float(best.loss)
        if loss != self._best_written:
            path = self.folder(trainer) / f"best.{self.format}"
            self._save(trainer, pl_module, pl_module.shown(best.picture), path, self.side)
            self._best_written = loss

    def _to_tensorboard(self, trainer: Trainer, picture: Tensor, step: int) -> None:
        side = min(self.side or TENSORBOARD_SIDE, TENSORBOARD_SIDE)
        for logger in trainer.loggers:
            add_image = getattr(getattr(logger, "experiment", None), "add_image", None)
            if add_image is not None:
                add_image("picture", at_most(picture, None, side)[0][0], step)

    def _frames(self, trainer: Trainer) -> tuple[list[Image.Image], list[str]]:
        if not (self.film or self.sheet):
            return [], []
        steps = {
            int(number): path
            for path in self.folder(trainer).glob(f"step-*.{self.format}")
            if (number := path.stem.removeprefix("step-")).isdigit()
        }
        with Image.open(self.result_path(trainer)) as picture:
            # All as the result: pictures of a coarser scale are smaller.
            scale = min(1.0, FRAME_SIDE / max(picture.size))
            size = [max(1, round(side * scale)) for side in picture.size]

        def frame(path: Path) -> Image.Image:
            with Image.open(path) as picture:
                rgb = picture.convert("RGB")
            return rgb.resize((size[0], size[1]), Image.Resampling.LANCZOS)

        frames = {step: frame(steps[step]) for step in sorted(steps)}
        result, last = frame(self.result_path(trainer)), trainer.global_step
        # The last picture on the way is mostly the result itself, smaller or not: show it once.
        if last in frames and _alike(frames[last], result):
            del frames[last]
        labels = [*(f"step {step}" for step in frames), f"result, step {last}"]
        return [*frames.values(), result], labels


def _alike(one: Image.Image, other: Image.Image) -> bool:
    """Return whether two pictures of a size differ by less than a level on average."""
    return max(ImageStat.Stat(ImageChops.difference(one, other)).mean) < 1
