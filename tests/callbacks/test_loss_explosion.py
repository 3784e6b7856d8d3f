"""Back to the best picture when the loss explodes; the end when that does not help."""

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from helpers.painting import ADAM, KillAt, Killed, logged, paint
from PIL import Image
from torch.optim import Optimizer

from nst_lightning.callbacks import LossExplosion
from nst_lightning.errors import InputError
from nst_lightning.view import View


class Scripted(Optimizer):
    """Gradient descent that puts a ruined picture in place when told to.

    Args:
        plan: Called with the number of this step, from 1; a number fills the picture with it, None
            does an ordinary step.
    """

    def __init__(self, params: Any, plan: Callable[[int], float | None]) -> None:
        super().__init__(params, {})
        self.plan = plan
        self.count = 0
        self.cleared = 0

    def step(self, closure: Any = None) -> Any:  # type: ignore[override]
        with torch.enable_grad():
            loss = closure()
        self.count += 1
        (image,) = self.param_groups[0]["params"]
        if self.count > 1 and not self.state[image]:
            self.cleared += 1
        self.state[image]["seen"] = self.count
        ruin = self.plan(self.count)
        with torch.no_grad():
            if ruin is None:
                image.sub_(5e-4 * image.grad / image.grad.abs().max()).clamp_(0, 1)
            else:
                image.fill_(ruin)
        return loss


def scripted(plan: Callable[[int], float | None]) -> Callable[[Any], None]:
    def prepare(session: Any) -> None:
        session.model.optimizer_factory = lambda params: Scripted(params, plan)

    return prepare


def losses(folder: Path) -> list[float]:
    return [float(row["loss"]) for row in logged(folder)]


def result(folder: Path) -> np.ndarray:
    with Image.open(folder / "stylized.png") as picture:
        return np.asarray(picture)


def rounded(picture: torch.Tensor) -> np.ndarray:
    values = picture[0].permute(1, 2, 0).double().numpy()
    return np.floor(values * 255 + 0.5).astype(np.uint8)


