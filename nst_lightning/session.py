"""A session: a run that was opened from settings, whatever door it came through."""

import contextlib
import gc
import math
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor

from nst_lightning.callbacks import LossExplosion
from nst_lightning.checks import typed
from nst_lightning.data.image_pair import ImagePair
from nst_lightning.data.images import PICTURE, Picture
from nst_lightning.data.measured import as_measured, as_saved
from nst_lightning.errors import CheckedError, InputError
from nst_lightning.given import layers_of, spell_out
from nst_lightning.guest import Guest
from nst_lightning.module import NeuralStyleTransfer
from nst_lightning.objective import SharedTargets
from nst_lightning.options import Settings
from nst_lightning.quiet import quiet_lightning
from nst_lightning.run_cli import PARTS, RunCLI
from nst_lightning.run_folder import occupied
from nst_lightning.say import say
from nst_lightning.short_names import as_typed


class Session:
    """One run, ready to be painted and measured; :func:`open_run` makes one.

    Attributes:
        model: The picture and its objective.
        pair: The content and the styles.
        trainer: Lightning's trainer.
        guard: What looks after the loss.
        settings: The whole configuration as nested mappings.
        folder: Where the run writes.
    """

    def __init__(self, cli: RunCLI, guest: Guest) -> None:
        self._cli, self._guest = cli, guest
        self.model: NeuralStyleTransfer = cli.model
        self.pair: ImagePair = cli.datamodule
        self.trainer: Trainer = cli.trainer
        self.guard: LossExplosion = cli.explosion
        self.settings: dict[str, Any] = cli.config_dump
        self.folder = Path(self.trainer.default_root_dir)

    @property
    def _callbacks(self) -> list[Callback]:
        trainer: Any = self.trainer
        callbacks: list[Callback] = trainer.callbacks
        return callbacks

    @property
    def steps(self) -> int:
        """Steps of the whole run.

        Raises:
            InputError: If it has none.
        """
        trainer, limit = self.trainer, self.trainer.limit_train_batches
        each = self.pair.steps_per_epoch
        each = min(each, limit) if isinstance(limit, int) else int(each * limit)
        if 0 in (trainer.max_epochs, trainer.max_steps, each):
            raise InputError(
                "trainer.max_epochs: the run has no step; give at least 1 epoch, and no "
                "limit_train_batches"
            )
        epochs = trainer.max_epochs or 1
        steps = each * epochs
        if trainer.max_steps >= 0:
            steps = min(steps, trainer.max_steps) if epochs > 0 else trainer.max_steps
        if (trainer.min_epochs or 0) > epochs > 0 or (trainer.min_steps or 0) > steps >= 0:
            raise InputError(
                "trainer.min_epochs, trainer.min_steps: the run has fewer; raise trainer.max_epochs"
            )
        return steps

    @typed()
    def run(self, *callbacks: Callback) -> None:
        """Paint, or go on from the checkpoint; see :attr:`stopped` afterwards.

        Args:
            callbacks: Further callbacks; their hooks are called before the run's own.

        Raises:
            InputError: If something turns out wrong as the run begins.
            KeyboardInterrupt: If Ctrl-C came twice, or before the first step.
        """
        _ = self.steps  # which refuses a run that has none
        self._callbacks[:0] = callbacks
        folder = occupied(self.folder) if self._cli.writes else contextlib.nullcontext()
        with self._guest(), folder, self._listening_to_signals(), quiet_lightning():
            self.trainer.fit(self.model, self.pair, ckpt_path=self._cli.config.ckpt_path)
            taken, steps = self.trainer.global_step, self.trainer.estimated_stepping_batches
            gave_up = self.guard.retries > self.guard.max_retries  # which it said
            told = self.interrupted or self.ended_by_hand or gave_up
            if self.trainer.should_stop and not told and taken < steps < math.inf:
                say(f"note: ended after {taken} of {steps} steps: trainer.max_time or a callback")

    def check(self) -> None:
        """Begin the run and leave it before its first step: whatever a run refuses is refused.

        Nothing is written if the session was opened without pictures and checkpoints. The session
        cannot be run afterwards.

        Raises:
            InputError: If something about it is wrong.
        """
        with contextlib.suppress(CheckedError):
            self.run(_EndsBeforeFirstStep())

    def test(self) -> dict[str, float]:
        """Return the measures of a finished picture and of the untouched content.

        Raises:
            InputError: If the session has no checkpoint.
        """
        if not self._cli.config.ckpt_path:
            raise InputError("test needs --ckpt_path: give a checkpoint, or last")
        with self._guest(), quiet_lightning():
            return dict(
                self.trainer.test(
                    self.model, self.pair, ckpt_path=self._cli.config.ckpt_path, verbose=False
                )[0]
            )

    @contextlib.contextmanager
    def _listening_to_signals(self) -> Iterator[None]:
        """Let Ctrl-C stay a KeyboardInterrupt, where Lightning calls ``sys.exit(1)``."""
        listening = signal.getsignal(signal.SIGINT)
        try:
            yield
        except SystemExit as stop:
            if not isinstance(stop.__context__, KeyboardInterrupt):
                raise
            # Lightning lets the process ignore Ctrl-C from here on; a notebook lives on and needs
            # it.
            with contextlib.suppress(ValueError):  # not the main thread
                signal.signal(signal.SIGINT, listening)
            raise stop.__context__ from None

    @property
    def finished(self) -> bool:
        """Whether every step that was asked for has been taken."""
        return self.trainer.global_step >= self.trainer.estimated_stepping_batches

    @property
    def interrupted(self) -> int:
        """The number of the signal if Ctrl-C or SIGTERM came, else 0."""
        return self._cli.stop.received or 0

    @property
    def ended_by_hand(self) -> bool:
        """Whether somebody ended the run otherwise, as by the preview's *finish now*."""
        return self._cli.stop.asked

    @property
    def stopped(self) -> bool:
        """Whether Ctrl-C or SIGTERM ended the run before its last step."""
        return bool(self.interrupted) and not self.finished

    @property
    def depends_on_length(self) -> bool:
        """Whether a picture on the way is not what a shorter run would hand over."""
        return any(getattr(callback, "depends_on_length", False) for callback in self._callbacks)

    @property
    def picture_path(self) -> Path:
        """Where the finished picture is written."""
        return self._cli.images.result_path(self.trainer)

    def write_picture(self) -> None:
        """Write the finished picture, and a film and a sheet if asked for."""
        with self._guest():
            self._cli.images.on_train_end(self.trainer, self.model)

    def picture(self) -> Tensor:
        """Return the picture as it is shown: shape ``(1, 3, H, W)``, values in [0, 1]."""
        with self._guest():
            return self.model.picture()

    def measures(self, learned: bool = False) -> dict[str, float]:
        """Measure the picture.

        Args:
            learned: LPIPS and DISTS too, where their weights are on this machine.

        Returns:
            Losses by term; ``ssim`` and ``mse`` to the content; ``style_distance``;
            ``total_variation``; and ``tradeoff``, the style distance plus 1 - SSIM, by which runs
            of different weights can be compared.

        Raises:
            InputError: If the picture is too small to be measured.
        """
        with self._guest():
            return self._measures(learned)

    def _measures(self, learned: bool) -> dict[str, float]:
        from nst_lightning.metrics.evaluate import PictureMetrics
        from nst_lightning.metrics.views import MEASURED_LAYERS

        model = self.model.cpu()
        with torch.no_grad():
            picture = model.picture()
            model.set_targets(model.objective.held())
            found = {name: float(value) for name, value in model.losses(picture).items()}
        against, shared = as_measured(self.pair), self._cli.shared  # as the page of `compare` does
        encoder = shared.measuring_encoder(MEASURED_LAYERS) if shared else None
        measured = PictureMetrics.of(against, encoder, learned=learned)(as_saved(picture))
        found |= {
            "ssim": measured["ssim/content"],
            "mse": measured["mse/content"],
            "style_distance": measured["style_distance"],
            "total_variation": measured["total_variation"],
        }
        return found | {"tradeoff": found["style_distance"] + 1 - found["ssim"]}


