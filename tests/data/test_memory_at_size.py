"""Large pictures are read, written and shown in bounded memory, and come out the same."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.pictures import encoded, write
from PIL import ExifTags, Image

from nst_lightning.data import encoding, images, palette, rows
from nst_lightning.data.images import load_image
from nst_lightning.data.output import save_image
from nst_lightning.data.resizing import at_most
from nst_lightning.view import View

# Megabytes above what the process had, of a picture of 4000 x 3000 pixels (12 million): 4 bytes a
# pixel as Pillow decodes it are 48 MB, and 12 bytes as float32 144 MB. A JPEG of 6000 x 4500 (27
# million) would be 108 MB.
READ = {"large.jpg": 60, "rgba.png": 180, "rgb.png": 170, "grey16.png": 130}
WRITTEN = {"8.png": 190, "16.png": 190, "8.tif": 190, "16.tif": 210, "8.jpg": 190}
SHOWN = {"palette": 430, "luminance": 220}

PROGRAM = """
import ctypes, gc, json, re, sys
from pathlib import Path
import torch
from nst_lightning.data.images import load_image
from nst_lightning.data.output import save_image
from nst_lightning.view import View

torch.set_num_threads(2)
folder, names = Path(sys.argv[1]), json.loads(sys.argv[2])
status = Path("/proc/self/status")

def megabytes(key):
    return int(re.search(key + r":\\s*(\\d+)", status.read_text())[1]) / 1024

def grown(work):
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # begins the peak anew
    before = megabytes("VmRSS")
    work()
    return megabytes("VmHWM") - before

load_image("sample:cat", 64)
for name in names["written"]:
    save_image(torch.zeros(1, 3, 32, 32), folder / f"small{name}", bits=int(name.split(".")[0]))
found = {}
for name in names["read"]:
    size = 256 if name.endswith(".jpg") else 1024
    found[name] = grown(lambda: load_image(folder / name, size))
picture = torch.linspace(0, 1, 4000).expand(1, 3, 3000, 4000).contiguous()
for name in names["written"]:
    bits = int(name.split(".")[0])
    found[name] = grown(lambda: save_image(picture, folder / f"out{name}", bits=bits))