def test_one_nan_is_got_over(
    tmp_path: Path, pictures: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    # Step 3 ruins the picture; its loss is that of step 4.
    session = paint(
        *(tmp_path, pictures),
        steps=8,
        prepare=scripted(lambda step: math.nan if step == 3 else None),
    )
    found = losses(tmp_path)
    assert [math.isnan(loss) for loss in found] == [i == 3 for i in range(8)]
    assert session.guard.explosions == [4]
    assert session.trainer.global_step == 8
    assert session.trainer.optimizers[0].cleared == 1
    # Step 5 starts from the best picture, whose loss is known.
    assert found[4] == pytest.approx(min(found[:3]), rel=1e-6)
    assert found[7] < found[4]
    assert "step 4: the loss exploded (nan" in (said := capsys.readouterr().out)
    assert "try 1 of 3" in said


def test_always_stops_with_the_best_picture(
    tmp_path: Path, pictures: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    session = paint(
        *(tmp_path, pictures, "--explosion.max_retries=2"),
        steps=30,
        prepare=scripted(lambda step: math.nan if step >= 3 else None),
    )
    # Each return costs a step that scores the best picture and one that sees it ruined.
    assert session.guard.explosions == [4, 6, 8]
    assert session.trainer.global_step == 8
    found = losses(tmp_path)
    assert float(session.model.best.loss) == pytest.approx(np.nanmin(found), rel=1e-6)
    assert np.array_equal(result(tmp_path), rounded(session.model.best.picture.clamp(0, 1)))
    assert "stopping with the best picture" in capsys.readouterr().out


def test_no_retries(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    session = paint(
        *(tmp_path, pictures, "--explosion.max_retries=0"),
        steps=30,
        prepare=scripted(lambda step: math.nan if step == 3 else None),
    )
    assert session.trainer.global_step == 4


def test_progress_earns_new_retries(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    # Ruined every fourth step, with progress in between: never more than one try at a time.
    session = paint(
        *(tmp_path, pictures, "--explosion.max_retries=1"),
        steps=24,
        prepare=scripted(lambda step: math.nan if step % 4 == 0 else None),
    )
    assert session.guard.explosions == [5, 9, 13, 17, 21]
    assert session.guard.retries == 1
    assert session.trainer.global_step == 24


@pytest.mark.parametrize(("factor", "explodes"), [(1.05, True), (1e6, False)])
def test_factor(tmp_path: Path, pictures: tuple[Path, Path], factor: float, explodes: bool) -> None:
    # A grey picture: finite, and far worse than the best.
    session = paint(
        *(tmp_path, pictures, f"--explosion.factor={factor}", "--explosion.grace=2"),
        "--model.content.weight=1e6",
        steps=8,
        prepare=scripted(lambda step: 0.5 if step == 5 else None),
    )
    found = losses(tmp_path)
    assert 1.05 * min(found[:5]) < found[5] < 1e6 * min(found[:5])
    assert session.guard.explosions == ([6] if explodes else [])


@pytest.mark.parametrize(("grace", "exploded"), [(6, []), (5, [6])])
def test_grace_from_the_start(
    tmp_path: Path, pictures: tuple[Path, Path], grace: int, exploded: list[int]
) -> None:
    def plan(step: int) -> float | None:
        return 0.5 if step == 5 else None

    session = paint(
        *(tmp_path, pictures, f"--explosion.grace={grace}", "--model.content.weight=1e6"),
        steps=6,
        prepare=scripted(plan),
    )
    assert session.guard.explosions == exploded


def test_grace_does_not_cover_what_is_not_finite(
    tmp_path: Path, pictures: tuple[Path, Path]
) -> None:
    session = paint(
        *(tmp_path, pictures, "--explosion.grace=100"),
        steps=4,
        prepare=scripted(lambda step: math.inf if step == 2 else None),
    )
    assert session.guard.explosions == [3]


def test_grace_from_each_return(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    # NaN is seen at step 3; grey from step 5 on counts at 8, the first after the grace of 4.
    ruins = {2: math.nan, 5: 0.5}
    session = paint(
        *(tmp_path, pictures, "--explosion.grace=4", "--model.content.weight=1e6"),
        steps=10,
        prepare=scripted(ruins.get),
    )
    assert session.guard.explosions == [3, 8]


def test_not_enabled(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    session = paint(
        *(tmp_path, pictures, "--explosion.enabled=false", "--explosion.grace=0"),
        "--model.content.weight=1e6",
        steps=6,
        prepare=scripted(lambda step: 0.5 if step >= 3 else None),
    )
    assert session.guard.explosions == []
    assert session.trainer.optimizers[0].cleared == 0
    assert (result(tmp_path) == 128).all()  # not even the result is mended


def test_a_first_picture_without_a_finite_loss(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match=r"not finite in the very first step.*model\.\*\.weight"):
        paint(tmp_path, pictures, *ADAM, "--model.tv.weight=1e38")


def test_the_result_is_the_best_where_the_last_is_worse(
    tmp_path: Path, pictures: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    session = paint(
        *(tmp_path, pictures, "--model.content.weight=1e6"),
        steps=6,
        prepare=scripted(lambda step: 0.5 if step == 6 else None),
    )
    # File, model, checkpoint and summary agree.
    best = rounded(session.model.best.picture.clamp(0, 1))
    assert np.array_equal(rounded(session.model.picture()), best)
    assert np.array_equal(result(tmp_path), best)
    saved = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert np.array_equal(rounded(saved["state_dict"]["image"]), best)
    assert f"loss     {float(session.model.best.loss):.4g} (" in capsys.readouterr().out


def test_the_result_is_the_last_where_that_is_better(
    tmp_path: Path, pictures: tuple[Path, Path]
) -> None:
    session = paint(tmp_path, pictures, steps=4, prepare=scripted(lambda step: None))
    assert np.array_equal(result(tmp_path), rounded(session.model.image.detach()))
    assert not np.array_equal(result(tmp_path), rounded(session.model.best.picture))


def test_pictures_on_the_way_are_never_the_exploded_one(
    tmp_path: Path, pictures: tuple[Path, Path]
) -> None:
    paint(
        *(tmp_path, pictures, "--images.every_n_steps=1", "--explosion.grace=0"),
        "--model.content.weight=1e6",
        steps=6,
        prepare=scripted(lambda step: 2.0 if step == 3 else None),
    )
    # Step 4 sees the white picture and goes back before any picture is written.
    with Image.open(tmp_path / "images" / "step-00004.png") as picture:
        assert np.asarray(picture).std() > 10


def test_a_resumed_run_counts_on(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    def plan(step: int) -> float | None:
        return math.nan if step >= 3 else None

    with pytest.raises(Killed):
        paint(
            *(tmp_path, pictures, "--checkpoint.every_n_steps=3", "--explosion.max_retries=2"),
            steps=30,
            callbacks=[KillAt(7)],
            prepare=scripted(plan),
        )

    found = []

    def resume(session: Any) -> None:
        # This optimiser counts from its making: the sixth step is behind us.
        session.model.optimizer_factory = lambda params: Scripted(params, lambda step: math.nan)
        found.append(session)

    session = paint(
        *(tmp_path, pictures, "--ckpt_path=last", "--explosion.max_retries=2"),
        steps=30,
        prepare=resume,
    )
    assert session.guard.explosions == [4, 6, 8]
    assert session.trainer.global_step == 8


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"factor": 1.0}, "explosion.factor: 1.0 is not above 1"),
        ({"factor": math.nan}, "explosion.factor: nan is not above 1"),
        ({"max_retries": -1}, "explosion.max_retries: -1 is negative"),
        ({"grace": -1}, "explosion.grace: -1 is negative"),
    ],
)
def test_values_out_of_range(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        LossExplosion(**options)


@pytest.mark.parametrize(("last", "handed_over"), [(0.5, "last"), (0.0, "best")])
def test_the_better_picture_as_shown_is_handed_over(last: float, handed_over: str) -> None:
    """An optimiser without bounds scores pictures outside [0, 1], which are never shown."""
    given = []
    module = SimpleNamespace(
        best=SimpleNamespace(loss=torch.tensor(1e-6), picture=torch.tensor([1.5])),
        average=None,
        image=torch.tensor([last]),
        view=View(),
        losses=lambda picture: {"loss": (picture - 0.6).square().sum()},
        replace_picture=given.append,
    )
    LossExplosion().on_train_end(None, module)  # type: ignore[arg-type]
    assert given == ([] if handed_over == "last" else [module.best.picture])
