"""Scales: the picture carried up, and runs that are killed on any of them."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.painting import ADAM, TORCH_LBFGS, KillAt, Killed, arguments, logged, paint
from PIL import Image
from scipy.ndimage import gaussian_filter

from nst_lightning.cli import main
from nst_lightning.data.coherence import coherent
from nst_lightning.data.images import load_image
from nst_lightning.data.resizing import carry_up, resize_to
from nst_lightning.objective import Objective

pytestmark = pytest.mark.slow

SCALES = "--data.scales=" + json.dumps([{"size": 22, "steps": 3}, {"size": 26, "steps": 2}])


def smooth(seed: int, size: tuple[int, int]) -> torch.Tensor:
    coarse = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    return resize_to(coarse, size)


def noise(size: tuple[int, int]) -> torch.Tensor:
    return torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))


def test_an_untouched_content_is_carried_up_to_itself() -> None:
    fine = noise((40, 30))
    coarse = resize_to(fine, (20, 15))
    assert torch.equal(carry_up(coarse, coarse, fine), fine)


def test_what_was_painted_and_the_contents_detail_are_both_there() -> None:
    fine = 0.3 + 0.1 * noise((64, 48))
    coarse = resize_to(fine, (32, 24))
    stroke = 0.3 * smooth(1, (32, 24))
    carried = carry_up(coarse + stroke, coarse, fine)
    # Painted: the same strokes, smooth ones are enlarged as they are.
    torch.testing.assert_close(carried - fine, resize_to(stroke, (64, 48)), atol=0.01, rtol=0)


def test_the_sizes_of_a_run(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    session = paint(
        *(tmp_path, pictures, SCALES, "--images.every_n_steps=1", "--images.film=gif"), steps=8
    )
    sizes = [Image.open(p).size for p in sorted((tmp_path / "images").glob("step-*.png"))]
    assert sizes == [(22, 17)] * 3 + [(26, 20)] * 2 + [(32, 24)] * 3
    assert Image.open(tmp_path / "stylized.png").size == (32, 24)
    assert Image.open(tmp_path / "film.gif").size == (32, 24)
    assert session.trainer.optimizers[0].iterations == 3
    losses = [float(row["loss"]) for row in logged(tmp_path)]
    for scale in (losses[:3], losses[3:5], losses[5:]):
        assert scale == sorted(scale, reverse=True)


def schedule() -> str:
    rule = {"term": "style", "start": 1e5, "end": 2e4}
    return "--trainer.callbacks=" + json.dumps(
        [{"class_path": "nst_lightning.callbacks.LinearWeight", "init_args": rule}]
    )


def with_masks(folder: Path, pictures: tuple[Path, Path]) -> list[str]:
    mask = Image.new("L", (64, 48), 0)
    mask.paste(255, (32, 0, 64, 48))
    mask.save(folder / "mask.png")
    styles = json.dumps([str(pictures[1]), str(pictures[0])])
    return [
        f"--data.style={styles}",
        f"--data.content_mask={folder / 'mask.png'}",
        "--model.style=nst_lightning.losses.GuidedGramLoss",
    ]


@pytest.mark.parametrize("options", [(), TORCH_LBFGS, (*ADAM, "--model.average=0.9")])
@pytest.mark.parametrize("step", [2, 4, 5, 7])
def test_killed_and_resumed(
    tmp_path: Path, pictures: tuple[Path, Path], options: tuple[str, ...], step: int
) -> None:
    more = (*options, SCALES, "--checkpoint.every_n_steps=1", schedule())
    if not options:
        more += (*with_masks(tmp_path, pictures), "--data.colour=luminance")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    paint(whole, pictures, *more, steps=8)
    with pytest.raises(Killed):
        paint(broken, pictures, *more, steps=8, callbacks=[KillAt(step)])
    paint(broken, pictures, *more, "--ckpt_path=last", steps=8)
    assert (broken / "stylized.png").read_bytes() == (whole / "stylized.png").read_bytes()
    assert logged(broken) == logged(whole)


@pytest.mark.parametrize("strokes", ["large", "fine"])
def test_the_content_of_a_large_picture(
    tmp_path: Path, pictures: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, strokes: str
) -> None:
    monkeypatch.setattr("nst_lightning.data.image_pair.SMALL", 100)
    taken: list[torch.Tensor] = []
    inner = Objective.set_targets

    def set_targets(self: Objective, content: torch.Tensor, *args: Any) -> None:
        taken.append(content)
        inner(self, content, *args)

    monkeypatch.setattr(Objective, "set_targets", set_targets)
    octaves = ("--data.size=256", "--data.scales=octaves", "--data.octave_steps=3")
    options = (*octaves, "--data.detail=painting", f"--data.strokes={strokes}")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    session = paint(whole, pictures, *options, "--images.every_n_steps=1", steps=2)
    photographs = [session.pair._at(scale).content.pixels for scale in range(3)]
    assert torch.equal(taken[0], photographs[0])
    if strokes == "fine":
        assert all(torch.equal(a, b) for a, b in zip(taken, photographs, strict=True))
        return
    painted = [load_image(whole / "images" / f"step-0000{n}.png").pixels for n in (3, 6)]
    for content, before in zip(taken[1:], painted, strict=True):
        blurred = gaussian_filter(before.numpy(), (0, 0, 0.6, 0.6), mode="mirror", radius=2)
        enlarged = resize_to(torch.from_numpy(blurred), (content.shape[-2], content.shape[-1]))
        # Where no direction stands out, the file's rounding decides on one.
        assert (content - coherent(enlarged, 0.7)).abs().mean() < 0.002
        assert (content - enlarged).abs().mean() > 0.004
    with pytest.raises(Killed):
        paint(
            broken,
            pictures,
            *options,
            "--checkpoint.every_n_steps=1",
            steps=2,
            callbacks=[KillAt(7)],
        )
    paint(broken, pictures, *options, "--checkpoint.every_n_steps=1", "--ckpt_path=last", steps=2)
    assert (broken / "stylized.png").read_bytes() == (whole / "stylized.png").read_bytes()


def test_a_finished_picture_is_measured(
    tmp_path: Path, pictures: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    args = arguments(tmp_path, pictures, SCALES, steps=6)
    assert main(args) == 0
    assert "painting 32x24 px, 6 steps, 3 scales" in capsys.readouterr().out
    assert main(["test", *args[1:], "--ckpt_path=last"]) == 0
    assert "SSIM to the content" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("scales", "words"),
    [
        ([{"size": 22, "steps": 6}], "they take 6 steps, but the run has only 6"),
        (
            [{"size": 22, "steps": 0}],
            "steps of scale 1 must be a whole number of at least 1",
        ),
        ([{"size": 26, "steps": 1}, {"size": 22, "steps": 1}], "[26, 22, 32]"),
        ([{"size": 32, "steps": 1}], "must grow"),
        ([{"size": 8, "steps": 1}], "the size of scale 1 is 8"),
        ([{"size": 22}], "steps"),
        ([{"size": 22, "stps": 1}], "stps"),
    ],
)
def test_a_mistake(
    tmp_path: Path,
    pictures: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
    scales: list[dict[str, int]],
    words: str,
) -> None:
    args = arguments(tmp_path / "run", pictures, f"--data.scales={json.dumps(scales)}")
    assert main(args) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert words in said
    assert not (tmp_path / "run").exists()
