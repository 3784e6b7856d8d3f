"""Picture files and colour profiles that the tests make for themselves."""

import io
import struct
from collections.abc import Callable
from pathlib import Path

from PIL import Image


def encoded(image: Image.Image, format_: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


# --- ICC profiles written by hand, after ICC.1:2001-04 (version 2) ---


def _s15f16(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(v * 65536)) for v in values)


def _icc(device: bytes, space: bytes, pcs: bytes, tags: dict[bytes, bytes]) -> bytes:
    text = b"test\0"
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78),
        b"cprt": b"text" + bytes(4) + text,
        b"wtpt": b"XYZ " + bytes(4) + _s15f16(0.9642, 1.0, 0.8249),
        **tags,
    }
    offset = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        table += name + struct.pack(">II", offset + len(body), len(data))
        body += data
    header = struct.pack(
        ">I4sI4s4s4s", 128 + len(table) + len(body), bytes(4), 0x02400000, device, space, pcs
    )
    header += struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    header += _s15f16(0.9642, 1.0, 0.8249) + bytes(48)
    return header + table + body


def _gamma(value: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(value * 256))


def rgb_profile(columns: list[tuple[float, float, float]], gamma: float) -> bytes:
    """Return a matrix profile: the XYZ (D50) of each primary, and one gamma."""
    tags = {
        n: b"XYZ " + bytes(4) + _s15f16(*c)
        for n, c in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True)
    }
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _gamma(gamma))
    return _icc(b"mntr", b"RGB ", b"XYZ ", tags)


def grey_profile(gamma: float) -> bytes:
    return _icc(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": _gamma(gamma)})


def cmyk_profile(lab: Callable[[int, int, int, int], tuple[float, float, float]]) -> bytes:
    """Return a printer profile whose colours at the 16 corners of ink on and off are given."""
    nodes = b"".join(
        bytes((round(light * 2.55), round(a + 128), round(b + 128)))
        for c in (0, 1)
        for m in (0, 1)
        for y in (0, 1)
        for k in (0, 1)
        for light, a, b in (lab(c, m, y, k),)
    )
    identity = bytes(range(256))
    lut = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + _s15f16(1, 0, 0, 0, 1, 0, 0, 0, 1)
    lut += identity * 4 + nodes + identity * 3
    return _icc(b"prtr", b"CMYK", b"Lab ", {b"A2B0": lut, b"A2B1": lut})
