"""The pictures of a pair as PNG files, and their measures, taken from those files."""

import math
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from nst_lightning.baselines import Baseline
from nst_lightning.compare.keys import CONTENT, OPTIMISED, STYLE
from nst_lightning.compare.manifest import PICTURE, Manifest, digest
from nst_lightning.data.image_pair import ImagePair
from nst_lightning.data.images import load_image
from nst_lightning.data.output import save_image
from nst_lightning.data.which_pictures import Pair
from nst_lightning.errors import InputError
from nst_lightning.metrics.evaluate import PictureMetrics
from nst_lightning.metrics.style_distance import Encoder
from nst_lightning.run_folder import RunFolder


def write_references(pair: Pair, digests: tuple[str, str], folder: Path, size: int) -> list[str]:
    """Write ``content.png`` and ``style.png`` as they are compared, unless they are there.

    Both at the run's size, the style in its own shape and at scale 1, whatever the run's
    ``style_scale``: the style distance should not depend on it.

    Returns:
        Remarks on how the pictures were read.

    Raises:
        InputError: If one cannot be read.
    """
    data = RunFolder(folder).config.get("data", {})
    sizing = {"size": data.get("size", size), "size_rule": data.get("size_rule", "long")}
    made = Manifest.read(folder)
    wanted = {
        f"{name}.png": digest([key, sizing])
        for name, key in zip((CONTENT, STYLE), digests, strict=True)
    }
    if all(_is_made(folder, made, name, key) for name, key in wanted.items()):
        return made.notes
    loaded = ImagePair(pair.content.source, "", **sizing)
    loaded.set_styles([pair.style.source])
    loaded.setup("test")
    save_image(loaded.content, folder / f"{CONTENT}.png")
    save_image(loaded.styles[0], folder / f"{STYLE}.png")
    made.others |= wanted
    made.notes = loaded.notes
    made.write(folder)
    return loaded.notes


def write_baselines(
    folder: Path, baselines: Mapping[str, Baseline], identities: Mapping[str, Any]
) -> None:
    """Write each baseline's picture of ``content.png`` and ``style.png``, unless it is there.

    Args:
        folder: The pair's folder.
        baselines: By key.
        identities: By the same keys, what a baseline is: its class and arguments.

    Raises:
        InputError: If a model cannot be had or refuses a picture.
    """
    made = Manifest.read(folder)
    references = [made.others[f"{name}.png"] for name in (CONTENT, STYLE)]
    for key, baseline in baselines.items():
        name, wanted = f"{key}.png", digest([identities[key], *references])
        if _is_made(folder, made, name, wanted):
            continue
        baseline.ensure_loaded()
        content, style = (read(folder / f"{n}.png") for n in (CONTENT, STYLE))
        started = time.monotonic()
        picture = baseline(content, style)
        made.times[name] = time.monotonic() - started
        save_image(picture, folder / name)
        made.others[name] = wanted
        made.write(folder)


def _is_made(folder: Path, made: Manifest, name: str, wanted: str) -> bool:
    return made.others.get(name) == wanted and (folder / name).is_file()


def read(path: Path) -> Tensor:
    """Return a picture file's pixels, shape (1, 3, H, W), values in [0, 1].

    Raises:
        InputError: If it cannot be read.
    """
    return load_image(path, role=path.stem).pixels


class Ruler:
    """Measures the pictures of pairs; the network is loaded once."""

    def __init__(self) -> None:
        self._encoder: Encoder | None = None
        self.unavailable: dict[str, str] = {}

    def measure(self, folder: Path, baselines: Iterable[str]) -> dict[str, dict[str, float]]:
        """Measure the files of a pair.

        Args:
            folder: The pair's folder.
            baselines: Their keys.

        Returns:
            By picture (``content``, the baselines, ``optimised``) the measures of
            :class:`nst_lightning.metrics.evaluate.PictureMetrics`.

        Raises:
            InputError: If a file cannot be read, or the pictures' sizes differ.
        """
        content, style = (read(folder / f"{name}.png") for name in (CONTENT, STYLE))
        metrics = PictureMetrics(content, style, self._encoder)
        self._encoder, self.unavailable = metrics.encoder, metrics.unavailable
        results = {CONTENT: metrics(content)}
        for key in baselines:
            results[key] = metrics(read(folder / f"{key}.png"))
        results[OPTIMISED] = metrics(read(folder / PICTURE))
        for name, measures in results.items():
            if any(math.isnan(value) for value in measures.values()):
                raise InputError(f"{folder}: the measures of {name} are not numbers")
        return results
