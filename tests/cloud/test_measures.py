"""``style_distance`` of a job, of a search and of the page is one number for one picture."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from nst_lightning.cloud.job import main
from nst_lightning.cloud.tuning.local import paint
from nst_lightning.compare.measuring import measure, write_references
from nst_lightning.compare.pair_folder import PairFolder
from nst_lightning.data.which_pictures import Pair, Source
from nst_lightning.encoder import VGG19Encoder
from nst_lightning.metrics.views import MEASURED_LAYERS

PAIR = Pair(Source("cat", "cat", "sample:cat"), Source("klimt", "klimt", "sample:klimt"))
SETTINGS: dict[str, Any] = {
    "data.content": PAIR.content.source,
    "data.style": PAIR.style.source,
    "data.size": 96,
    "data.steps_per_epoch": 2,
    "data.scales": None,
    "trainer.max_epochs": 1,
    "trainer.accelerator": "cpu",
    "images.every_n_steps": 0,
}


@pytest.mark.parametrize(
    "changes",
    [{"data.style_scale": 1.5}, {"data.style_resize": "content"}],
    ids=["another scale", "another shape"],
)
def test_a_measure_means_the_same_everywhere(changes: dict[str, Any], tmp_path: Path) -> None:
    settings = SETTINGS | changes
    task = {"key": "a", "id": "a", "attempt": 1, "settings": {}, "channels": {}}
    told = {"SM_HPS": json.dumps(settings | {"painting_01": task})}
    assert main(told | {"SAGEMAKER_BASE_DIR": str(tmp_path / "job")}) == 0
    archive = (tmp_path / "job" / "checkpoints" / "finished" / "a.tar.gz").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(tmp_path / "page", filter="data")
    of_the_job = json.loads((tmp_path / "page" / "metrics.json").read_bytes())

    folder = PairFolder(tmp_path / "page")
    write_references(PAIR, {"content": "c", "style": "s"}, folder, 96)
    of_the_page = measure(folder, [], VGG19Encoder(MEASURED_LAYERS))[0]["optimised"]
    of_the_search = paint(dict(settings), [], tmp_path / "search")

    for mine, theirs in (
        ("style_distance", "style_distance"),
        ("ssim", "ssim/content"),
        ("mse", "mse/content"),
        ("total_variation", "total_variation"),
    ):
        assert of_the_job[mine] == pytest.approx(of_the_page[theirs], rel=1e-5), mine
        assert of_the_search[mine] == pytest.approx(of_the_job[mine], rel=1e-5), mine
