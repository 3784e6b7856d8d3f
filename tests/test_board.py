"""TensorBoard: the settings beside the curves, and TensorFlow left alone."""

import contextlib
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers.painting import ADAM, arguments, paint

from nst_lightning.board import hyperparameters, without_tensorflow
from nst_lightning.session import open_words

pytest.importorskip("tensorboard")


@pytest.mark.slow
def test_settings_and_final_measures(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import metadata, plugin_data_pb2

    session = paint(tmp_path, pictures, *ADAM, "--tensorboard=true", steps=3)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    content = events.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    start = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
    assert start.hparams["data.size"].number_value == 32
    assert start.hparams["data.content"].string_value == str(pictures[0])
    assert start.hparams["model.style.weight"].number_value == 1e5
    assert start.hparams["model.style"].string_value == "GramLoss"
    assert start.hparams["model.optimizer"].string_value == "Adam"
    measured = {tag for tag in events.Tags()["scalars"] if tag.startswith("final/")}
    assert measured == {
        f"final/{name}" for name in ("loss", "content_loss", "style_loss", "tv_loss", "ssim", "mse")
    }
    (final,) = events.Scalars("final/loss")
    loss = float(session.model.losses(session.model.picture())["loss"])
    assert (final.step, final.value) == (3, pytest.approx(loss, rel=1e-5))
    written = yaml.safe_load((tmp_path / "tensorboard/hparams.yaml").read_text())
    assert written == hyperparameters(session.settings)
    # Of another run in the same folder nothing is left.
    paint(tmp_path, pictures, "--tensorboard=true", "--model.tv=null", steps=1)
    written = yaml.safe_load((tmp_path / "tensorboard/hparams.yaml").read_text())
    assert (written["model.tv"], written["model.optimizer"]) == ("none", "BoundedLBFGS")
    assert "model.tv.weight" not in written


@pytest.mark.slow
def test_what_tensorboard_makes_of_several_runs(
    pictures: tuple[Path, Path], tmp_path: Path
) -> None:
    """Its own server says which settings there are, and which differ: those are shown first."""
    for name, words in (("a", ["--model.tv=null"]), ("b", ["--model.tv.weight=20"])):
        paint(tmp_path / name, pictures, "--tensorboard=true", *words, steps=1)
    words = ["--load_fast=false", "--port=0", "--host=127.0.0.1", f"--logdir={tmp_path}"]
    said = tmp_path / "said.txt"
    with said.open("w") as stream:
        server = subprocess.Popen(
            [sys.executable, "-m", "tensorboard.main", *words], stdout=stream, stderr=stream
        )
    try:
        until = time.monotonic() + 120
        found: dict[str, Any] = {}
        while len(found.get("hparamInfos", [])) < 20 or "true" not in json.dumps(found):
            assert time.monotonic() < until, said.read_text()
            time.sleep(0.5)
            if address := re.search(r"http://127\.0\.0\.1:\d+/", said.read_text()):
                found = asked(address[0])
    finally:
        server.kill()
        server.wait()
    infos = {info["name"]: info for info in found["hparamInfos"]}
    assert [name for name, info in infos.items() if info["differs"]] == ["model.tv"]
    assert set(infos["model.tv"]["domainDiscrete"]) == {"TotalVariationLoss", "none"}
    assert infos["model.tv.weight"]["type"] == "DATA_TYPE_FLOAT64"
    tags = {info["name"]["tag"] for info in found["metricInfos"]}
    assert {"final/tv_loss", "final/ssim"} <= tags


def asked(address: str) -> Any:
    """Return what TensorBoard knows of the settings of all runs."""
    path = "experiment/defaultExperimentId/data/plugin/hparams/experiment"
    kind = {"Content-Type": "application/json"}
    question = urllib.request.Request(address + path, b"{}", kind)
    with contextlib.suppress(OSError), urllib.request.urlopen(question) as answer:
        return json.load(answer)
    return {}


def test_a_term_that_is_left_out() -> None:
    found = hyperparameters(open_words(["--model.tv=null"]).settings)
    assert found["model.tv"] == "none"
    assert found["model.style"] == "NearestNeighbourLoss"


def test_the_process_is_left_as_it_was() -> None:
    with without_tensorflow():
        assert "tensorboard.compat.notf" in sys.modules
    assert "tensorboard.compat.notf" not in sys.modules


@pytest.mark.slow
def test_tensorflow_is_not_imported(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow/__init__.py").write_text("import os\nos.write(2, b'oneDNN is on\\n')\n")
    words = arguments(tmp_path / "run", pictures, "--tensorboard=true", steps=1)
    done = subprocess.run(
        [sys.executable, "-m", "nst_lightning", *words],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        check=False,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list((tmp_path / "run/tensorboard").glob("events.out.*"))
