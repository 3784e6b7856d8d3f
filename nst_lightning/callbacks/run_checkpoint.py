"""Keeps one checkpoint from which the run goes on bit for bit."""

from pathlib import Path
from typing import Any, Literal

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from nst_lightning.checks import choice
from nst_lightning.csv_logger import RunCSVLogger
from nst_lightning.errors import InputError
from nst_lightning.files import remove_parts
from nst_lightning.run_folder import forget_older_run


class RunCheckpoint(ModelCheckpoint):
    """Writes ``checkpoints/last.ckpt`` under the trainer's ``default_root_dir`` every N steps.

    Args:
        every_n_steps: Steps between two checkpoints; a run that is killed repeats at most so many.
        optimizer: How long the optimiser's state, which is far larger than the picture, is kept:
            ``full`` for ever, ``light`` until the run has taken its last step (a longer run that
            goes on from there learns the curvature anew), ``none`` not at all (so does a run that
            was killed, and its picture is another one).

    Raises:
        InputError: If ``every_n_steps`` is below 1, or ``optimizer`` is none of these.
    """

    def __init__(
        self, every_n_steps: int = 25, optimizer: Literal["full", "light", "none"] = "light"
    ) -> None:
        if every_n_steps < 1:
            raise InputError(f"checkpoint.every_n_steps: {every_n_steps} is not at least 1")
        self.optimizer = choice("checkpoint.optimizer", optimizer, ("full", "light", "none"))
        super().__init__(
            filename="last",
            every_n_train_steps=every_n_steps,
            enable_version_counter=False,
            save_weights_only=False,
        )

    @staticmethod
    def path(trainer: Trainer) -> Path:
        """Path of the checkpoint."""
        return Path(trainer.default_root_dir, "checkpoints", "last.ckpt")

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Put the folder beside the pictures, whatever the loggers are."""
        self.dirpath = str(self.path(trainer).parent)
        super().setup(trainer, pl_module, stage)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let the log go on where the checkpoint was written, or begin anew."""
        super().on_train_start(trainer, pl_module)
        if trainer.global_step == 0:
            forget_older_run(self.path(trainer).parents[1])
        for folder in (self.path(trainer).parents[1], self.path(trainer).parent):
            remove_parts(folder)
        for logger in trainer.loggers:
            if isinstance(logger, RunCSVLogger):
                logger.resume_at(trainer.global_step)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write on time, and at once if the run was asked to stop."""
        if self.finished(trainer):
            # A checkpoint of the last step must not be there before the result is: nothing would be
            # left to do for a run that goes on from it.
            return
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        if trainer.should_stop and self._last_global_step_saved != trainer.global_step:
            self._save_checkpoint(trainer, str(self.path(trainer)))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the finished state: a guard may have put the best picture back."""
        if self.finished(trainer) or not trainer.should_stop:
            self._save_checkpoint(trainer, str(self.path(trainer)))

    @staticmethod
    def finished(trainer: Trainer) -> bool:
        """Whether every step that was asked for has been taken."""
        return trainer.global_step >= trainer.estimated_stepping_batches

    def _save_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        # First the log: what a checkpoint says was logged must be on the disk, or a run that is
        # killed, or that finds no room, leaves a gap.
        for logger in trainer.loggers:
            if isinstance(logger, RunCSVLogger):
                # Of the step in hand, too, whose row Lightning hands over after its last hook.
                row = {k: float(v) for k, v in trainer._logger_connector.metrics["log"].items()}
                if row:
                    row["epoch"] = trainer.current_epoch
                    logger.log_metrics(row, trainer.global_step - 1)
                logger.flush()
            else:
                logger.save()
        super()._save_checkpoint(trainer, filepath)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Leave the optimiser's state out where it is not wanted."""
        if self.optimizer == "none" or (self.optimizer == "light" and self.finished(trainer)):
            checkpoint["optimizer_states"] = []

    def state_dict(self) -> dict[str, Any]:
        """Nothing: paths and scores of another machine would only mislead a resumed run."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take nothing over."""
