"""The sizes before the final one."""

import pytest

from nst_lightning.data.image_pair import ImagePair
from nst_lightning.data.scales import Scale, checked_scales, octaves
from nst_lightning.errors import InputError


@pytest.mark.parametrize(
    ("size", "sizes"),
    [
        (512, [64, 128, 256]),
        (1000, [64, 127, 253, 503]),
        (384, [64, 116, 211]),
        (256, [64, 128]),
        (130, [64]),
        (92, [64]),
        (90, []),
        (64, []),
        (48, []),
    ],
)
def test_octaves(size, sizes):
    assert octaves(size, 7) == [Scale(s, 7) for s in sizes]


def test_their_steps_come_on_top():
    pair = ImagePair(size=256, steps_per_epoch=20, scales="octaves", octave_steps=7)
    assert pair.steps_per_epoch == 20 + 2 * 7
    assert [pair.scale_at(step) for step in (0, 6, 7, 13, 14, 33)] == [0, 0, 1, 1, 2, 2]
    pair = ImagePair(size=256, steps_per_epoch=20, scales=[Scale(64, 7)])
    assert pair.steps_per_epoch == 20


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([Scale(300, 5)], "must grow from one to the next"),
        ([Scale(64, 5), Scale(64, 5)], "must grow from one to the next"),
    ],
)
def test_mistakes(given, words):
    with pytest.raises(InputError, match=words):
        checked_scales(given, 256)
