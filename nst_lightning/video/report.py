"""What is said of a painted film: on the terminal, and on a page with the clip beside it."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from nst_lightning.data.which_pictures import label_of
from nst_lightning.say import say
from nst_lightning.video.clip import ClipInfo
from nst_lightning.video.flow import method_name
from nst_lightning.video.page import write_page
from nst_lightning.video.rows import in_words
from nst_lightning.video.writing import write_clip


def report(
    folder: Path,
    path: Path,
    info: ClipInfo,
    styles: Sequence[str],
    passes: int,
    pictures: Sequence[Path],
    frames: Iterable[Image.Image],
    rows: Sequence[Mapping[str, Any]],
) -> None:
    """Say how steady a film is, and write its page.

    Args:
        folder: For the page and the clip on it.
        path: The film, written.
        info: Of its clip.
        styles: Its paintings.
        passes: How often it was gone through.
        pictures: Its frames.
        frames: The clip's own, of the same size.
        rows: Of ``metrics.csv``.
    """
    own = path.suffix if path.suffix else ".webp"
    timed = zip(info.times, frames, strict=False)
    content = write_clip(folder / f"content{own}", timed, info, overwrite=True)
    words = in_words(rows)
    for name, line in words.items():
        say(f"{name:10}{line}")
    if not path.suffix:  # a folder of frames, which no page shows
        painted = zip(info.times, pictures, strict=False)
        path = write_clip(folder / "painted.webp", painted, info, overwrite=True)
    width, height = Image.open(pictures[0]).size
    write_page(
        folder / "index.html",
        " \N{MULTIPLICATION SIGN} ".join(label_of(source) for source in (info.name, *styles)),
        {"the clip": content, "the painting": path},
        float(info.duration),
        rows,
        f"{len(pictures)} frames of {width} x {height}, scenes: {rows[-1]['scene']}, "
        f"passes: {passes}, flow by {method_name()}",
        list(words.values()),
    )


def say_where(folder: Path, path: Path) -> None:
    """Say where film, measures and page are."""
    say(f"film      {path}")
    say(f"measures  {folder / 'metrics.csv'}")
    say(f"page      {folder / 'index.html'}")
