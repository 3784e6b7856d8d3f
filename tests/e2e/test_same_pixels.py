"""The same settings give the same pixels, byte for byte, as when the digests were written down.

Sums of floating-point numbers depend on the processor, on torch and on the number of threads, so
the digests are those of one machine; on another there is nothing to compare with, and the tests
skip. ``python tests/e2e/test_same_pixels.py`` writes them anew.
"""

import contextlib
import hashlib
import io
import json
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image

from nst_lightning.cli import main

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
RECORD = Path(__file__).with_name("data") / "same_pixels.json"


def machine() -> str:
    """What decides how floating-point numbers are rounded here."""
    info = Path("/proc/cpuinfo")
    text = info.read_text(encoding="utf-8") if info.is_file() else ""
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    wanted = [f for f in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f in flags.split()]
    threads = torch.get_num_threads()
    return f"{platform.machine()} {' '.join(wanted)}, torch {torch.__version__}, {threads} threads"


def paint(folder: Path, size: int, steps: int, *args: str) -> None:
    words = [
        "fit",
        *args,
        f"--data.size={size}",
        f"--data.steps_per_epoch={steps}",
        f"--trainer.default_root_dir={folder}",
        "--images.every_n_steps=0",
        "--images.save_best=false",
    ]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.chdir(ROOT):
        assert main(words) == 0


def first_picture(folder: Path) -> None:
    paint(folder, 128, 20, "--config=klimt.yaml", "--trainer.max_epochs=1")


def of_config(name: str, size: int, steps: int, *more: str) -> Callable[[Path], None]:
    def run(folder: Path) -> None:
        # One whose weights follow the epochs keeps its own.
        scheduled = "EpochWeights" in (ROOT / "configs" / name).read_text(encoding="utf-8")
        epochs = [] if scheduled else ["--trainer.max_epochs=1"]
        paint(folder, size, steps, f"--config={name}", *epochs, *more)

    return run


def resumed(folder: Path) -> None:
    for epochs in (1, 2):
        more = ["--ckpt_path=last"] if epochs == 2 else []
        paint(folder, 96, 8, "--data.style=sample:coffee", f"--trainer.max_epochs={epochs}", *more)


def small_scales(config: Path) -> list[str]:
    """Scales below the tests' sizes in place of a config's own."""
    own = yaml.safe_load(config.read_text(encoding="utf-8")).get("data", {}).get("scales")
    return ["--data.scales=[{size: 32, steps: 4}]"] if isinstance(own, list) else []


def cases() -> dict[str, Callable[[Path], None]]:
    """Name -> what paints it."""
    found: dict[str, Callable[[Path], None]] = {"klimt": first_picture, "resumed": resumed}
    # The style is a photograph, so that these do not hang on how a sample is drawn.
    for path in sorted(ROOT.glob("configs/recipes/*.yaml")):
        name = f"recipes/{path.name}"
        found[name] = of_config(name, 64, 10, "--data.style=sample:coffee", *small_scales(path))
    for path in sorted(ROOT.glob("configs/controls/*.yaml")):
        name = f"controls/{path.name}"
        more = small_scales(path)
        if "style: [" in path.read_text(encoding="utf-8"):
            more += ["--data.style=[sample:coffee, sample:astronaut]"]
        else:
            more.append("--data.style=sample:coffee")
        found[name] = of_config(name, 96, 10, *more)
    return found


def digest(run: Callable[[Path], None]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder))
        with Image.open(Path(folder, "stylized.png")) as picture:
            return hashlib.sha256(picture.tobytes()).hexdigest()[:32]


def record() -> dict[str, dict[str, str]]:
    return json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.is_file() else {}


@pytest.mark.slow
@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("name", sorted(cases()))
def test_pixels_are_those_written_down(name: str) -> None:
    known = record().get(machine())
    if known is None:
        pytest.skip(f"no digests were written down on a machine such as this: {machine()}")
    if name not in known:
        pytest.skip("this configuration came after the digests")
    assert digest(cases()[name]) == known[name]


if __name__ == "__main__":
    written = record()
    written[machine()] = {name: digest(run) for name, run in cases().items()}
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_text(json.dumps(written, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{len(written[machine()])} digests of {machine()}", file=sys.stderr)
