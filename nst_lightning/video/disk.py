"""What a clip's frames take on the disk, said before they are painted."""

import os
import shutil

from nst_lightning.errors import InputError
from nst_lightning.files import expanded

# Of 320 and 512 px, what was painted took 1.8 to 1.9 bytes a pixel as PNG, van Gogh's own 2.3.
_BYTES_A_PIXEL = 2.2
_BYTES_A_FILE = 12_000  # its settings and colour profile, and a folder's entry
_ENCODED_SHARE = 0.25  # of that, at most, for the encoded clip
_LEFT_FREE = 50_000_000


def frame_bytes(count: int, size: tuple[int, int]) -> int:
    """Return about how many bytes so many painted PNG files of this size take."""
    width, height = size
    return round(count * (width * height * _BYTES_A_PIXEL + _BYTES_A_FILE))


def check_room(
    folder: str | os.PathLike[str], count: int, size: tuple[int, int], files: int = 1
) -> str:
    """Return one line on what a clip's frames will take and what is free there.

    Args:
        folder: Where the frames are written; it need not exist yet.
        count: Frames that are still to be painted.
        size: ``(width, height)`` of each.
        files: Pictures kept of each frame.

    Raises:
        InputError: If there is too little room for them and the clip made of them.
    """
    path = expanded(folder).absolute()
    while not path.exists():
        path = path.parent
    frames = frame_bytes(count * files, size)
    needed = round(frames * (1 + _ENCODED_SHARE))
    free = shutil.disk_usage(path).free
    what = f"{count} frames of {size[0]} x {size[1]} take about {_spoken(needed)}"
    if needed + _LEFT_FREE > free:
        raise InputError(
            f"{expanded(folder)}: {what}, but {_spoken(free)} are free; paint a smaller size or "
            "fewer frames, or choose another disk"
        )
    return f"{what} of the disk ({_spoken(free)} free)"


def _spoken(size: int) -> str:
    for unit, name in ((10**9, "GB"), (10**6, "MB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}" if size < 10 * unit else f"{size / unit:.0f} {name}"
    return f"{size / 1000:.0f} kB"
