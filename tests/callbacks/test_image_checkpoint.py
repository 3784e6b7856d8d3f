"""Pictures on the way, the best, the result; written whole, whatever ends the run."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.painting import ADAM, FAST_ADAM, KillAt, Killed, files, logged, paint
from lightning.pytorch import Callback
from PIL import Image

from nst_lightning.callbacks import ImageCheckpoint
from nst_lightning.errors import InputError


class Watch(Callback):
    """Keeps the picture of every step, as it is before the step and after."""

    def __init__(self) -> None:
        self.before: list[np.ndarray] = []
        self.after: list[np.ndarray] = []

    def on_train_batch_start(self, trainer: Any, pl_module: Any, *args: Any) -> None:
        self.before.append(pl_module.picture()[0].permute(1, 2, 0).numpy().copy())

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *args: Any) -> None:
        self.after.append(pl_module.picture()[0].permute(1, 2, 0).numpy().copy())


def levels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def rounded(picture: np.ndarray) -> np.ndarray:
    return np.floor(picture.astype(np.float64) * 255 + 0.5).astype(np.uint8)


def test_every_n_steps(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    watch = Watch()
    paint(tmp_path, pictures, "--images.every_n_steps=2", steps=5, callbacks=[watch])
    assert files(tmp_path / "images") == ["best.png", "step-00002.png", "step-00004.png"]
    for step in (2, 4):
        shown = levels(tmp_path / "images" / f"step-{step:05d}.png")
        assert np.array_equal(shown, rounded(watch.after[step - 1]))
    assert np.array_equal(levels(tmp_path / "stylized.png"), rounded(watch.after[-1]))


def test_only_the_result(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    paint(tmp_path, pictures, "--images.every_n_steps=0", "--images.save_best=false", steps=2)
    assert not (tmp_path / "images").exists()
    assert (tmp_path / "stylized.png").is_file()


def test_best_is_the_lowest_of_the_logged_losses(
    tmp_path: Path, pictures: tuple[Path, Path]
) -> None:
    class Overdo(Callback):
        def on_train_batch_start(self, trainer: Any, *args: Any) -> None:
            trainer.optimizers[0].param_groups[0]["lr"] = 0.02 if trainer.global_step < 4 else 1.0

    watch = Watch()
    session = paint(
        *(tmp_path, pictures, *ADAM, "--explosion.enabled=false", "--model.clamp=step"),
        steps=8,
        callbacks=[watch, Overdo()],
    )
    losses = [float(row["loss"]) for row in logged(tmp_path)]
    lowest = int(np.argmin(losses))
    assert lowest not in (0, 7)  # else the test would say little
    assert float(session.model.best.loss) == pytest.approx(losses[lowest], rel=1e-6)
    # The loss of a step is that of the picture before it.
    best = levels(tmp_path / "images" / "best.png")
    assert np.array_equal(best, rounded(watch.before[lowest]))
    assert not np.array_equal(best, rounded(watch.after[lowest]))


def test_best_follows_while_the_run_goes_on(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    found: dict[int, np.ndarray] = {}
    best: dict[int, np.ndarray] = {}

    class Look(Callback):
        def on_train_batch_start(self, trainer: Any, pl_module: Any, *args: Any) -> None:
            if trainer.global_step in (2, 4):
                found[trainer.global_step] = levels(tmp_path / "images" / "best.png")
                picture = pl_module.best.picture.clamp(0, 1)[0].permute(1, 2, 0)
                best[trainer.global_step] = rounded(picture.numpy())

    paint(tmp_path, pictures, "--images.every_n_steps=2", callbacks=[Look()])
    assert sorted(found) == [2, 4]
    assert np.array_equal(found[2], best[2])
    assert np.array_equal(found[4], best[4])
    assert not np.array_equal(found[2], found[4])


@pytest.mark.parametrize(
    "error", [RuntimeError("broken"), Killed(), KeyboardInterrupt()], ids=lambda e: type(e).__name__
)
def test_an_exception_leaves_the_best_picture(
    tmp_path: Path, pictures: tuple[Path, Path], error: BaseException
) -> None:
    watch = Watch()
    with pytest.raises(type(error)):
        paint(
            *(tmp_path, pictures, *FAST_ADAM, "--model.clamp=step"),
            "--explosion.enabled=false",
            callbacks=[watch, KillAt(4, error)],
        )
    losses = [float(row["loss"]) for row in logged(tmp_path)]
    assert len(losses) >= 3
    shown = levels(tmp_path / "stylized.png")
    assert any(np.array_equal(shown, rounded(picture)) for picture in watch.before)
    assert not np.array_equal(shown, rounded(watch.after[-1]))
    assert not [name for name in files(tmp_path) if ".part" in name]


def test_an_input_error_leaves_no_picture(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match="mend this"):
        paint(tmp_path, pictures, callbacks=[KillAt(2, InputError("mend this"))])
    assert not (tmp_path / "stylized.png").exists()


def test_after_an_exception_in_the_first_step_no_earlier_result_is_taken_for_this_ones(
    tmp_path: Path, pictures: tuple[Path, Path]
) -> None:
    class Early(Callback):
        def on_train_batch_start(self, *args: Any) -> None:
            raise RuntimeError("broken")

    (tmp_path / "stylized.png").write_bytes(b"an earlier picture")
    with pytest.raises(RuntimeError, match="broken"):
        paint(tmp_path, pictures, "--overwrite=true", callbacks=[Early()])
    assert not (tmp_path / "stylized.png").exists()


def test_film_and_sheet(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    paint(
        *(tmp_path, pictures, "--images.every_n_steps=2", "--images.sheet=true"),
        "--images.film=gif",
        steps=6,
    )
    with Image.open(tmp_path / "film.gif") as film:
        # Steps 2 and 4 and the result, which is step 6's picture too.
        assert film.n_frames == 3
        assert film.size == (32, 24)
        last = np.asarray(film.convert("RGB"), dtype=float)
        film.seek(film.n_frames - 1)
        last = np.asarray(film.convert("RGB"), dtype=float)
    result = levels(tmp_path / "stylized.png").astype(float)
    assert np.abs(last - result).mean() < 12  # 256 colours, dithered
    with Image.open(tmp_path / "contact_sheet.png") as sheet:
        assert sheet.width > 2 * 32
        assert sheet.height > 2 * 24


def test_film_of_a_run_without_pictures_on_the_way(
    tmp_path: Path, pictures: tuple[Path, Path]
) -> None:
    paint(
        *(tmp_path, pictures, "--images.every_n_steps=0", "--images.film=webp"),
        steps=2,
    )
    with Image.open(tmp_path / "film.webp") as film:
        assert film.n_frames == 1


def test_frames_stand_in_the_order_of_their_steps(tmp_path: Path) -> None:
    class FakeTrainer:
        default_root_dir = str(tmp_path)
        global_step = 100001

    (tmp_path / "images").mkdir()
    for step, grey in ((99999, 10), (100000, 20)):
        Image.new("RGB", (20, 20), (grey,) * 3).save(tmp_path / "images" / f"step-{step:05d}.png")
    Image.new("RGB", (20, 20), (30,) * 3).save(tmp_path / "stylized.png")
    frames, labels = ImageCheckpoint(sheet=True)._frames(FakeTrainer())  # type: ignore[arg-type]
    assert [frame.getpixel((0, 0))[0] for frame in frames] == [10, 20, 30]  # type: ignore[index]
    assert labels == ["step 99999", "step 100000", "result, step 100001"]


def test_the_result_is_shown_once(tmp_path: Path) -> None:
    class FakeTrainer:
        default_root_dir = str(tmp_path)
        global_step = 2

    (tmp_path / "images").mkdir()
    for step, grey in ((1, 10), (2, 20)):
        Image.new("RGB", (20, 20), (grey,) * 3).save(tmp_path / "images" / f"step-{step:05d}.png")
    Image.new("RGB", (20, 20), (20,) * 3).save(tmp_path / "stylized.png")
    labels = ImageCheckpoint(sheet=True)._frames(FakeTrainer())[1]  # type: ignore[arg-type]
    assert labels == ["step 1", "result, step 2"]
    # A guard may have put another picture in the last one's place: then both are shown.
    Image.new("RGB", (20, 20), (30,) * 3).save(tmp_path / "stylized.png")
    labels = ImageCheckpoint(sheet=True)._frames(FakeTrainer())[1]  # type: ignore[arg-type]
    assert labels == ["step 1", "step 2", "result, step 2"]


def test_pictures_of_an_earlier_run_are_removed(
    tmp_path: Path, pictures: tuple[Path, Path]
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    kept = ("step-notes.txt", "mine.png")
    for name in ("step-00002.png", "step-00009.png", "step-00040.jpg", *kept):
        (folder / name).write_bytes(b"old")
    paint(tmp_path, pictures, "--images.every_n_steps=4", "--overwrite=true", steps=4)
    assert files(folder) == sorted(["best.png", "step-00004.png", *kept])


def test_a_resumed_run_keeps_its_own(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    with pytest.raises(Killed):
        paint(
            *(tmp_path, pictures, "--images.every_n_steps=2", "--checkpoint.every_n_steps=3"),
            callbacks=[KillAt(5)],
        )
    (tmp_path / "images" / "step-00002.png").write_bytes(b"of the first part")
    paint(
        *(tmp_path, pictures, "--images.every_n_steps=2", "--ckpt_path=last"),
    )
    assert (tmp_path / "images" / "step-00002.png").read_bytes() == b"of the first part"
    assert levels(tmp_path / "images" / "step-00006.png").shape == (24, 32, 3)


@pytest.mark.parametrize(("format_", "bits"), [("jpg", 8), ("webp", 8), ("tiff", 16), ("png", 16)])
def test_formats(tmp_path: Path, pictures: tuple[Path, Path], format_: str, bits: int) -> None:
    session = paint(
        *(tmp_path, pictures, f"--images.format={format_}", f"--images.bits={bits}"),
        "--images.every_n_steps=1",
        steps=1,
    )
    assert files(tmp_path / "images") == [f"best.{format_}", f"step-00001.{format_}"]
    shown = levels(tmp_path / f"stylized.{format_}").astype(float)
    picture = session.model.picture()[0].permute(1, 2, 0).numpy()
    assert np.abs(shown - 255 * picture).mean() < (12 if format_ in ("jpg", "webp") else 1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"every_n_steps": -1}, "images.every_n_steps: -1 is negative"),
        ({"format": "jpg", "bits": 16}, "8 bits only"),
        ({"quality": 0}, "quality must be"),
        ({"format": "bmp"}, "unknown picture suffix"),
        ({"side": 15}, "images.side must be a whole number of at least 16"),
    ],
)
def test_values_out_of_range(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        ImageCheckpoint(**options)


def spoil(step: int) -> Callback:
    """Return a callback that makes the picture NaN after a step whose own loss was finite."""

    class Spoil(Callback):
        def on_train_batch_end(self, trainer: Any, pl_module: Any, *args: Any) -> None:
            if trainer.global_step == step:
                with torch.no_grad():
                    pl_module.image.fill_(math.nan)

    return Spoil()


def test_a_picture_that_is_not_finite_does_not_end_the_run(
    tmp_path: Path, pictures: tuple[Path, Path]
) -> None:
    session = paint(
        *(tmp_path, pictures, *ADAM, "--images.every_n_steps=2"),
        callbacks=[spoil(4)],
    )
    assert session.trainer.global_step == 6
    assert "step-00004.png" not in files(tmp_path / "images")
    assert "step-00006.png" in files(tmp_path / "images")
    assert np.isfinite(session.model.picture().numpy()).all()


def test_the_result_is_the_best_where_the_last_is_not_finite(
    tmp_path: Path, pictures: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    watch = Watch()
    paint(
        *(tmp_path, pictures, *ADAM, "--explosion.enabled=false"),
        callbacks=[watch, spoil(6)],
    )
    assert np.array_equal(levels(tmp_path / "stylized.png"), levels(tmp_path / "images/best.png"))
    assert "the last picture is not finite" in capsys.readouterr().out


def test_pictures_go_to_tensorboard(tmp_path: Path, pictures: tuple[Path, Path]) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    paint(tmp_path, pictures, "--tensorboard=true", "--images.every_n_steps=2", steps=4)
    events = EventAccumulator(str(tmp_path / "tensorboard"), size_guidance={"images": 0})
    events.Reload()
    assert [event.step for event in events.Images("picture")] == [2, 4]
    assert {"loss", "content_loss", "style_loss"} <= set(events.Tags()["scalars"])


def test_pictures_on_the_way_have_a_size_at_most(
    tmp_path: Path, pictures: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for name, side in (("TENSORBOARD_SIDE", 16), ("FRAME_SIDE", 8)):
        monkeypatch.setattr(f"nst_lightning.callbacks.image_checkpoint.{name}", side)
    watch = Watch()
    options = ("--images.side=20", "--images.every_n_steps=2", "--images.sheet=true")
    paint(
        *(tmp_path, pictures, *options, "--images.film=webp", "--tensorboard=true"),
        steps=4,
        callbacks=[watch],
    )
    for name in ("step-00002.png", "step-00004.png", "best.png"):
        assert levels(tmp_path / "images" / name).shape == (15, 20, 3)
    # The result is whole, and the last picture on the way is shown once all the same.
    assert np.array_equal(levels(tmp_path / "stylized.png"), rounded(watch.after[-1]))
    with Image.open(tmp_path / "film.webp") as film:
        assert film.size == (8, 6)
        assert film.n_frames == 2
    events = EventAccumulator(str(tmp_path / "tensorboard"), size_guidance={"images": 0})
    events.Reload()
    assert {(event.width, event.height) for event in events.Images("picture")} == {(16, 12)}


def test_the_result_of_a_run_cut_short_is_whole(
    tmp_path: Path, pictures: tuple[Path, Path]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        paint(
            *(tmp_path, pictures, "--images.side=20", "--images.every_n_steps=2"),
            callbacks=[KillAt(4, KeyboardInterrupt())],
        )
    assert levels(tmp_path / "images" / "best.png").shape == (15, 20, 3)
    assert levels(tmp_path / "stylized.png").shape == (24, 32, 3)
