"""One call for notebooks: the command line's engine and defaults, pictures in and a picture out."""

import base64
import contextlib
import inspect
import io
import os
import signal
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lightning.pytorch import Callback
from PIL import Image

from nst_lightning.callbacks.picture_feed import PictureFeed
from nst_lightning.cell import Place, in_notebook
from nst_lightning.checks import typed
from nst_lightning.data.images import PICTURE, Picture
from nst_lightning.data.metadata import as_text
from nst_lightning.errors import did_you_mean
from nst_lightning.given import find_look
from nst_lightning.mistakes import in_one_line
from nst_lightning.options import flatten
from nst_lightning.session import Session, open_run
from nst_lightning.short_names import ELSEWHERE, LOOK, SHORT_NAMES, spelled_out

_OPTIONS = [name for name in SHORT_NAMES if name not in ("content", "style", "steps")]
_IN_MEMORY = "a picture in memory"
"""What the settings call a picture that has no name."""


@typed(content=PICTURE, style=f"{PICTURE}, or a list of them")
def stylize(
    content: Picture,
    style: Picture | Sequence[Picture],
    *,
    steps: int | None = None,
    look: str | None = None,
    config: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    settings: Mapping[str, Any] | None = None,
    folder: str | os.PathLike[str] | None = None,
    callbacks: Sequence[Callback] = (),
    progress: bool = True,
    preview: bool = False,
    **options: Any,
) -> Image.Image:
    """Paint ``content`` in the manner of ``style``.

    Everything of the process is left as it was: random numbers, torch's modes, environment, signals
    and warnings. Nor does the picture depend on any of it, but for the threads, which are yours to
    choose: with another number (`torch.set_num_threads`) sums are rounded differently. A signal of
    which you have a handler is yours too: it is called at once, and unless it raises, the run goes
    on. On a CPU with glibc the command line is a sixth faster, since it keeps the memory
    that it used; call `nst_lightning.memory.keep_memory` first for the same.

    Args:
        content: A path, URL, ``sample:NAME``, a Pillow picture of any mode, a NumPy array (H, W) or
            (H, W, C), or a torch tensor (C, H, W) or (1, C, H, W): uint8, uint16, or floats in
            [0, 1]; grey, RGB, or either with alpha.
        style: The same, or a sequence of them.
        steps: Optimiser steps, those of the octaves not counted; the configuration's epochs and
            steps if left out.
        look: ``subtle``, ``painted``, ``strong``, ``textured`` or ``colours_only``.
        config: A configuration file, or the name of one in configs/ such as ``gatys``; several are
            laid over one another from left to right.
        settings: Any setting of the command line by its name, as ``{"model.style.divisor": "hw"}``.
        folder: Where to write pictures on the way, metrics and checkpoints; nothing is kept if left
            out. A run of other pictures in it is refused without the setting ``overwrite``.
        callbacks: Further Lightning callbacks.
        progress: Show a bar in a notebook's cell, or on a terminal.
        preview: Show the picture in a notebook's cell as it is painted; elsewhere nothing is shown.
        **options: ``size``, ``content_weight``, ``style_weight``, ``tv_weight``, ``style_scale``,
            ``init``, ``weights``, ``seed``: short names for the most used settings.

    Returns:
        The picture, RGB, or RGBA if the content is transparent. Its settings are the JSON text
        ``info["nst_lightning"]``; ``save`` writes them into the file as the command line does.

    Raises:
        InputError: If something given is wrong.
        KeyboardInterrupt: If Ctrl-C stopped it; what there is then is in the folder.
        Exception: Whatever a callback or another class of yours raises.
        TypeError: If an option does not exist.
    """
    unknown = sorted(set(options) - set(_OPTIONS))
    if unknown:
        known = [*inspect.signature(stylize).parameters, *_OPTIONS]
        there = [name for name in known if name not in ("content", "style", "options")]
        near = did_you_mean(ELSEWHERE.get(unknown[0], unknown[0]), there)
        raise TypeError(
            f"stylize() has no option {unknown[0]!r}{near} (there are {', '.join(there)}; "
            "any other setting goes into settings)"
        )
    values = flatten(settings or {})
    if steps is not None:
        options["steps"] = steps
    values |= spelled_out(options)
    several = isinstance(style, Sequence) and not isinstance(style, str)
    styles: list[Any] = [*style] if isinstance(style, Sequence) and several else [style]
    names = [_source_name(source) for source in styles]
    values |= {
        "data.content": _source_name(content),
        "data.style": names if several else names[0],
    }
    configs = [config] if isinstance(config, str | os.PathLike) else [*config]
    with contextlib.ExitStack() as stack, in_one_line():
        if look is not None:
            configs.append(find_look(look, LOOK))
        root = folder
        if root is None:
            root = stack.enter_context(tempfile.TemporaryDirectory())
        values["trainer.default_root_dir"] = root
        session = open_run(
            values,
            configs,
            content=content,
            styles=styles,
            summary=False,
            progress=progress,
            pictures=folder is not None,
            checkpoints=folder is not None,
        )
        feed = [PictureFeed(_in_cell())] if preview and in_notebook() else []
        session.run(*callbacks, *feed)
        picture = _as_pillow(session)
        if session.interrupted:
            # To whom it was meant, now that what there is was written: the loop around this call.
            signal.raise_signal(session.interrupted)
            raise KeyboardInterrupt
        return picture


def _source_name(source: Picture) -> str:
    """Return what the settings call a picture."""
    return os.fspath(source) if isinstance(source, str | os.PathLike) else _IN_MEMORY


def _as_pillow(session: Session) -> Image.Image:
    from nst_lightning.data.encoding import as_pillow, quantise

    levels = quantise(session.picture().cpu(), session.pair.alpha, 8)
    return as_pillow(levels, as_text(session.model.public_settings))


def _in_cell() -> Callable[[Image.Image], None]:
    """Return what shows one picture after another in one place of the cell that runs."""
    place = Place()

    def show(picture: Image.Image) -> None:
        file, clear = io.BytesIO(), picture.mode == "RGBA"
        # A notebook keeps what its cells show: a JPEG is a fifth of a PNG.
        picture.save(file, "PNG" if clear else "JPEG", quality=90)
        kind = "image/png" if clear else "image/jpeg"
        place.show({kind: base64.b64encode(file.getvalue()).decode(), "text/plain": "the picture"})

    return show
