"""Ctrl-C ends a run after the step in hand; what comes after goes on exactly from there."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.painting import KillAt, SignalAt, arguments, files, logged, paint
from helpers.tiles import SignalInTile
from lightning.pytorch import Callback

from nst_lightning.cli import main
from nst_lightning.stages import Stage, Tiles

pytestmark = pytest.mark.usefixtures("signals_given_back")


def command(folder: Path, pictures: tuple[Path, Path], *args: str, **send: int) -> list[str]:
    """Return a command line whose run sends a signal to itself."""
    if send:
        init = "".join(f"{key}: {value}, " for key, value in send.items())
        args = (
            "--trainer.callbacks="
            f"[{{class_path: helpers.painting.SignalAt, init_args: {{{init}}}}}]",
            *args,
        )
    return arguments(folder, pictures, *args, steps=7)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_run_ends_after_the_step_and_goes_on_exactly(
    tmp_path: Path,
    pictures: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert main(command(whole, pictures)) == 0
    capsys.readouterr()
    assert main(command(cut, pictures, step=4, number=int(number))) == 130
    said = capsys.readouterr().err
    assert "stopping after this step; once more to stop at once" in said
    assert "stopped; the same command with --ckpt_path last goes on from here" in said
    assert len(logged(cut)) == 4
    assert (cut / "stylized.png").is_file()
    assert (cut / "stylized.png").read_bytes() != (whole / "stylized.png").read_bytes()
    assert main([*command(cut, pictures), "--ckpt_path=last"]) == 0
    assert (cut / "stylized.png").read_bytes() == (whole / "stylized.png").read_bytes()
    assert logged(cut) == logged(whole)


def test_a_second_signal_ends_at_once(
    tmp_path: Path, pictures: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(tmp_path, pictures, step=4, times=2)) == 130
    assert "Traceback" not in capsys.readouterr().err
    # The fourth step was never taken; the picture so far is there.
    assert len(logged(tmp_path)) == 3
    assert (tmp_path / "stylized.png").is_file()
    assert not [name for name in files(tmp_path) if ".part" in name]


@pytest.fixture
def in_tiles(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return what has runs computed in tiles and Ctrl-C sent in these."""

    def send(*at: int) -> None:
        monkeypatch.setattr("nst_lightning.budget._TILES", (Tiles(12),))
        sending = SignalInTile([*at], int(signal.SIGINT))
        monkeypatch.setattr(Stage, "products", lambda *args: sending.products(*args))

    return send


# Of 32 x 24 px, 6 tiles forward and 6 back; two passes forward see whether the loss is random.
FORWARD, BACK = 12 + 3 * 12 + 2, 12 + 3 * 12 + 8


@pytest.mark.parametrize("at", [FORWARD, BACK], ids=["forward", "back"])
def test_in_the_middle_of_a_tile_the_step_is_finished(
    tmp_path: Path,
    pictures: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
    in_tiles: Callable[..., None],
    at: int,
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    in_tiles()
    assert main(command(whole, pictures)) == 0
    in_tiles(at)
    assert main(command(cut, pictures)) == 130
    assert "stopping after this step; once more to stop at once" in capsys.readouterr().err
    assert 0 < len(logged(cut)) < 7
    in_tiles()
    assert main([*command(cut, pictures), "--ckpt_path=last"]) == 0
    assert (cut / "stylized.png").read_bytes() == (whole / "stylized.png").read_bytes()
    assert logged(cut) == logged(whole)


@pytest.mark.parametrize("second", [FORWARD + 1, BACK, BACK + 1])
def test_a_second_signal_in_a_tile_ends_at_once(
    tmp_path: Path,
    pictures: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
    in_tiles: Callable[..., None],
    second: int,
) -> None:
    in_tiles(FORWARD, second)
    assert main([*command(tmp_path, pictures), "--checkpoint.every_n_steps=1"]) == 130
    assert "Traceback" not in capsys.readouterr().err
    assert 0 < len(logged(tmp_path)) < 7
    assert (tmp_path / "stylized.png").is_file()
    assert (tmp_path / "checkpoints" / "last.ckpt").is_file()


def test_ctrl_c_before_the_first_step(
    tmp_path: Path, pictures: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from nst_lightning.module import NeuralStyleTransfer

    def interrupted(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(NeuralStyleTransfer, "set_targets", interrupted)
    assert main(command(tmp_path, pictures)) == 130
    assert files(tmp_path) == []


@pytest.mark.parametrize("error", [None, RuntimeError("broken")], ids=["end", "exception"])
def test_the_signals_are_given_back(
    tmp_path: Path, pictures: tuple[Path, Path], error: BaseException | None
) -> None:
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    during = []

    class Look(Callback):
        def on_train_batch_start(self, *args: Any) -> None:
            during.append([signal.getsignal(number) for number in numbers])

    if error is None:
        paint(tmp_path, pictures, steps=2, callbacks=[Look()])
    else:
        with pytest.raises(RuntimeError, match="broken"):
            paint(tmp_path, pictures, steps=2, callbacks=[Look(), KillAt(1, error)])
    assert during[0][0] is not before[0]
    assert during[0][1] is not before[1]
    assert [signal.getsignal(number) for number in numbers] == before


def test_in_another_thread_no_signal_is_touched(
    tmp_path: Path, pictures: tuple[Path, Path]
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    before = signal.getsignal(signal.SIGINT)
    with ThreadPoolExecutor(1) as pool:
        session = pool.submit(paint, tmp_path, pictures, steps=2).result()
    assert session.trainer.global_step == 2
    assert signal.getsignal(signal.SIGINT) is before


def test_a_signal_in_the_last_step_finishes_the_run(
    tmp_path: Path, pictures: tuple[Path, Path]
) -> None:
    paint(tmp_path / "whole", pictures, steps=3)
    paint(tmp_path / "cut", pictures, steps=3, callbacks=[SignalAt(3)])
    whole, cut = (tmp_path / name / "stylized.png" for name in ("whole", "cut"))
    assert cut.read_bytes() == whole.read_bytes()
