"""Whatever is wrong with what is given: one line, exit code 2, nothing written."""

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.disks import small_disk
from helpers.painting import fit
from PIL import Image

from nst_lightning.cli import main
from nst_lightning.session import open_words

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    good = Image.fromarray(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8))
    good.save(folder / "good.png")
    good.save(folder / "whole.jpg", quality=95)
    whole = (folder / "whole.jpg").read_bytes()
    (folder / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "text.jpg").write_text("this is no picture\n" * 20)
    (folder / "empty.png").touch()
    (folder / "bomb.png").write_bytes(png_header(60_000, 60_000))
    Image.new("RGB", (1, 1)).save(folder / "dot.png")
    Image.new("RGB", (20_000, 3)).save(folder / "strip.png")
    (folder / "text.pth").write_text("no weights")
    torch.save({"fc.weight": torch.zeros(3, 3)}, folder / "other.pth")
    (folder / "broken.yaml").write_text("model: [1,\n")
    (folder / "typo.yaml").write_text("model: {style: {init_args: {wieght: 3}}}\n")
    (folder / "unknown.yaml").write_text("modell: {clamp: none}\n")
    (folder / "list.yaml").write_text("- 1\n- 2\n")
    (folder / "file").touch()
    return folder


def png_header(width: int, height: int) -> bytes:
    """Return a small file that claims to be a huge picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + header + data + chunk(b"IEND", b"")


CASES = {
    # what is given -> words that the line must hold
    "--data.content={}/nothing.jpg": ["nothing.jpg"],
    "--data.content={}": ["folder"],
    "--data.content={}/text.jpg": ["text.jpg", "not a picture"],
    "--data.content={}/truncated.jpg": ["truncated.jpg", "truncated"],
    "--data.content={}/empty.png": ["empty.png", "empty"],
    "--data.content={}/bomb.png": ["bomb.png", "too large"],
    "--data.content={}/dot.png": ["dot.png", "1 x 1"],
    "--data.content={}/strip.png": ["strip.png", "20000 x 3"],
    "--data.style={}/nothing.jpg": ["style", "nothing.jpg"],
    "--data.style=sample:klimmt": ["klimmt", "did you mean sample:klimt"],
    "--data.style=[]": ["data.style"],
    "--data.style_weights=[1,2]": ["data.style_weights"],
    "--data.style_weights=[-1]": ["data.style_weights"],
    "--data.init={}/nothing.png": ["nothing.png"],
    "--data.init=blured": ["data.init", "did you mean blurred"],
    "--data.scales=octave": ["data.scales: expected a list or one of 'octaves', got octave"],
    "--data.size=0": ["data.size", "0"],
    "--data.size=-5": ["data.size", "-5"],
    "--data.size=large": ["data.size", "large"],
    "--data.size=20": ["size 20"],
    "--data.steps_per_epoch=0": ["data.steps_per_epoch"],
    "--data.style_scale=0": ["data.style_scale"],
    "--data.sise=64": ["--data.sise", "did you mean --data.size"],
    "--model.content.layers=[relu9_1]": ["relu9_1", "did you mean"],
    "--model.style.weight=-3": ["weight", "-3"],
    "--model.style.weight=much": ["model.style.weight", "much"],
    "--model.style.weight=nan": ["weight", "nan"],
    "--model.style.wieght=3": ["model.style.wieght", "did you mean weight"],
    "--model.stile.weight=3": ["--model.stile.weight", "did you mean --model.style"],
    "--model.style.metric=c": ["metric", "cosine"],
    "--model.style=GramLos": ["GramLos", "did you mean GramLoss"],
    "--model.optimizer=BoundedLBFG": ["BoundedLBFG", "did you mean BoundedLBFGS"],
    "--model.optimizer.histroy=3": ["model.optimizer.histroy", "did you mean history"],
    "--model.optimizer.history=0": ["history"],
    "--model.encoder.weights=nothing.pth": ["nothing.pth"],
    "--model.encoder.weights={}/text.pth": ["text.pth"],
    "--model.encoder.weights={}/other.pth": ["other.pth", "VGG"],
    "--model.encoder.pooling=median": ["model.encoder.pooling", "median"],
    "--model.extra.mine=no_such_module.Term": ["no_such_module"],
    "--model.average=2": ["model.average"],
    "--trainer.default_root_dir={}/file/out": ["file/out"],
    "--trainer.default_root_dir=/proc/out": ["/proc/out"],
    "--trainer.gradient_clip_val=1": ["gradient_clip_val", "L-BFGS"],
    "--trainer.accumulate_grad_batches=2": ["accumulate_grad_batches", "L-BFGS"],
    "--trainer.devices=2": ["devices"],
    "--trainer.accelerator=abacus": ["trainer", "abacus"],
    "--trainer.max_epohs=3": ["--trainer.max_epohs", "did you mean --trainer.max_epochs"],
    "--config=nothing.yaml": ["nothing.yaml"],
    "--config={}/broken.yaml": ["broken.yaml", "line 2"],
    "--config={}/typo.yaml": ["wieght", "did you mean weight"],
    "--config={}/unknown.yaml": ["modell"],
    "--config={}/list.yaml": ["list.yaml"],
    "--ckpt_path={}/nothing.ckpt": ["nothing.ckpt"],
    "--ckpt_path={}/text.pth": ["text.pth"],
    "--ckpt_path={}/other.pth": ["other.pth"],
    "--images.format=bmp": ["images.format", "bmp"],
    "--images.every_n_steps=-1": ["images.every_n_steps"],
    "--checkpoint.every_n_steps=0": ["checkpoint.every_n_steps"],
    "--explosion.factor=0.5": ["explosion.factor"],
}


@pytest.mark.parametrize("given", CASES)
def test_one_line_and_nothing_written(given, files, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    args = ["--trainer.default_root_dir=out", *small(files), given.format(files)]
    assert main(args) == 2
    out, err = capfd.readouterr()
    lines = err.splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("error: ")
    assert len(lines[0]) < 400
    for word in CASES[given]:
        assert word in lines[0]
    assert "Traceback" not in out
    assert list(tmp_path.rglob("*")) == []
    assert not (files / "file" / "out").exists()


WHOLE = "--model.extra={mine: {class_path: helpers.tiles.Whole, init_args: {layers: [relu1_1]}}}"
MEMORY = {
    # what is given -> words that the line must hold
    ("--model.memory=nonsense",): ["'nonsense' is no amount of memory", "auto", "8GB"],
    ("--model.memory=-3GB",): ["'-3GB' is no amount of memory"],
    ("--model.memory=1MB",): ["48x36 px need", "0.0 GB are left", "nothing would fit"],
    ("--model.memory=0.3GB", "--data.size=1024"): [
        "1024x768 px need",
        "a long side of",
        "would fit",
    ],
    ("--model.memory=0.3GB", "--data.size=1024", WHOLE): [
        "the term mine (Whole) sees relu1_1 whole"
    ],
    ("--model.memory=8GB", "--model.encoder=test_objective.Stranger"): [
        "Stranger cannot be computed in tiles",
        "VGG19Encoder",
        "auto",
    ],
    ("--model.memory=nonsense", "--model.encoder=test_objective.Stranger"): ["nonsense"],
}


@pytest.mark.parametrize("given", MEMORY, ids=" ".join)
def test_memory(given, files, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("nst_lightning.budget.taken", lambda device: 0.0)  # the tests take much
    assert main(["--trainer.default_root_dir=out", *small(files), *given]) == 2
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: model.memory: ")
    for word in MEMORY[given]:
        assert word in lines[0]
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_auto_refuses_what_the_machine_cannot(files, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("nst_lightning.budget._free", lambda device: 120.0 * 2**20)
    assert main(["--trainer.default_root_dir=out", *small(files), "--data.size=1024"]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "model.memory: 1024x768 px need" in line
    # What it says would fit does.
    side = int(line.split("a long side of ")[1].split()[0])
    assert 64 <= side < 1024
    open_words(["--trainer.default_root_dir=out", *small(files), f"--data.size={side}"]).check()
    assert main(["--trainer.default_root_dir=out", *small(files), f"--data.size={side + 64}"]) == 2
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_auto_leaves_an_encoder_alone_that_cannot_be_cut(files):
    stranger = ["--model.encoder=test_objective.Stranger", "--model.memory=auto"]
    open_words([*small(files), *stranger]).check()


def small(files):
    return [
        f"--data.content={files}/good.png",
        f"--data.style={files}/good.png",
        "--data.size=48",
        "--data.steps_per_epoch=2",
        "--trainer.max_epochs=1",
    ]


def test_an_unknown_command(capsys):
    assert main(["fitt"]) == 2
    assert "did you mean fit?" in capsys.readouterr().err


def test_test_without_a_checkpoint(files, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["test", *small(files)]) == 2
    assert "--ckpt_path" in capsys.readouterr().err


@pytest.mark.slow
def test_a_checkpoint_of_another_shape(files, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    fit(["--trainer.default_root_dir=out", *small(files)])
    picture = (tmp_path / "out" / "stylized.png").read_bytes()
    capsys.readouterr()
    args = ["--trainer.default_root_dir=out", *small(files), "--ckpt_path=last"]
    assert main([*args, "--data.size=64"]) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(error) == 1
    assert "48x36" in error[0]
    assert "64x48" in error[0]
    assert (tmp_path / "out" / "stylized.png").read_bytes() == picture


@pytest.mark.slow
def test_a_gif_with_frames_says_that_it_takes_the_first(files, tmp_path, capsys):
    frames = [Image.new("RGB", (60, 40), colour) for colour in ("red", "blue", "green")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    fit(
        [
            *small(files),
            f"--trainer.default_root_dir={tmp_path / 'out'}",
            f"--data.content={tmp_path / 'moving.gif'}",
        ]
    )
    out = capsys.readouterr().out
    assert "moving.gif" in out
    assert "first" in out


@pytest.mark.slow
def test_a_full_disk(files, tmp_path, capsys):
    with small_disk(tmp_path / "disk", 64) as disk:
        code = main([*small(files), f"--trainer.default_root_dir={disk}/out"])
        left = [path.name for path in disk.rglob("*") if path.is_file()]
    err = capsys.readouterr().err.splitlines()
    assert code == 2
    assert len(err) == 1
    assert "disk is full" in err[0]
    assert not [name for name in left if ".part" in name]
    assert not [name for name in left if name.endswith(".ckpt")]


@pytest.mark.slow
def test_the_program_itself_ends_with_code_2_and_no_traceback(tmp_path):
    done = subprocess.run(
        [sys.executable, str(ROOT / "train.py"), "--data.content=nothing.png"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: ")
