"""What is looked at before it is sent to a job."""

import io

import pytest
from PIL import Image

from nst_lightning.cloud.uploads import check_picture
from nst_lightning.errors import InputError


def test_heic_is_refused_for_jobs_install_nothing_that_reads_it() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (64, 64))).save(buffer)
    with pytest.raises(InputError, match=r"content: a\.heic is HEIC, which no job reads"):
        check_picture(buffer.getvalue(), "a.heic", "content")