style = torch.rand(1, 3, 64, 64)
views = {"palette": View(palette=([style], [1.0]), amount=0.5), "luminance": View(picture)}
for name, view in views.items():
    view.of_people(picture[..., :64, :64] if name == "palette" else picture)
    found[name] = grown(lambda: view.of_people(picture))
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("this system does not say what a process needed at most")
    folder = tmp_path_factory.mktemp("large")
    Image.linear_gradient("L").resize((6000, 4500)).convert("RGB").save(folder / "large.jpg")
    grey = Image.linear_gradient("L").resize((4000, 3000))
    grey.convert("RGB").save(folder / "rgb.png", compress_level=1)
    Image.merge("RGBA", [grey] * 4).save(folder / "rgba.png", compress_level=1)
    deep = np.asarray(grey).astype(np.uint16) * 257
    Image.fromarray(deep).save(folder / "grey16.png", compress_level=1)
    names = json.dumps({"read": [*READ], "written": [*WRITTEN]})
    program = [sys.executable, "-c", PROGRAM, str(folder), names]
    done = subprocess.run(program, check=True, capture_output=True, timeout=600, text=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize(("name", "most"), (READ | WRITTEN | SHOWN).items())
def test_memory(grown: dict[str, float], name: str, most: int) -> None:
    assert grown[name] < most, grown


# --- the same, cut or not ---


@pytest.fixture
def narrow_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut into bands of a few rows what would be one."""
    monkeypatch.setattr(rows, "_BAND", 200)


def smooth(height: int, width: int, seed: int = 0) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    small = torch.rand(1, 3, 5, 6, generator=random)
    return F.interpolate(small, (height, width), mode="bicubic").clamp(0, 1)


def test_bands_are_the_rows_from_the_top_on(narrow_bands: None) -> None:
    found = list(rows.bands(17, 60))
    assert [row for band in found for row in range(17)[band]] == list(range(17))
    assert len(found) == 6
    assert len(list(rows.bands(3, 10**6))) == 3  # never less than a row


@pytest.mark.usefixtures("narrow_bands")
@pytest.mark.parametrize("size", [(22, 31), (86, 120), (41, 57)])
def test_resizing_in_bands_is_resizing(tmp_path: Path, size: tuple[int, int]) -> None:
    levels = np.random.default_rng(1).integers(0, 256, (41, 57, 3), dtype=np.uint8)
    path = write(tmp_path / "a.png", encoded(Image.fromarray(levels), "PNG"))
    whole = torch.from_numpy(levels).permute(2, 0, 1)[None] / 255
    expected = F.interpolate(whole, size, mode="bicubic", antialias=True).clamp(0, 1)
    assert torch.equal(load_image(path, max(size)).pixels, expected)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_levels_of_16_bits_in_bands(tmp_path: Path, narrow_bands: None, suffix: str) -> None:
    tifffile = pytest.importorskip("tifffile")
    pixels = smooth(41, 57)
    path = save_image(pixels, tmp_path / f"a{suffix}", bits=16)
    expected = np.floor(pixels[0].permute(1, 2, 0).double().numpy() * 65535 + 0.5)
    if suffix == ".tif":
        np.testing.assert_array_equal(tifffile.imread(path), expected)
    with Image.open(path) as picture:  # of 16 bits Pillow keeps the upper 8
        assert np.abs(np.asarray(picture).astype(int) - expected // 256).max() <= 1


def test_a_tiff_that_may_not_fit_4_gb_is_a_bigtiff(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = smooth(41, 57)
    classic = save_image(pixels, tmp_path / "a.tif")
    monkeypatch.setattr(encoding, "_CLASSIC_TIFF", 41 * 57 * 3 - 1)
    big = save_image(pixels, tmp_path / "b.tif")
    # The number after the byte order: 42 of a TIFF, 43 of a BigTIFF.
    assert [path.read_bytes()[2] for path in (classic, big)] == [42, 43]
    assert torch.equal(load_image(classic).pixels, load_image(big).pixels)


@pytest.mark.usefixtures("narrow_bands")
def test_what_people_see_is_the_same_in_bands() -> None:
    picture, content, style = (smooth(41, 57, seed) for seed in range(3))
    luma = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    change = ((picture - content) * luma).sum(1, keepdim=True)
    found = View(content).of_people(picture)
    torch.testing.assert_close(found, (content + change).clamp(0, 1), atol=1e-6, rtol=0)
    moved = palette.to_palette(picture, [style], [1.0])
    assert torch.equal(View(palette=([style], [1.0])).of_people(picture), moved)
    half = View(palette=([style], [1.0]), amount=0.5).of_people(picture)
    torch.testing.assert_close(half, (picture + moved) / 2, atol=1e-6, rtol=0)


# --- large JPEGs ---


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Take any JPEG for a large one; return the sizes that pictures were decoded at."""
    sizes: list[tuple[int, int]] = []
    decode = images.decode

    def watched(image: Image.Image, name: str) -> tuple[Image.Image, list[str]]:
        picture, notes = decode(image, name)
        sizes.append(picture.size)
        return picture, notes

    monkeypatch.setattr(images, "decode", watched)
    monkeypatch.setattr(images, "_DRAFT_ABOVE", 100)
    return sizes


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize(
    ("size", "times"), [(28, 8), (60, 4), (119, 2), (121, 1), (960, 1), (None, 1)]
)
def test_a_large_jpeg_is_decoded_smaller(
    tmp_path: Path,
    decoded: list[tuple[int, int]],
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    orientation: int,
    size: int | None,
    times: int,
) -> None:
    levels = (smooth(720, 960)[0].permute(1, 2, 0) * 255).byte().numpy()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    picture = Image.fromarray(levels).convert(mode)
    path = write(tmp_path / "a.jpg", encoded(picture, "JPEG", quality=95, exif=exif))
    found = load_image(path, size)
    small, at = found.pixels, decoded[-1]
    sides = (960 // times, 720 // times)
    assert at == (sides if orientation == 1 else sides[::-1])
    assert found.original_size == ((960, 720) if orientation == 1 else (720, 960))
    assert times == 1 or min(at) >= 4 * min(small.shape[-2:])
    monkeypatch.setattr(images, "_DRAFT_ABOVE", 10**9)
    whole = load_image(path, size).pixels
    assert (small - whole).abs().max() < 3 / 255


def test_a_rule_sees_the_whole_as_displayed(tmp_path: Path, decoded: list[tuple[int, int]]) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    data = encoded(Image.new("RGB", (640, 480)), "JPEG", exif=exif)
    seen: list[tuple[int, int]] = []

    def rule(width: int, height: int) -> int:
        seen.append((width, height))
        return 40

    load_image(write(tmp_path / "a.jpg", data), rule)
    assert set(seen) == {(480, 640)}
    assert decoded == [(120, 160)]


def test_at_most() -> None:
    pixels, alpha = smooth(40, 60), torch.ones(1, 1, 40, 60)
    assert at_most(pixels, alpha, 60) == (pixels, alpha)
    assert at_most(pixels, None, None)[0] is pixels
    small, opacity = at_most(pixels, alpha, 30)
    assert small.shape[-2:] == (20, 30)
    assert opacity is not None
    assert opacity.shape[-2:] == (20, 30)
