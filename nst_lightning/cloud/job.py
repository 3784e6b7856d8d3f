"""One training job: its pictures one after another, each kept in S3 as soon as it is finished.

SageMaker copies ``/opt/ml/checkpoints`` to S3 while a job runs, and back into the instance that
comes after a lost one; ``/opt/ml/model`` it copies once, at a good end. So a finished picture goes
among the checkpoints, as one file: the job needs neither boto3 nor a permission of its own, and
whatever ends it keeps what it has painted.
"""

import importlib
import io
import json
import math
import os
import shutil
import sys
import tarfile
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from nst_lightning.checkpoint_io import checkpoint_settings
from nst_lightning.cloud.container import Container, Task
from nst_lightning.cloud.films import FRAMES, MEASURE
from nst_lightning.cloud.metric_lines import metric_line
from nst_lightning.data.sources import source_digest
from nst_lightning.errors import InputError
from nst_lightning.files import write_whole
from nst_lightning.fingerprint import file_digests
from nst_lightning.memory import keep_memory
from nst_lightning.objective import SharedTargets
from nst_lightning.options import digest
from nst_lightning.run_folder import CHECKPOINT, MEASURES, occupied
from nst_lightning.session import Session, open_run

# The toolkit takes over what follows a line with the name of one of Python's own exceptions.
_USERS_MISTAKE = "ValueError"
_BREAKDOWN = "RuntimeError"


class MetricLines(Callback):
    """Prints the step's losses at every logging step, flushed and ended by a newline.

    Args:
        labels: Words of every line.
    """

    def __init__(self, **labels: int) -> None:
        self.labels = labels

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
        sys.stdout.write(metric_line(losses, step=step, **self.labels) + "\n")
        sys.stdout.flush()


def main(environ: Mapping[str, str] | None = None) -> int:
    """Run the job that the environment describes.

    Args:
        environ: The environment of the process if None.

    Returns:
        0 if every picture was painted, or 1 with a reason as the last line of stderr, which the
        toolkit makes the job's failure reason.
    """
    keep_memory()
    reasons: list[str] = []
    tasks: list[Task] = []
    try:
        container = Container.from_environ(os.environ if environ is None else environ)
        if str(container.base / "code") not in sys.path:
            sys.path.append(str(container.base / "code"))
        tasks, shared = container.tasks() or [_one_task(container)], SharedTargets(keep=0)
        for task in tasks:
            if task.kept.is_file():
                print(f"{task.key} is finished already", flush=True)
            elif reason := _why_not(container, task, shared):
                write_whole(task.failed, reason)
                kind, _, what = reason.partition(": ")
                reasons.append(f"{kind}: {task.key}: {what}" if len(tasks) > 1 else reason)
        if not reasons:
            _hand_over(container, tasks)
    except InputError as error:
        reasons = [f"{_USERS_MISTAKE}: {error}"]
    except KeyboardInterrupt:
        reasons = [f"{_BREAKDOWN}: the job was interrupted; start it again to go on"]
    if reasons:
        more = f" ({len(reasons)} of {len(tasks)} pictures failed)" if len(reasons) > 1 else ""
        print(reasons[0][: 900 - len(more)] + more, file=sys.stderr, flush=True)
    return int(bool(reasons))


def _one_task(container: Container) -> Task:
    """Return the one picture of a job that an estimator of the user's own started."""
    told = {"key": "picture", "id": "", "attempt": 1, "settings": {}, "channels": {}}
    settings = container.task(1, told).settings
    files = [*(source_digest(str(path)) for path in container.configs()), file_digests(settings)]
    decides = json.dumps([settings, files]).replace(str(container.base), "")  # wherever it is
    return container.task(1, {**told, "id": digest(decides)[:10]})


def _why_not(container: Container, task: Task, shared: SharedTargets) -> str:
    """Paint a picture; return why that could not be done, if it could not."""
    if task.failed.is_file():  # on an instance that was taken away since
        return task.failed.read_text(encoding="utf-8")
    try:
        if task.film:
            paint_part(container, task)
        else:
            paint(container, task, shared)
    except InputError as error:
        return f"{_USERS_MISTAKE}: {error}"
    except Exception as error:
        # To stdout, so that CloudWatch has it and the failure reason stays one line.
        print(traceback.format_exc(), flush=True)
        return f"{_BREAKDOWN}: {explain(error)}"
    return ""


