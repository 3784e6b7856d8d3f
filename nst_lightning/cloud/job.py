"""One training job: a run with SageMaker's folders around it."""

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

from nst_lightning.checkpoint_io import checkpoint_settings
from nst_lightning.cloud.container import Container
from nst_lightning.cloud.metric_lines import metric_line
from nst_lightning.data.sources import source_digest
from nst_lightning.errors import InputError
from nst_lightning.files import write_whole
from nst_lightning.fingerprint import file_digests
from nst_lightning.memory import keep_memory
from nst_lightning.options import digest
from nst_lightning.session import Session, open_run

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


def main(environ: Mapping[str, str] | None = None) -> int:
    """Run the job that the environment describes.

    Args:
        environ: The environment of the process if None.

    Returns:
        0, or 1 with the reason as the last line of stderr, which the toolkit makes the job's
        failure reason.
    """
    started = time.monotonic()
    keep_memory()
    try:
        container = Container.from_environ(os.environ if environ is None else environ)
        configs, settings = container.configs(), container.run_settings()
        shown = {"configs": [path.name for path in configs], **settings}
        print("painting with", json.dumps(shown, ensure_ascii=False), flush=True)
        if str(container.base / "code") not in sys.path:
            sys.path.append(str(container.base / "code"))
        files = [*(source_digest(str(path)) for path in configs), file_digests(settings)]
        decides = json.dumps([settings, files]).replace(str(container.base), "")  # wherever it is
        checkpoint = find_checkpoint(container, digest(decides))
        session = open_run(settings, configs, resume=checkpoint)
        # Its line is printed before a step's checkpoint is written, not after.
        session.run(MetricLines())
        hand_over(session, container, time.monotonic() - started)
    except InputError as error:
        return _fail(_USERS_MISTAKE, str(error))
    except KeyboardInterrupt:
        return _fail(_BREAKDOWN, "the job was interrupted; start it again to go on")
    except Exception as error:
        # To stdout, so that CloudWatch has it and the failure reason stays one line.
        print(traceback.format_exc(), flush=True)
        return _fail(_BREAKDOWN, explain(error))
    return 0


def find_checkpoint(container: Container, decides: str) -> Path | None:
    """Return the checkpoint to go on from, if there is a whole one of the same picture.

    Args:
        container: Of the job.
        decides: Digest of all that decides the picture; it is kept beside the run's folder.
    """
    folder, mark = container.run_folder, container.run_folder.with_suffix(".digest")
    if folder.is_dir() and not (mark.is_file() and mark.read_text(encoding="utf-8") == decides):
        print("note: the checkpoint is of another picture; starting from the beginning", flush=True)
        shutil.rmtree(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    write_whole(mark, decides)
    for path in folder.rglob(".*.part*") if folder.is_dir() else ():
        path.unlink()  # what was being written when an earlier instance was taken away
    if not container.checkpoint.is_file():
        return None
    try:
        checkpoint_settings(container.checkpoint)
    except InputError:
        print("note: the checkpoint is damaged; starting from the beginning", flush=True)
        container.checkpoint.unlink()
        return None
    print(f"going on from {container.checkpoint}", flush=True)
    return container.checkpoint


def hand_over(session: Session, container: Container, seconds: float) -> None:
    """Put the picture, the measures, the configuration and the log into the model folder.

    Args:
        session: A run that is over.
        container: Where the model folder is.
        seconds: Time that the job took so far.
    """
    measures: dict[str, float] = {"steps": session.trainer.global_step, "seconds": round(seconds)}
    try:
        measures = session.measures() | measures
    except InputError as error:
        print(f"note: not measured: {error}", flush=True)
    if not session.picture_path.is_file():
        # The finished checkpoint outlived the instance, and the picture did not.
        session.write_picture()
    root = container.run_folder
    for path in container.model.rglob("*"):
        if path.is_file():
            path.unlink()  # of an older job
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.suffix != ".ckpt":
            target = container.model / path.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    write_whole(Path(container.model, "metrics.json"), json.dumps(measures, indent=1) + "\n")
    sys.stdout.write(metric_line(measures, final=True) + "\n")
    sys.stdout.flush()


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
