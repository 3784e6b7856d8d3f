"""The module: its parameter, its objective, its guards against what cannot work."""

import functools
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.painting import ADAM, FAST_ADAM, TORCH_LBFGS, paint
from lightning.pytorch import Callback, LightningDataModule, Trainer
from torch import Tensor

from nst_lightning import ImagePair, InputError, NeuralStyleTransfer, VGG19Encoder
from nst_lightning.losses import ContentLoss, GramLoss, LossTerm, Reference, TotalVariationLoss
from nst_lightning.module import CHECKPOINT_KEY


class MeanRed(LossTerm):
    """A researcher's own term: the mean of the red channel, seen without any layer."""

    def set_targets(self, content: Reference, styles: list[Reference]) -> None:  # type: ignore[override]
        self.shares = [style.weight for style in styles]

    def forward(self, image: Tensor, features: dict[str, Tensor]) -> Tensor:
        return image[:, 0].mean()


def model(**options: Any) -> NeuralStyleTransfer:
    terms = {"content": ContentLoss(1.0, ["conv1_1"]), "style": GramLoss(10.0, ["conv1_1"])}
    return NeuralStyleTransfer(**(terms | options))


def pair(pictures: tuple[Path, Path], **options: Any) -> ImagePair:
    return ImagePair(*map(str, pictures), **({"size": 32, "steps_per_epoch": 2} | options))


def trainer(folder: Path, *callbacks: Callback, **options: Any) -> Trainer:
    quiet = {
        **{"accelerator": "cpu", "devices": 1, "max_epochs": 1, "logger": False},
        **{"enable_progress_bar": False, "enable_model_summary": False},
        "enable_checkpointing": False,
    }
    return Trainer(default_root_dir=folder, callbacks=list(callbacks), **(quiet | options))


# -- building --


