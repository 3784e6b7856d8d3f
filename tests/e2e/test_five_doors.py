"""The same settings give the same picture, byte for byte, through whatever door a run comes."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from helpers.painting import OBJECTIVE

from nst_lightning import stylize
from nst_lightning.cli import main
from nst_lightning.options import to_words

SIZE, STEPS = 48, 4
SETTINGS = {
    **OBJECTIVE,
    "data.steps_per_epoch": STEPS,
    "data.style_scale": 0.75,
    "trainer.max_epochs": 1,
    "trainer.accelerator": "cpu",
    "images.every_n_steps": 0,
    "images.save_best": False,
}
Door = Callable[[Path, Path, Path], Path]


def settings_words() -> list[str]:
    """The settings as options of a command that makes many runs."""
    return [f"--settings.{word.removeprefix('--')}" for word in to_words(SETTINGS)]


def by_fit(content: Path, style: Path, out: Path) -> Path:
    words = [f"--data.content={content}", f"--data.style={style}", f"--data.size={SIZE}"]
    assert main(["fit", *words, *to_words(SETTINGS), f"--trainer.default_root_dir={out}"]) == 0
    return out / "stylized.png"


def by_stylize(content: Path, style: Path, out: Path) -> Path:
    picture = stylize(content, style, size=SIZE, settings=SETTINGS, progress=False)
    out.mkdir()
    picture.save(out / "stylized.png")
    return out / "stylized.png"


def by_compare(content: Path, style: Path, out: Path) -> Path:
    words = ["--contents", str(content), "--styles", str(style), f"--size={SIZE}", f"--out={out}"]
    baseline = "--baselines=[helpers.comparing.MeanColour]"
    assert main(["compare", *words, baseline, *settings_words()]) == 0
    return out / "runs" / f"{content.stem}--{style.stem}" / "stylized.png"


def by_grid(content: Path, style: Path, out: Path) -> Path:
    grid = out.with_suffix(".yaml")
    axes = [{"name": "scale", "key": "data.style_scale", "values": [0.75]}]
    grid.write_text(yaml.safe_dump({"title": "one", "configs": [], "axes": axes}))
    words = ["--contents", str(content), "--styles", str(style), f"--size={SIZE}", f"--out={out}"]
    settings = [word for word in settings_words() if "style_scale" not in word]
    assert main(["grid", f"--config={grid}", *words, "--measure=false", *settings]) == 0
    (picture,) = (out / "runs").glob(f"*/step-{STEPS:05d}.png")
    return picture


# The fifth, a job rehearsed with the toolkit, is held against fit in tests/cloud/test_rehearsal.py.
DOORS: list[Door] = [by_stylize, by_compare, by_grid]


def pixels(path: Path) -> bytes:
    from PIL import Image

    with Image.open(path) as picture:
        assert picture.mode == "RGB"
        assert picture.size == (SIZE, SIZE * 3 // 4)
        return picture.tobytes()


@pytest.fixture(scope="module")
def of_fit(
    tmp_path_factory: pytest.TempPathFactory, pictures: tuple[Path, Path]
) -> tuple[bytes, bytes]:
    """The pixels of ``fit``, and those of the content at that size, which are others."""
    from nst_lightning.data.images import load_image
    from nst_lightning.data.output import save_image

    folder = tmp_path_factory.mktemp("fit")
    content = save_image(load_image(pictures[0], SIZE).pixels, folder / "content.png")
    return pixels(by_fit(*pictures, folder / "run")), pixels(content)


@pytest.mark.parametrize("door", DOORS)
def test_the_picture_is_that_of_fit(
    door: Door, of_fit: tuple[bytes, bytes], pictures: tuple[Path, Path], tmp_path: Path
) -> None:
    painted, content = of_fit
    assert pixels(door(*pictures, tmp_path / "out")) == painted != content
