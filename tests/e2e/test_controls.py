"""Masks and colours in whole runs: each region nearer to its own style, colours that stay."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.painting import KillAt, Killed, fit, paint
from PIL import Image
from skimage.color import rgb2lab

from nst_lightning.encoder import VGG19Encoder
from nst_lightning.losses.term import STD5
from nst_lightning.metrics.style_distance import style_distances, style_grams

pytestmark = pytest.mark.slow


def settings(folder: Path, *more: str, size: int = 96, steps: int = 40) -> list[str]:
    return [
        "--config=looks/textured.yaml",
        "--data.content=sample:coffee",
        f"--data.size={size}",
        "--data.style_scale=1",
        f"--data.steps_per_epoch={steps}",
        "--trainer.max_epochs=1",
        "--images.every_n_steps=0",
        "--model.tv=null",
        f"--trainer.default_root_dir={folder}",
        *more,
    ]


def pixels(folder: Path) -> torch.Tensor:
    levels = np.asarray(Image.open(folder / "stylized.png").convert("RGB"), dtype=np.float32) / 255
    return torch.from_numpy(levels).permute(2, 0, 1)[None]


@pytest.mark.slow
def test_two_regions_two_styles(tmp_path: Path) -> None:
    mask = Image.new("L", (600, 400), 0)
    mask.paste(255, (300, 0, 600, 400))
    mask.save(tmp_path / "mask.png")
    given = [*settings(tmp_path / "out", size=128), "--config=configs/controls/regions.yaml"]
    given = [option for option in given if option != "--model.tv=null"]
    # More weight where a region has few places, so that it takes its own style down to the forms.
    given += ["--model.style=GuidedGramLoss", "--model.style.weight=3e5"]
    given += ["--model.style.layer_weights=[1, 1, 1, 1, 30]"]
    session = fit([*given, f"--data.content_mask={tmp_path / 'mask.png'}"])
    picture, pair = pixels(tmp_path / "out"), session.pair
    # As in the run: zeros around half a picture would count as its texture. relu5_1 is left out, of
    # which a region this small has 12 places, far too few for a Gram matrix of 512 channels.
    layers = STD5[:4]
    encoder = VGG19Encoder(layers, padding="replicate")
    middle = picture.shape[-1] // 2
    targets = [style_grams(style, encoder, layers) for style in pair.styles]
    for own, region in enumerate((picture[..., :middle], picture[..., middle:])):
        grams = style_grams(region.contiguous(), encoder, layers)
        to = [np.mean([float(d) for d in style_distances(grams, t).values()]) for t in targets]
        print(f"region {own}: {to}")
        assert to[own] * 3 <= to[1 - own]


def chroma(picture: torch.Tensor) -> np.ndarray:
    return rgb2lab(picture[0].permute(1, 2, 0).numpy())[..., 1:]


@pytest.mark.slow
def test_the_luminance_alone_keeps_the_colours(tmp_path: Path) -> None:
    away, differs = {}, {}
    for colour in ("style", "luminance"):
        out = tmp_path / colour
        session = fit(
            settings(out, "--data.style=sample:klimt", f"--data.colour={colour}", steps=20)
        )
        content, picture = session.pair.content, pixels(out)
        away[colour] = np.linalg.norm(chroma(picture) - chroma(content), axis=-1).mean()
        differs[colour] = float((picture - content).mean(1).abs().mean())
    print(away, differs)
    assert away["luminance"] <= away["style"] / 5
    # Strokes are still there: the luminance changed nearly as much as in the plain run.
    assert differs["luminance"] > 0.5 * differs["style"]


@pytest.mark.slow
@pytest.mark.parametrize("colour", ["luminance", "covariance", "histogram"])
def test_colours_kept_and_resumed(tmp_path: Path, pictures: tuple[Path, Path], colour: str) -> None:
    options = (f"--data.colour={colour}", "--checkpoint.every_n_steps=1")
    paint(tmp_path / "whole", pictures, *options, steps=5)
    with pytest.raises(Killed):
        paint(tmp_path / "broken", pictures, *options, steps=5, callbacks=[KillAt(4)])
    paint(tmp_path / "broken", pictures, *options, "--ckpt_path=last", steps=5)
    results = [(tmp_path / n / "stylized.png").read_bytes() for n in ("whole", "broken")]
    assert results[0] == results[1]


def test_masks_without_a_term_that_knows_them(tmp_path: Path, capsys) -> None:
    from nst_lightning.cli import main

    mask = Image.new("L", (600, 400), 0)
    mask.paste(255, (300, 0, 600, 400))
    mask.save(tmp_path / "mask.png")
    given = [
        f"--data.content_mask={tmp_path / 'mask.png'}",
        "--data.style=[sample:klimt, sample:waves]",
    ]
    assert main(settings(tmp_path / "out", *given, size=48, steps=2)) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "--model.style GuidedGramLoss" in said
    assert not (tmp_path / "out").exists()
