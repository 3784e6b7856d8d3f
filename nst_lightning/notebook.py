"""One call for notebooks: the command line's engine and defaults, pictures in and a picture out."""

import contextlib
import io
import os
import tempfile
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Union

from lightning.pytorch import Callback

from nst_lightning.callbacks import ImageCheckpoint, RunCheckpoint, RunSummary, StyleProgressBar
from nst_lightning.cli import StyleCLI, fit
from nst_lightning.memory import keep_memory
from nst_lightning.parser import find_config
from nst_lightning.quiet import quiet_lightning

if TYPE_CHECKING:
    from PIL import Image

Picture = Union[str, "os.PathLike[str]", "Image.Image"]

_IN_MEMORY = "a picture in memory"
"""What the settings call a Pillow picture."""

_SHORT = {
    "size": "data.size",
    "content_weight": "model.content.weight",
    "style_weight": "model.style.weight",
    "tv_weight": "model.tv.weight",
    "style_scale": "data.style_scale",
    "init": "data.init",
    "weights": "model.encoder.weights",
    "seed": "seed_everything",
}


class _NotebookCLI(StyleCLI):
    """Parses and builds as ``fit`` does, and leaves the running to the caller."""

    def fit(self, **kwargs: Any) -> None:
        self.fit_arguments = kwargs


def stylize(
    content: Picture,
    style: Picture | Sequence[Picture],
    *,
    steps: int | None = None,
    config: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
    settings: Mapping[str, Any] | None = None,
    folder: str | os.PathLike[str] | None = None,
    callbacks: Sequence[Callback] = (),
    progress: bool = True,
    **options: Any,
) -> "Image.Image":
    """Paint ``content`` in the manner of ``style``.

    As on the command line the process keeps the memory that it used, for speed; see `keep_memory`.

    Args:
        content: A path, URL, ``sample:NAME``, or a Pillow picture.
        style: The same, or a sequence of them.
        steps: Optimiser steps in all; the configuration's epochs and steps if left out.
        config: A configuration file, or the name of one in configs/ such as ``gatys``; several are
            laid over one another from left to right.
        settings: Any setting of the command line by its name, as ``{"model.style.divisor": "hw"}``.
        folder: Where to write pictures on the way, metrics and checkpoints; nothing is kept if left
            out.
        callbacks: Further Lightning callbacks.
        progress: Show a bar where the output is a terminal.
        **options: ``size``, ``content_weight``, ``style_weight``, ``tv_weight``, ``style_scale``,
            ``init``, ``weights``, ``seed``: short names for the most used settings.

    Returns:
        The picture, RGB, or RGBA if the content is transparent.

    Raises:
        InputError: If something given is wrong.
        TypeError: If an option does not exist.
    """
    unknown = sorted(set(options) - set(_SHORT))
    if unknown:
        raise TypeError(f"stylize() has no option {unknown[0]!r}; there are {', '.join(_SHORT)}")
    values = dict(settings or {}) | {_SHORT[name]: value for name, value in options.items()}
    styles: list[Any] = [style] if _is_one(style) else list(style)  # type: ignore[arg-type]
    names = [_source_name(source) for source in styles]
    values |= {
        "data.content": _source_name(content),
        "data.style": names[0] if _is_one(style) else names,
    }
    if steps is not None:
        values |= {"data.steps_per_epoch": steps, "trainer.max_epochs": 1}
    keep_memory()
    with contextlib.ExitStack() as stack:
        root = os.fspath(folder or stack.enter_context(tempfile.TemporaryDirectory()))
        configs = [config] if isinstance(config, str | os.PathLike) else config or []
        args = [f"--config={find_config(os.fspath(name))}" for name in configs]
        args += [f"--{name}={_as_text(value)}" for name, value in values.items()]
        args.append(f"--trainer.default_root_dir={root}")
        if folder is None:
            args.append("--trainer.logger=false")
        stack.enter_context(quiet_lightning())
        cli = _NotebookCLI(["fit", *args])
        cli.datamodule.content_source = content
        cli.datamodule.set_styles(styles)
        unwanted: tuple[type[Callback], ...] = (RunSummary,)
        if folder is None:
            unwanted += (ImageCheckpoint, RunCheckpoint)
        if not progress:
            unwanted += (StyleProgressBar,)
        trainer: Any = cli.trainer
        kept = [c for c in trainer.callbacks if not isinstance(c, unwanted)]
        trainer.callbacks = [*callbacks, *kept]
        fit(trainer, **cli.fit_arguments)
        return _as_pillow(cli)


def _is_one(style: Any) -> bool:
    return isinstance(style, str | os.PathLike) or hasattr(style, "getpixel")


def _source_name(source: Any) -> str:
    return os.fspath(source) if isinstance(source, str | os.PathLike) else _IN_MEMORY


def _as_text(value: Any) -> str:
    import json

    return value if isinstance(value, str) else json.dumps(value, default=os.fspath)


def _as_pillow(cli: StyleCLI) -> "Image.Image":
    from PIL import Image

    from nst_lightning.data.encoding import encode_png, quantise

    levels = quantise(cli.model.picture().cpu(), cli.datamodule.alpha, 8)
    picture = Image.open(io.BytesIO(encode_png(levels, None)))
    picture.load()
    return picture
