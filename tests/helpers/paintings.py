"""A made-up collection of paintings with the published statistics of the report's data set."""

import io
import random
from pathlib import Path

from PIL import Image

TOTAL = 8118
ARTISTS = 50
MOST, LEAST = 877, 24
MEDIAN, IQR = 120, 101
WIDTHS, HEIGHTS = (204, 807, 4096), (226, 923, 3826)  # minimum, median, maximum

_FIRST = ("Vincent_van_Gogh", "Albrecht_Dürer", "Gustav_Klimt", "Jan_van_Eyck", "Joan_Miró")
GENRES = ("Symbolism,Art Nouveau", "Northern Renaissance", "Impressionism", "Surrealism")


def counts() -> list[int]:
    """Return fifty counts, most first, with the published total, median, quartiles and extremes."""
    ascending = [LEAST, *(30 + 4 * i for i in range(11)), 81, 81]  # 0 to 13: a quarter up to 81
    ascending += [82 + 3 * i for i in range(10)] + [MEDIAN, MEDIAN]  # 14 to 25
    ascending += [122 + 6 * i for i in range(10)] + [81 + IQR] * 2  # 26 to 37: a quarter from 182
    # The upper quarter, where no quantile looks, takes what the total needs.
    left = TOTAL - MOST - sum(ascending)
    upper = [190 + (left - 11 * 190) * i // 55 for i in range(11)]
    ascending += [*upper[:-1], left - sum(upper[:-1]), MOST]  # 38 to 49
    assert sum(ascending) == TOTAL
    assert len(ascending) == ARTISTS
    assert max(ascending) == MOST
    return ascending[::-1]


def sizes() -> list[tuple[int, int]]:
    """Return as many sizes as paintings, in a fixed random order."""
    usual = TOTAL - 2
    widths = [WIDTHS[0], *([560, 700, 807, 960, 1200] * usual)[:usual], WIDTHS[2]]
    heights = [HEIGHTS[0], *([640, 800, 923, 1024, 1400] * usual)[:usual], HEIGHTS[2]]
    rng = random.Random(0)
    rng.shuffle(widths)
    rng.shuffle(heights)
    return list(zip(widths, heights, strict=True))


def jpeg(width: int, height: int) -> bytes:
    """Return a small file of a plain grey picture."""
    buffer = io.BytesIO()
    Image.new("L", (width, height), 128).save(buffer, "JPEG", quality=10)
    return buffer.getvalue()


def names() -> list[str]:
    """Return fifty artists, the first of them with the data set's odd spellings."""
    return [*_FIRST, *(f"Painter_{i}" for i in range(ARTISTS - len(_FIRST)))]


def make(root: Path) -> Path:
    """Write the whole tree in Kaggle's layout and return its root."""
    files: dict[tuple[int, int], bytes] = {}
    order = iter(sizes())
    rows = ["id,name,years,genre,nationality,bio,wikipedia,paintings"]
    for index, (name, count) in enumerate(zip(names(), counts(), strict=True)):
        genre = GENRES[index % len(GENRES)]
        # Kaggle's own names have a non-breaking space here and there.
        spoken = name.replace("_", "\u00a0" if index % 7 == 0 else " ")
        rows.append(f'{index},{spoken},1800 - 1850,"{genre}",Dutch,"A life, in short",url,{count}')
        # Unpacked with the wrong code page, twice over, as Kaggle's Dürer.
        folder = name if "Dürer" not in name else "Albrecht_DuΓòá├¬rer"
        place = root / "images" / "images" / folder
        place.mkdir(parents=True)
        for number in range(1, count + 1):
            size = next(order)
            if size not in files:
                files[size] = jpeg(*size)
            (place / f"{folder}_{number}.jpg").write_bytes(files[size])
    (root / "artists.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    resized = root / "resized" / "resized"
    resized.mkdir(parents=True)
    (resized / "Vincent_van_Gogh_1.jpg").write_bytes(jpeg(64, 64))
    return root
