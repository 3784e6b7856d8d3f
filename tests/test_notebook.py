"""stylize(): the command line's engine, for notebooks."""

import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.painting import OBJECTIVE, files, paint
from lightning.pytorch import Callback
from PIL import Image, ImageCms

import nst_lightning
from nst_lightning import InputError, stylize
from nst_lightning.data.metadata import read_settings

SMALL = {
    **OBJECTIVE,
    "data.size": 32,
    "trainer.accelerator": "cpu",
}


def levels(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture)


def opened(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return picture.copy()


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let temporary files be made where the test can look for what is left of them."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


def test_paths_in_and_a_picture_out(
    pictures: tuple[Path, Path], tmp_path: Path, temporary: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    painted = stylize(*pictures, steps=4, settings=SMALL)
    assert isinstance(painted, Image.Image)
    assert (painted.mode, painted.size) == ("RGB", (32, 24))
    # The same as the command line's, and nothing said or left behind.
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")
    assert files(temporary) == []
    assert files(tmp_path) == []
    paint(tmp_path / "run", pictures, steps=4)
    assert np.array_equal(levels(painted), levels(opened(tmp_path / "run" / "stylized.png")))


def test_pillow_pictures_do_as_well(pictures: tuple[Path, Path]) -> None:
    from_files = stylize(*pictures, steps=2, settings=SMALL)
    from_pillow = stylize(*map(opened, pictures), steps=2, settings=SMALL)
    assert np.array_equal(levels(from_files), levels(from_pillow))


def test_bytes_of_the_command_lines_picture(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    paint(tmp_path / "line", pictures, steps=3)
    stylize(*map(str, pictures), steps=3, settings=SMALL, folder=tmp_path / "call")
    by_line, by_call = (tmp_path / name / "stylized.png" for name in ("line", "call"))
    assert by_call.read_bytes() == by_line.read_bytes()


def test_folder_keeps_everything(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    painted = stylize(
        *pictures,
        **{"steps": 4, "folder": folder},
        settings=SMALL | {"images.every_n_steps": 2},
    )
    assert files(folder) == sorted(
        [
            "checkpoints/last.ckpt",
            "config.yaml",
            "config-full.yaml",
            "made_of.json",
            "metrics.csv",
            "stylized.png",
            "images/best.png",
            "images/step-00002.png",
            "images/step-00004.png",
        ]
    )
    assert np.array_equal(levels(painted), levels(opened(folder / "stylized.png")))


def test_settings_in_the_picture_name_what_was_given(
    pictures: tuple[Path, Path], tmp_path: Path
) -> None:
    stylize(
        pictures[0], [pictures[1], opened(pictures[0])], steps=1, settings=SMALL, folder=tmp_path
    )
    data = read_settings(tmp_path / "stylized.png")["data"]
    assert data["content"] == "content.png"
    assert data["style"][0] == "style.png"
    assert "sample" not in data["style"][1]


def test_transparency_is_kept(pictures: tuple[Path, Path]) -> None:
    content = opened(pictures[0]).convert("RGBA")
    alpha = np.zeros((48, 64), np.uint8)
    alpha[:, 32:] = 255
    content.putalpha(Image.fromarray(alpha))
    painted = stylize(content, pictures[1], steps=2, settings=SMALL)
    assert painted.mode == "RGBA"
    found = levels(painted)[..., 3]
    assert found[:, :14].max() == 0
    assert found[:, 18:].min() == 255


def test_options_are_the_settings_of_those_names(pictures: tuple[Path, Path]) -> None:
    seen: list[Any] = []

    class Look(Callback):
        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            seen.append((pl_module, trainer.datamodule))

    given = ("data.size", "data.init", "model.tv.weight")
    given += ("model.content.weight", "model.style.weight")
    stylize(
        *pictures,
        **{"steps": 1, "size": 40, "content_weight": 2, "style_weight": 3e7, "tv_weight": 0.5},
        **{"style_scale": 1.25, "init": "grey", "seed": 9},
        settings={key: value for key, value in SMALL.items() if key not in given},
        callbacks=[Look()],
    )
    ((model, pair),) = seen
    weights = {name: term.weight for name, term in model.objective.terms.items()}
    assert weights == {"content": 2, "style": 3e7, "tv": 0.5}
    assert (pair.size, pair.style_scale, pair.init, pair.steps_per_epoch) == (40, 1.25, "grey", 1)
    assert model.settings["seed_everything"] == 9


def test_unknown_option(pictures: tuple[Path, Path]) -> None:
    for given, meant in (("sise", "size"), ("iterations", "steps"), ("lok", "look")):
        with pytest.raises(TypeError, match=rf"no option '{given}'; did you mean {meant}\?"):
            stylize(*pictures, **{given: 3})


def test_unknown_setting(pictures: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match=r"unknown key data\.sise; did you mean data\.size"):
        stylize(*pictures, settings={"data.sise": 3})


@pytest.mark.parametrize("steps", [0, -1])
def test_no_steps(pictures: tuple[Path, Path], steps: int) -> None:
    with pytest.raises(InputError, match=r"data\.steps_per_epoch"):
        stylize(*pictures, steps=steps, settings=SMALL)


def test_missing_file(tmp_path: Path, pictures: tuple[Path, Path], temporary: Path) -> None:
    with pytest.raises(InputError, match=r"content picture: no such file: nowhere\.jpg"):
        stylize("nowhere.jpg", pictures[1], settings=SMALL)
    assert files(tmp_path) == []


def test_several_styles(pictures: tuple[Path, Path]) -> None:
    both = stylize(pictures[0], list(pictures), steps=2, settings=SMALL)
    weighted = stylize(
        pictures[0],
        [opened(p) for p in pictures],
        steps=2,
        settings=SMALL | {"data.style_weights": [0, 1]},
    )
    one = stylize(pictures[0], pictures[1], steps=2, settings=SMALL)
    assert np.array_equal(levels(weighted), levels(one))
    assert not np.array_equal(levels(both), levels(one))


def test_config_by_path(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("data: {steps_per_epoch: 2, size: 24}\ntrainer: {max_epochs: 1}\n")
    settings = {key: value for key, value in SMALL.items() if key != "data.size"}
    painted = stylize(*pictures, config=path, settings=settings)
    assert painted.size == (24, 18)
    with pytest.raises(InputError, match="--config: there is no file nowhere"):
        stylize(*pictures, config="nowhere")


def test_callbacks_are_called_and_may_stop(pictures: tuple[Path, Path]) -> None:
    steps = []

    class Stop(Callback):
        def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
            steps.append(trainer.global_step)
            trainer.should_stop = trainer.global_step == 2

    stylize(*pictures, steps=5, settings=SMALL, callbacks=[Stop()])
    assert steps == [1, 2]


def test_an_interrupt_stays_an_interrupt(pictures: tuple[Path, Path], temporary: Path) -> None:
    # Lightning makes sys.exit(1) of it, which would end a notebook's kernel.
    class Interrupt(Callback):
        def on_train_batch_end(self, *args: Any) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stylize(*pictures, steps=5, settings=SMALL, callbacks=[Interrupt()])
    assert os.listdir(temporary) == []  # noqa: PTH208


def test_the_package_offers_the_function_and_not_the_module() -> None:
    assert callable(nst_lightning.stylize)
    assert nst_lightning.stylize is stylize


def test_arrays_and_tensors_are_pictures(pictures: tuple[Path, Path]) -> None:
    expected = levels(stylize(*pictures, steps=2, settings=SMALL))
    content, style = (levels(opened(path)) for path in pictures)
    tensor = torch.from_numpy(np.moveaxis(content, -1, 0).copy())
    for given in (content, content / 255, tensor, tensor[None].to(torch.float32) / 255):
        painted = stylize(given, [style], steps=2, settings=SMALL)
        difference = np.abs(levels(painted).astype(int) - expected.astype(int))
        assert difference.max() <= 1  # floats are not rounded to levels


def test_pillow_pictures_of_every_mode(pictures: tuple[Path, Path]) -> None:
    content = opened(pictures[0])
    modes = ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "La", "CMYK", "YCbCr"]
    modes += ["HSV", "LAB", "I", "F", "I;16"]
    for mode in modes:
        given = _as_mode(content, mode)
        assert given.mode == mode
        painted = stylize(given, pictures[1], steps=1, settings=SMALL)
        assert (painted.mode, painted.size) == ("RGB", (32, 24)), mode
        assert np.asarray(painted).std() > 5, mode


def _as_mode(picture: Image.Image, mode: str) -> Image.Image:
    if mode == "LAB":
        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        changed = ImageCms.profileToProfile(picture, srgb, lab, outputMode="LAB")
        assert changed is not None
        return changed
    if mode == "I;16":
        return Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    if mode == "F":
        return Image.fromarray(np.asarray(picture.convert("L")).astype(np.float32) / 255)
    between = {"PA": "P", "La": "LA", "RGBa": "RGBA"}.get(mode)
    return (picture.convert(between) if between else picture).convert(mode)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tiff"])
def test_a_picture_takes_its_settings_along(
    pictures: tuple[Path, Path], tmp_path: Path, suffix: str
) -> None:
    painted = stylize(*pictures, steps=1, settings=SMALL, folder=tmp_path / "run")
    expected = read_settings(tmp_path / "run" / "stylized.png")
    assert json.loads(painted.info["nst_lightning"]) == expected
    assert json.loads(painted.copy().info["nst_lightning"]) == expected
    saved = tmp_path / f"saved.{suffix}"
    painted.save(saved)
    assert read_settings(saved) == expected
    assert ImageCms.ImageCmsProfile(io.BytesIO(opened(saved).info["icc_profile"])).profile


def test_elsewhere_than_in_a_notebook_a_preview_is_nothing(
    pictures: tuple[Path, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    stylize(*pictures, steps=1, settings=SMALL, preview=True)
    assert tuple(capfd.readouterr()) == ("", "")
