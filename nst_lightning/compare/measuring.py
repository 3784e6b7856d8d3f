"""The pictures of a pair as PNG files, and their measures, taken from those files."""

import math
import time
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from nst_lightning.baselines import Baseline
from nst_lightning.compare.keys import CONTENT, OPTIMISED, STYLE
from nst_lightning.compare.pair_folder import PairFolder
from nst_lightning.data.images import load_image
from nst_lightning.data.measured import references
from nst_lightning.data.which_pictures import Pair
from nst_lightning.errors import InputError
from nst_lightning.fingerprint import file_digests
from nst_lightning.metrics.evaluate import PictureMetrics
from nst_lightning.metrics.style_distance import Encoder
from nst_lightning.options import digest
from nst_lightning.run_folder import PICTURE


def write_references(pair: Pair, digests: Mapping[str, str], folder: PairFolder, size: int) -> None:
    """Write ``content.png`` and ``style.png`` as they are compared, unless they are there.

    They are :func:`references`. Remarks on how the pictures were read go into the folder's record.

    Args:
        pair: The pictures.
        digests: Of ``content`` and ``style``.
        folder: The pair's folder.
        size: Long side in pixels where the run does not say it.

    Raises:
        InputError: If one cannot be read.
    """
    data = folder.config.get("data", {})
    sizing = {"size": data.get("size", size), "size_rule": data.get("size_rule", "long")}
    made_of = {name: digest([digests[name], sizing]) for name in (CONTENT, STYLE)}
    if all(folder.has(name, wanted) for name, wanted in made_of.items()):
        return
    loaded = references(pair.content.source, [pair.style.source], **sizing)
    folder.add(CONTENT, loaded.content, made_of[CONTENT])
    folder.add(STYLE, loaded.styles[0], made_of[STYLE])
    folder.record.notes = loaded.notes
    folder.write_record()


def write_baselines(
    folder: PairFolder, baselines: Mapping[str, Baseline], identities: Mapping[str, Any]
) -> None:
    """Write each baseline's picture of ``content.png`` and ``style.png``, unless it is there.

    Args:
        folder: The pair's folder.
        baselines: By key.
        identities: By the same keys, what a baseline is: its class and arguments.

    Raises:
        InputError: If a model cannot be had or refuses a picture.
    """
    record = folder.record
    references = [record.others[f"{name}.png"] for name in (CONTENT, STYLE)]
    for key, baseline in baselines.items():
        files = file_digests(identities[key])
        made_of = digest([identities[key], files, *references])
        if folder.has(key, made_of):
            continue
        baseline.ensure_loaded()
        content, style = (read(folder, name) for name in (CONTENT, STYLE))
        started = time.monotonic()
        picture = baseline(content, style)
        record.times[f"{key}.png"] = time.monotonic() - started
        folder.add(key, picture, made_of)
        folder.write_record()


def read(folder: PairFolder, name: str) -> Tensor:
    """Return a picture of a pair, shape (1, 3, H, W), values in [0, 1].

    Args:
        folder: The pair's folder.
        name: The picture's file, without ``.png``.

    Raises:
        InputError: If it cannot be read.
    """
    return load_image(folder.path / f"{name}.png", role=name).pixels


def measure(
    folder: PairFolder, baselines: Iterable[str], encoder: Encoder
) -> tuple[dict[str, dict[str, float]], dict[str, str]]:
    """Measure the files of a pair.

    Args:
        folder: The pair's folder.
        baselines: Their keys.
        encoder: Of the style distance.

    Returns:
        By picture (``content``, the baselines, ``optimised``) the measures of
        :class:`nst_lightning.metrics.evaluate.PictureMetrics`; and by measure that cannot be had
        here one line that says why.

    Raises:
        InputError: If a file cannot be read, or the pictures' sizes differ.
    """
    content = read(folder, CONTENT)
    metrics = PictureMetrics(content, read(folder, STYLE), encoder)
    results = {CONTENT: metrics(content)}
    results |= {key: metrics(read(folder, key)) for key in baselines}
    results[OPTIMISED] = metrics(read(folder, PICTURE))
    for name, measures in results.items():
        if any(math.isnan(value) for value in measures.values()):
            raise InputError(f"{folder.path}: the measures of {name} are not numbers")
    return results, metrics.unavailable