def paint(container: Container, task: Task, shared: SharedTargets) -> None:
    """Paint one picture, or go on from its checkpoint, and keep it.

    Args:
        container: Of the job.
        task: What to paint.
        shared: Encoders of the pictures before.

    Raises:
        InputError: If something given is wrong.
        KeyboardInterrupt: If the job is being stopped.
    """
    started, configs = time.monotonic(), container.configs()
    shown = {"configs": [path.name for path in configs], **task.settings}
    print("painting with", json.dumps(shown, ensure_ascii=False), flush=True)
    session = open_run(
        {**task.settings, "overwrite": True},
        configs,
        resume=find_checkpoint(task.folder),
        shared=shared,
    )
    # Its line is printed before a step's checkpoint is written, not after.
    session.run(MetricLines(steps=session.steps, picture=task.number))
    if session.stopped:
        raise KeyboardInterrupt
    keep(session, task, time.monotonic() - started)


def paint_part(container: Container, task: Task) -> None:
    """Paint those frames of a part of a clip that are missing, and keep them.

    Args:
        container: Of the job.
        task: What to paint.

    Raises:
        InputError: If something given is wrong.
        KeyboardInterrupt: If the job is being stopped.
    """
    started, settings = time.monotonic(), dict(task.settings)
    print("painting with", json.dumps(settings | task.film, ensure_ascii=False), flush=True)
    clip, styles = settings.pop("data.content"), settings.pop("data.style")
    del settings["trainer.default_root_dir"]

    def told(done: int, total: int) -> None:
        print(metric_line({}, step=done, steps=total, picture=task.number), flush=True)

    # By name, as the command line does: features know the session, and not each other.
    wing = importlib.import_module("nst_lightning.video.production")
    film = wing.Production(
        clip, styles, "", task.folder, settings=settings, configs=container.configs(), **task.film
    )
    with occupied(task.folder, FRAMES, "passes/*"):
        rows = film.paint(told)
    errors = [row["painting"] for row in rows if math.isfinite(row.get("painting", math.nan))]
    mean = {MEASURE: sum(errors) / len(errors)} if errors else {}
    _pack(task, {FRAMES: len(rows), "seconds": round(time.monotonic() - started), **mean})


def find_checkpoint(folder: Path) -> Path | None:
    """Return the checkpoint to go on from, if there is a whole one.

    It is of the same picture: its folder has the name of all that decides that.

    Args:
        folder: Of the run.
    """
    for path in folder.rglob(".*.part*") if folder.is_dir() else ():
        path.unlink()  # what was being written when an earlier instance was taken away
    checkpoint = folder / CHECKPOINT
    if not checkpoint.is_file():
        return None
    try:
        checkpoint_settings(checkpoint)
    except InputError:
        print("note: the checkpoint is damaged; starting from the beginning", flush=True)
        checkpoint.unlink()
        return None
    print(f"going on from {checkpoint}", flush=True)
    return checkpoint


def keep(session: Session, task: Task, seconds: float) -> None:
    """Put the picture, the measures, the configuration and the log into the picture's one file.

    Args:
        session: A run that is over.
        task: What was painted.
        seconds: Time that it took.
    """
    steps = session.trainer.global_step
    measures: dict[str, float] = {"steps": steps, "seconds": round(seconds)}
    try:
        measures = session.measures() | measures
    except InputError as error:
        print(f"note: not measured: {error}", flush=True)
    if not session.picture_path.is_file():
        # The finished checkpoint outlived the instance, and the picture did not.
        session.write_picture()
    _pack(task, measures)


def _pack(task: Task, measures: Mapping[str, float]) -> None:
    """Put all but what a run goes on from into one file, with the measures."""
    root = task.folder
    write_whole(root / MEASURES, json.dumps(measures, indent=1) + "\n")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for path in sorted(root.rglob("*")):
            if path.is_file() and path.suffix not in (".ckpt", ".safetensors"):
                tar.add(path, path.relative_to(root).as_posix())
    write_whole(task.kept, buffer.getvalue())
    shutil.rmtree(task.folder)  # the next instance need not fetch it
    sys.stdout.write(metric_line(measures, final=True) + "\n")
    sys.stdout.flush()


def _hand_over(container: Container, tasks: list[Task]) -> None:
    """Lay all pictures into the model folder, which SageMaker packs into the job's results."""
    for path in container.model.rglob("*"):
        if path.is_file():
            path.unlink()  # of an older job on a warm instance
    for task in tasks:
        with tarfile.open(task.kept) as tar:
            tar.extractall(container.model / (task.key if len(tasks) > 1 else ""), filter="data")


def explain(error: Exception) -> str:
    """Return one line for an error that is not the user's input, with what to do if it is known."""
    text = f"{type(error).__name__}: {' '.join(str(error).split())}"
    if "out of memory" in text.lower() or isinstance(error, MemoryError):
        return f"out of memory: use a smaller data.size or a larger instance type ({text})"
    if "no space left" in text.lower():
        how = "raise job.volume_size, or take a larger type of those with a disk of their own"
        return f"the disk is full: {how} ({text})"
    if isinstance(error, ModuleNotFoundError):
        return f"{text}: name the package in job.requirements"
    return f"{text}; the job's log has the whole traceback"