@typed(content=PICTURE, styles=f"a list, each {PICTURE}")
def open_run(
    settings: Settings,
    configs: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    *,
    resume: str | os.PathLike[str] | None = None,
    content: Picture | None = None,
    styles: Sequence[Picture] | None = None,
    summary: bool = True,
    progress: bool = True,
    pictures: bool = True,
    checkpoints: bool = True,
    shared: SharedTargets | None = None,
) -> Session:
    """Open a run.

    Args:
        settings: Any settings of a run, nested or by dotted names such as ``data.size``; they are
            applied one after another, on top of the configs and the defaults.
        configs: Config files by path or by name, laid over one another from left to right.
        resume: Checkpoint to go on from: a path, or ``last`` for the folder's own, if it is there.
        content: A Pillow picture, or a source, in place of ``data.content``.
        styles: The same for ``data.style``.
        summary: Print the closing lines.
        progress: Show a bar where stderr is a terminal.
        pictures: Write pictures.
        checkpoints: Write checkpoints.
        shared: Encoders and targets of other runs, to be used again.

    Returns:
        The session. With neither pictures nor checkpoints, nor a summary, nor progress, nothing at
        all is written.

    Raises:
        InputError: If something given is wrong.
    """
    gc.collect()  # an older run's trainer and model, which only this frees: they know each other
    guest = Guest()
    layers = layers_of(settings, configs)
    wanted = {
        "summary": summary,
        "progress": progress,
        "pictures": pictures,
        "checkpoints": checkpoints,
    }
    with guest(), quiet_lightning():
        cli = RunCLI(
            layers,
            parts=frozenset(part for part in PARTS if wanted[part]),
            shared=shared,
            resume=None if resume is None else os.fspath(resume),
            content=content,
            styles=styles,
        )
    if content is not None:
        cli.datamodule.content_source = content
    if styles is not None:
        cli.datamodule.set_styles(list(styles))
    return Session(cli, guest)


def open_words(
    words: Sequence[str], command: str = "fit", spelled: Sequence[str] | None = None
) -> Session:
    """Open the run that a command line of ``fit`` or ``test`` describes; raises ``InputError``.

    Args:
        words: As they were typed.
        command: The command.
        spelled: What `given.spell_out` made of them, where that was asked already.
    """
    guest = Guest()
    spelled = spell_out(words) if spelled is None else spelled
    named = {word.partition("=")[0].removeprefix("--") for word in words if word[:2] == "--"}
    try:
        with guest(), quiet_lightning():
            return Session(RunCLI(spelled, command), guest)
    except InputError as error:
        raise InputError(as_typed(str(error), named)) from error


class _EndsBeforeFirstStep(Callback):
    """Lets a run go as far as all that is checked, and no further; nothing is written yet."""

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Stop here."""
        raise CheckedError
