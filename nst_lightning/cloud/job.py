"""One training job: the command line of ``train.py`` with SageMaker's folders around it."""

import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from nst_lightning.callbacks import ImageCheckpoint
from nst_lightning.checkpoint_io import checkpoint_settings
from nst_lightning.cli import StyleCLI
from nst_lightning.cloud.container import Container
from nst_lightning.cloud.metric_lines import metric_line
from nst_lightning.errors import InputError
from nst_lightning.files import atomic_write
from nst_lightning.memory import keep_memory
from nst_lightning.quiet import quiet_lightning

# The toolkit takes over what follows a line with the name of one of Python's own exceptions.
_USERS_MISTAKE = "ValueError"
_BREAKDOWN = "RuntimeError"


class MetricLines(Callback):
    """Prints the step's losses at every logging step, flushed and ended by a newline."""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Print the line."""
        step = trainer.global_step
        if step % trainer.log_every_n_steps:  # type: ignore[attr-defined]
            return
        losses = {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            if name == "loss" or name.endswith("_loss")
        }
        # One write: the toolkit reads the pipe in blocks, and half a line matches nothing.
        sys.stdout.write(metric_line(losses, step=step) + "\n")
        sys.stdout.flush()


class JobCLI(StyleCLI):
    """The command line of ``train.py`` that also prints metric lines."""

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Add the metric lines to the callbacks that every run has."""
        trainer = super().instantiate_trainer(**kwargs)
        # First: a step's line is printed before its checkpoint is written, not after.
        trainer.callbacks.insert(0, MetricLines())  # type: ignore[attr-defined]
        return trainer


def main(environ: Mapping[str, str] | None = None) -> int:
    """Run the job that the environment describes.

    Args:
        environ: The environment of the process if None.

    Returns:
        0, or 1 with the reason as the last line of stderr, which the toolkit makes the job's
        failure reason.
    """
    started = time.monotonic()
    try:
        container = Container.from_environ(os.environ if environ is None else environ)
        arguments = container.arguments() + resume_arguments(container)
        print("running train.py", *arguments, flush=True)
        keep_memory()
        if str(container.base / "code") not in sys.path:
            sys.path.append(str(container.base / "code"))
        with quiet_lightning():
            cli = JobCLI(arguments)
        hand_over(cli, container, time.monotonic() - started)
    except InputError as error:
        return _fail(_USERS_MISTAKE, str(error))
    except KeyboardInterrupt:
        return _fail(_BREAKDOWN, "the job was interrupted; start it again to go on")
    except Exception as error:
        # To stdout, so that CloudWatch has it and the failure reason stays one line.
        print(traceback.format_exc(), flush=True)
        return _fail(_BREAKDOWN, explain(error))
    return 0


def resume_arguments(container: Container) -> list[str]:
    """Return what makes the run go on from the checkpoint, if there is a whole one."""
    folder = container.run_folder
    for path in folder.rglob(".*.part*") if folder.is_dir() else ():
        path.unlink()  # what was being written when an earlier instance was taken away
    if not container.checkpoint.is_file():
        return []
    try:
        checkpoint_settings(container.checkpoint)
    except InputError:
        print("note: the checkpoint is damaged; starting from the beginning", flush=True)
        container.checkpoint.unlink()
        return []
    print(f"going on from {container.checkpoint}", flush=True)
    return ["--ckpt_path", str(container.checkpoint)]


def hand_over(cli: StyleCLI, container: Container, seconds: float) -> None:
    """Put the picture, the measures, the configuration and the log into the model folder.

    Args:
        cli: A command line whose run is over.
        container: Where the model folder is.
        seconds: Time that the job took so far.
    """
    measures = final_measures(cli) | {"steps": cli.trainer.global_step, "seconds": round(seconds)}
    pictures = [c for c in cli.trainer.callbacks if isinstance(c, ImageCheckpoint)]  # type: ignore[attr-defined]
    for callback in pictures:
        if not callback.result_path(cli.trainer).is_file():
            # The finished checkpoint outlived the instance, and the picture did not.
            callback.on_train_end(cli.trainer, cli.model)
    root = container.run_folder
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.suffix != ".ckpt":
            target = container.model / path.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    with atomic_write(Path(container.model, "metrics.json")) as part:
        part.write_text(json.dumps(measures, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(metric_line(measures, final=True) + "\n")
    sys.stdout.flush()


def final_measures(cli: StyleCLI) -> dict[str, float]:
    """Measure the finished picture: losses by term, SSIM, MSE, style distance and their trade-off.

    ``tradeoff`` is the style distance plus 1 - SSIM to the content. Unlike the losses it does not
    depend on the weights, so that runs of different weights can be compared by it.
    """
    import torch

    from nst_lightning.encoder import VGG19Encoder
    from nst_lightning.metrics.evaluate import STYLE_LAYERS, PictureMetrics

    model, pair = cli.model, cli.datamodule
    with torch.no_grad():
        picture = model.picture().cpu()
        model.cpu().set_targets()
        measures = {name: float(value) for name, value in model.losses(picture).items()}
    try:
        measure = PictureMetrics(
            pair.content, pair.styles, VGG19Encoder(STYLE_LAYERS), pair.blend, learned=False
        )
        measured = measure(picture)
    except InputError as error:
        print(f"note: not measured: {error}", flush=True)
        return measures
    measures |= {
        "ssim": measured["ssim/content"],
        "mse": measured["mse/content"],
        "style_distance": measured["style_distance"],
        "total_variation": measured["total_variation"],
    }
    measures["tradeoff"] = measures["style_distance"] + 1 - measures["ssim"]
    return measures


def explain(error: Exception) -> str:
    """Return one line for an error that is not the user's input, with what to do if it is known."""
    text = f"{type(error).__name__}: {' '.join(str(error).split())}"
    if "out of memory" in text.lower() or isinstance(error, MemoryError):
        return f"out of memory: use a smaller data.size or a larger instance type ({text})"
    if "no space left" in text.lower():
        return f"the disk is full: raise job.volume_size ({text})"
    if isinstance(error, ModuleNotFoundError):
        return f"{text}: name the package in job.requirements"
    return f"{text}; the job's log has the whole traceback"


def _fail(kind: str, message: str) -> int:
    print(f"{kind}: {message}"[:900], file=sys.stderr, flush=True)
    return 1