def test_the_picture_is_the_only_parameter(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    nst = model()
    assert list(nst.named_parameters()) == []
    trainer(tmp_path).fit(nst, datamodule=pair(pictures))
    assert [name for name, _ in nst.named_parameters()] == ["image"]
    assert list(nst.state_dict()) == ["image"]
    assert nst.image.shape == (1, 3, 24, 32)


def test_encoder_gets_each_layer_once() -> None:
    asked: list[list[str]] = []

    def encoder(taps: Any) -> torch.nn.Module:
        asked.append(list(taps))
        return torch.nn.Identity()

    model(
        content=ContentLoss(1.0, ["relu2_1", "conv1_1"]),
        style=GramLoss(1.0, ["conv1_1", "relu3_1"]),
        encoder=encoder,
    )
    assert asked == [["relu2_1", "conv1_1", "relu3_1"]]


def test_without_terms() -> None:
    with pytest.raises(InputError, match="no loss term is left"):
        NeuralStyleTransfer()


@pytest.mark.parametrize("name", ["style", "my term", "", "a.b"])
def test_names_that_an_extra_term_cannot_have(name: str) -> None:
    with pytest.raises(InputError, match=r"model\.extra: .* cannot name a term"):
        model(extra={name: MeanRed()})


@pytest.mark.parametrize("average", [1.0, -0.1, math.nan, 2.0])
def test_average_out_of_range(average: float) -> None:
    with pytest.raises(InputError, match=r"model\.average: .* is not in \[0, 1\)"):
        model(average=average)


# -- the objective --


def test_losses_are_weighted_and_summed(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    nst = model(tv=TotalVariationLoss(0.5), extra={"red": MeanRed(4.0)})
    trainer(tmp_path, max_steps=0).fit(nst, datamodule=pair(pictures))
    nst.trainer = trainer(tmp_path)
    nst.trainer.datamodule = ready = pair(pictures)  # type: ignore[attr-defined]
    ready.setup("fit")
    nst.set_targets()
    picture = torch.linspace(0, 1, 3 * 24 * 32).view(1, 3, 24, 32)
    losses = nst.losses(picture)
    assert list(losses) == ["content_loss", "style_loss", "tv_loss", "red_loss", "loss"]
    pixels = picture[0].double().numpy()
    assert float(losses["red_loss"]) == pytest.approx(4 * pixels[0].mean(), rel=1e-6)
    rise = np.abs(np.diff(pixels, axis=1)).sum() + np.abs(np.diff(pixels, axis=2)).sum()
    assert float(losses["tv_loss"]) == pytest.approx(0.5 * rise, rel=1e-5)
    parts = [float(losses[name]) for name in losses if name != "loss"]
    assert float(losses["loss"]) == pytest.approx(sum(parts), rel=1e-6)
    assert all(part > 0 for part in parts)
    doubled = float(losses["style_loss"]) * 2
    nst.objective.terms["style"].weight *= 2  # a schedule may do this during a run
    assert float(nst.losses(picture)["style_loss"]) == pytest.approx(doubled, rel=1e-6)


def test_styles_are_handed_over_with_their_shares(
    tmp_path: Path, pictures: tuple[Path, Path]
) -> None:
    term = MeanRed()
    several = ImagePair(
        str(pictures[0]), [str(p) for p in (*pictures, pictures[0])], [2, 1, 1], size=32
    )
    nst = model(extra={"red": term})
    nst.trainer = trainer(tmp_path)
    nst.trainer.datamodule = several  # type: ignore[attr-defined]
    several.setup("fit")
    nst.set_targets()
    assert term.shares == [0.5, 0.25, 0.25]


def test_content_picture_has_no_content_loss(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    nst = model()
    nst.trainer = trainer(tmp_path)
    nst.trainer.datamodule = ready = pair(pictures)  # type: ignore[attr-defined]
    ready.setup("fit")
    nst.set_targets()
    with torch.no_grad():
        assert float(nst.losses(ready.content)["content_loss"]) == 0
        assert float(nst.losses(ready.content)["style_loss"]) > 0


# -- the picture --


def test_setup_copies_the_content(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    data = pair(pictures)
    nst = model()
    trainer(tmp_path, max_epochs=1).fit(nst, datamodule=data)
    fresh = pair(pictures)
    fresh.setup("fit")
    assert torch.equal(data.content, fresh.content)
    assert not torch.equal(nst.image.detach(), fresh.content)


def test_a_test_without_a_checkpoint_makes_no_picture(
    tmp_path: Path, pictures: tuple[Path, Path]
) -> None:
    nst = model()
    nst.trainer = trainer(tmp_path)
    nst.trainer.datamodule = data = pair(pictures)  # type: ignore[attr-defined]
    data.setup("test")
    nst.setup("test")
    assert nst.image is None


def test_too_small_for_the_layers(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    def encoder(taps: Any) -> torch.nn.Module:
        deep = torch.nn.Identity()
        deep.minimum_size = 28
        return deep

    with pytest.raises(InputError, match=r"data\.content: 32x24 px is too small .* need 28 px"):
        trainer(tmp_path).fit(model(encoder=encoder), datamodule=pair(pictures))
    squeezed = pair(pictures, size=40, style_scale=0.6)
    with pytest.raises(InputError, match=r"data\.style: 22x24 px is too small .* need 28 px"):
        trainer(tmp_path).fit(model(encoder=encoder), datamodule=squeezed)


def test_without_pictures(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no pictures: give the trainer an ImagePair"):
        trainer(tmp_path).fit(model(), datamodule=LightningDataModule())


def test_picture_is_shown_within_bounds(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    session = paint(
        tmp_path, pictures, *FAST_ADAM, "--explosion.enabled=false", "--model.clamp=none", steps=4
    )
    image, shown = session.model.image.detach(), session.model.picture()
    assert float(image.max()) > 1  # nothing but the look at it is clamped
    assert np.array_equal(shown.numpy(), np.clip(image.numpy(), 0, 1))
    assert shown.data_ptr() != image.data_ptr()


def test_average_against_numpy(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    seen: list[np.ndarray] = []

    class Watch(Callback):
        def on_train_batch_end(self, trainer: Any, pl_module: Any, *args: Any) -> None:
            seen.append(pl_module.image.detach().double().numpy().copy())

    session = paint(
        *(tmp_path, pictures, *ADAM, "--model.average=0.8", "--model.clamp=step"),
        callbacks=[Watch()],
    )
    weights = 0.8 ** np.arange(len(seen))[::-1]
    expected = np.tensordot(weights / weights.sum(), np.stack(seen), 1)
    assert len(seen) == 6
    assert np.abs(session.model.picture().numpy() - expected).max() < 1e-6
    assert np.abs(seen[-1] - expected).max() > 0.01


@pytest.mark.parametrize("clamp", ["none", "step", "closure"])
def test_clamp(tmp_path: Path, pictures: tuple[Path, Path], clamp: str) -> None:
    after: list[float] = []
    evaluated: list[float] = []

    class Watch(Callback):
        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            losses = pl_module.losses

            def watched(picture: Tensor) -> dict[str, Tensor]:
                evaluated.append(float(picture.detach().max()))
                return losses(picture)

            pl_module.losses = watched

        def on_train_batch_end(self, trainer: Any, pl_module: Any, *args: Any) -> None:
            after.append(float(pl_module.image.detach().max()))

    args = (*FAST_ADAM, f"--model.clamp={clamp}")
    paint(tmp_path, pictures, *args, "--explosion.enabled=false", callbacks=[Watch()])
    assert (max(after) > 1) is (clamp != "step")
    assert (max(evaluated) > 1) is (clamp == "none")


@pytest.mark.parametrize("optimiser", [(), ADAM, TORCH_LBFGS], ids=["bounded", "adam", "lbfgs"])
def test_replace_picture_clears_the_optimisers_memory(
    tmp_path: Path, pictures: tuple[Path, Path], optimiser: tuple[str, ...]
) -> None:
    seen: list[int] = []

    def remembered(pl_module: Any) -> int:
        state = pl_module.trainer.optimizers[0].state_dict()["state"].get(0, {})
        held = [v for v in state.values() if isinstance(v, Tensor) and v.ndim]
        pairs = state.get("old_dirs") or state.get("memory", {}).get("pairs", [])
        return len(held) + len(pairs)

    class Replace(Callback):
        def on_train_batch_end(self, trainer: Any, pl_module: Any, *args: Any) -> None:
            if trainer.global_step == 4:
                seen.append(remembered(pl_module))
                picture = torch.full_like(pl_module.image, 0.25)
                pl_module.replace_picture(picture)
                seen.append(remembered(pl_module))
                assert torch.equal(pl_module.picture(), picture)
                assert pl_module.image.grad is None

    paint(tmp_path, pictures, *optimiser, "--explosion.enabled=false", callbacks=[Replace()])
    assert seen[0] > 0
    assert seen[1] == 0


def test_forget_clears_the_average(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    class Replace(Callback):
        def on_train_batch_end(self, trainer: Any, pl_module: Any, *args: Any) -> None:
            if trainer.global_step == 3:
                pl_module.replace_picture(torch.full_like(pl_module.image, 0.25))

    session = paint(
        *(tmp_path, pictures, *ADAM, "--model.average=0.9", "--explosion.enabled=false"),
        callbacks=[Replace()],
    )
    assert session.model.average.state_dict()["steps"] == 3
    # Three small steps of Adam from the new picture: nothing of the first three is left.
    assert float((session.model.picture() - 0.25).abs().max()) < 0.07


# -- what cannot work --


@pytest.mark.parametrize("optimiser", [(), TORCH_LBFGS], ids=["bounded", "torch"])
@pytest.mark.parametrize(
    "option", ["--trainer.gradient_clip_val=1.0", "--trainer.accumulate_grad_batches=2"]
)
def test_lbfgs_refuses_changed_gradients(
    tmp_path: Path, pictures: tuple[Path, Path], optimiser: tuple[str, ...], option: str
) -> None:
    name = option.removeprefix("--").split("=")[0].replace(".", r"\.")
    with pytest.raises(InputError, match=f"^{name}: .*L-BFGS"):
        paint(tmp_path, pictures, *optimiser, option)
    assert list(tmp_path.iterdir()) == []


class RandomDirection(LossTerm):
    """A random loss: the picture along a direction, drawn at each evaluation or held."""

    def __init__(self, weight: float = 1.0, holds: bool = False) -> None:
        super().__init__(weight)
        self.holds, self.evaluations = holds, 0
        self.direction = torch.ones(3)

    def redraw(self, step: int, features: Any) -> bool:
        self.direction = torch.rand(3)
        return True

    def forward(self, image: Tensor, features: dict[str, Tensor]) -> Tensor:
        self.evaluations += 1
        drawn = self.direction if self.holds else torch.rand(3)
        return (image.mean((0, 2, 3)) * drawn).sum()


@pytest.mark.parametrize("optimizer", [None, torch.optim.LBFGS])
def test_a_random_loss_is_refused_before_the_first_step(
    tmp_path: Path, pictures: tuple[Path, Path], optimizer: Any
) -> None:
    nst = model(extra={"mine": RandomDirection()}, optimizer=optimizer)
    with pytest.raises(InputError, match=r"the term mine is random: .*redraw\(\).*Adam") as caught:
        trainer(tmp_path).fit(nst, datamodule=pair(pictures))
    assert "\n" not in str(caught.value)
    assert "BoundedLBFGS" in str(caught.value) or optimizer
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("term", "options", "more"),
    [
        pytest.param({"holds": True}, {}, 2, id="held between steps"),
        pytest.param({"weight": 0.0}, {}, 2, id="of no weight"),
        pytest.param({}, {"optimizer": torch.optim.Adam}, 0, id="under Adam"),
        pytest.param(
            {"holds": True},
            {"encoder": functools.partial(VGG19Encoder, precision="bfloat16")},
            2,
            id="bfloat16",
        ),
    ],
)
def test_a_loss_that_is_steady_or_may_be_random_runs(
    tmp_path: Path, pictures: tuple[Path, Path], term: Any, options: Any, more: int
) -> None:
    mine = RandomDirection(**term)
    seen = []

    class AtTheStart(Callback):
        def on_train_start(self, *_: Any) -> None:
            seen.append(mine.evaluations)

    nst = model(extra={"mine": mine}, **options)
    trainer(tmp_path, AtTheStart()).fit(nst, datamodule=pair(pictures))
    assert seen == [more]


def test_a_loss_that_is_not_finite_is_not_called_random(
    tmp_path: Path, pictures: tuple[Path, Path]
) -> None:
    class NotANumber(MeanRed):
        def forward(self, image: Tensor, features: dict[str, Tensor]) -> Tensor:
            return image.sum() * math.nan

    nst = model(extra={"mine": NotANumber()})
    with pytest.raises(InputError, match=r"the loss is nan .* not finite.* the term mine"):
        trainer(tmp_path).fit(nst, datamodule=pair(pictures))


@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        pytest.param(1, "the loss is not finite in the very first step", id="from the start"),
        pytest.param(3, "the picture is not finite", id="in the last step"),
    ],
)
def test_no_picture_that_is_not_finite_is_handed_over_with_a_trainer_of_ones_own(
    tmp_path: Path, pictures: tuple[Path, Path], spoilt: int, message: str
) -> None:
    class Spoil(Callback):
        def on_train_batch_start(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
            if trainer.global_step + 1 == spoilt:
                pl_module.image.data.fill_(math.nan)

    nst = model(optimizer=functools.partial(torch.optim.Adam, lr=0.01))
    with pytest.raises(InputError, match=message):
        trainer(tmp_path, Spoil(), max_epochs=3).fit(nst, datamodule=pair(pictures))


def test_adam_may_clip(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    session = paint(tmp_path, pictures, *ADAM, "--trainer.gradient_clip_val=1.0", steps=2)
    assert session.trainer.global_step == 2


# -- checkpoints --


def test_checkpoint_of_another_framework() -> None:
    with pytest.raises(InputError, match="ckpt_path: the checkpoint holds no picture"):
        model().on_load_checkpoint({"state_dict": {"weight": torch.zeros(3)}})
    with pytest.raises(InputError, match="ckpt_path: the checkpoint holds no picture"):
        model().on_load_checkpoint({CHECKPOINT_KEY: {}, "state_dict": {}})


def test_checkpoint_of_another_size(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    paint(tmp_path, pictures, steps=2)
    before = (tmp_path / "stylized.png").read_bytes()
    with pytest.raises(InputError, match=r"ckpt_path: the checkpoint holds a 32x24 .* is 40x30"):
        paint(tmp_path, pictures, "--ckpt_path=last", "--data.size=40", steps=4)
    assert (tmp_path / "stylized.png").read_bytes() == before


@pytest.mark.parametrize("optimiser", [ADAM, TORCH_LBFGS], ids=["adam", "lbfgs"])
def test_checkpoint_of_another_optimiser(
    tmp_path: Path, pictures: tuple[Path, Path], optimiser: tuple[str, ...]
) -> None:
    paint(tmp_path, pictures, "--checkpoint.optimizer=full", steps=2)
    with pytest.raises(InputError, match=r"optimi[sz]er.*BoundedLBFGS"):
        paint(tmp_path, pictures, "--ckpt_path=last", *optimiser, steps=4)


def test_checkpoint_of_adam_for_bounded_lbfgs(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    paint(tmp_path, pictures, *ADAM, "--checkpoint.optimizer=full", steps=2)
    with pytest.raises(InputError, match=r"optimi[sz]er"):
        paint(
            *(tmp_path, pictures, "--ckpt_path=last"),
            "--model.optimizer=nst_lightning.optim.BoundedLBFGS",
            steps=4,
        )


def test_a_finished_picture_is_measured(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    session = paint(tmp_path, pictures, steps=2)
    fresh = model()
    measures = trainer(tmp_path).test(
        fresh,
        datamodule=pair(pictures),
        ckpt_path=str(tmp_path / "checkpoints" / "last.ckpt"),
        verbose=False,
    )[0]
    assert torch.equal(fresh.picture(), session.model.picture())
    difference = session.model.picture().double() - session.pair.content.double()
    mse = float((difference**2).mean())
    assert measures["picture/mse/content"] == pytest.approx(mse, rel=1e-5)
    assert measures["picture/psnr/content"] == pytest.approx(-10 * math.log10(mse), rel=1e-5)
    assert measures["content/mse/content"] == 0
    assert measures["content/ssim/content"] == pytest.approx(1, abs=1e-6)
    assert 0 < measures["picture/style_distance"] != measures["content/style_distance"]


def test_a_term_of_somebody_elses_gets_single_precision():
    seen = {}

    class Theirs(LossTerm):
        def __init__(self):
            super().__init__(1.0, ["relu1_1"])

        def forward(self, image, features):
            seen["theirs"] = features["relu1_1"].dtype
            return features["relu1_1"].square().mean()

    class Ours(Theirs):
        takes_half = True

        def forward(self, image, features):
            seen["ours"] = features["relu1_1"].dtype
            return features["relu1_1"].float().square().mean()

    model = NeuralStyleTransfer(
        extra={"theirs": Theirs(), "ours": Ours()},
        encoder=lambda taps: VGG19Encoder(taps, precision="bfloat16"),
    )
    losses = model.losses(
        torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)).requires_grad_()
    )
    assert seen == {"theirs": torch.float32, "ours": torch.bfloat16}
    assert losses["loss"].dtype == torch.float32


@pytest.mark.slow
def test_compiled_or_not_the_picture_is_the_same(tmp_path, pictures):
    if shutil.which("g++") is None:
        pytest.skip("torch.compile on a CPU needs a C++ compiler")
    plain = paint(tmp_path / "plain", pictures, steps=3)
    compiled = paint(tmp_path / "compiled", pictures, "--model.compile=default", steps=3)
    torch.testing.assert_close(compiled.model.picture(), plain.model.picture(), rtol=0, atol=1e-3)


# -- precision --


def bounded() -> NeuralStyleTransfer:
    return model(encoder=lambda taps: VGG19Encoder(taps, precision="bfloat16"))


class RefineAt(Callback):
    """Does what BoundedLBFGS does when its line search fails."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.global_step == self.step:
            assert trainer.optimizers[0].refine()


def test_float32_once_bfloat16_is_no_help_and_so_after_a_resume(
    tmp_path: Path, pictures: tuple[Path, Path]
) -> None:
    whole, stopped, resumed = bounded(), bounded(), bounded()
    data = {"steps_per_epoch": 1}
    trainer(tmp_path, RefineAt(3), max_epochs=8).fit(whole, datamodule=pair(pictures, **data))
    assert whole.objective.encoder.refined
    first = trainer(tmp_path, RefineAt(3), max_epochs=5)
    first.fit(stopped, datamodule=pair(pictures, **data))
    first.save_checkpoint(tmp_path / "half.ckpt")
    trainer(tmp_path, max_epochs=8).fit(
        resumed, datamodule=pair(pictures, **data), ckpt_path=tmp_path / "half.ckpt"
    )
    assert resumed.objective.encoder.refined
    assert torch.equal(whole.image, resumed.image)


@pytest.mark.slow
@pytest.mark.usefixtures("two_threads")
def test_bfloat16_goes_on_where_its_noise_would_end_the_run(
    tmp_path: Path, pictures: tuple[Path, Path]
) -> None:
    nst, exact = bounded(), model()
    for each in (nst, exact):
        trainer(tmp_path).fit(each, datamodule=pair(pictures, steps_per_epoch=400))
    with torch.no_grad():
        reached, expected = (float(m.losses(m.picture())["loss"]) for m in (nst, exact))
    assert nst.objective.encoder.refined
    assert reached < 1.1 * expected
