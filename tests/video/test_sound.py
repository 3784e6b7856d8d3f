"""Sound of a file that was cut off."""

from pathlib import Path

import pytest
from helpers.clips import make

from nst_lightning.video.reading import open_clip
from nst_lightning.video.writing import write_clip

av = pytest.importorskip("av")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("share", [0.5, 0.7, 0.9])
def test_every_packet_of_a_recording_that_was_cut_off_is_decoded(
    tmp_path: Path, share: float, suffix: str
) -> None:
    whole = make(tmp_path / "whole.ts", sound="aac").read_bytes()
    cut = tmp_path / "cut.ts"
    lengths = []
    # Of a transport stream's packets one holds part of the sound's last one, another its end.
    for length in range(int(len(whole) * share), int(len(whole) * share) + 10 * 188, 188):
        cut.write_bytes(whole[:length])
        with open_clip(cut) as clip:
            frames = [(frame.time, frame.picture) for frame in clip]
            out = write_clip(
                tmp_path / f"out{suffix}", frames, clip.info, sound_from=cut, overwrite=True
            )
        with av.open(str(out)) as container:
            packets = [p for p in container.demux(container.streams.audio[0]) if p.size]
            assert all(packet.decode() for packet in packets[1:])  # the first prepares the decoder
            lengths.append(len(packets))
    assert lengths == sorted(lengths)
    assert 10 < lengths[0] < 50
