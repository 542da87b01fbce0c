"""How files of sound begin, so that one is not taken for raw samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator

MAGIC = {
    b"RIFF": "WAV",
    b"RF64": "WAV",
    b"riff": "W64",
    b"fLaC": "FLAC",
    b"OggS": "Ogg",
    b"FORM": "AIFF",
    b".snd": "AU",
    b"caff": "CAF",
    b"\x1aE\xdf\xa3": "WebM or Matroska",
}
FOREIGN_KINDS = ("MP4 or M4A", "AAC", "WebM or Matroska")
"""Which we don't read"""
MAGIC_BYTES = 8
MP4_AT_4 = b"ftyp"
FRAMES = 3  # so many in a row are no chance: samples look like the start of one in 2,048
MPEG_KBPS = {
    (3, 3): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),  # MPEG 1, layer I
    (3, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (3, 1): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 3): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),  # MPEG 2 and 2.5
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 1): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
MPEG_HZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_Kind = Callable[[bytes], int | None]
SURE_BYTES = 1 << 14  # FRAMES of the longest kind


def header_in(data: bytes | bytearray) -> str | None:
    """The kind of file that `data` begins like; None: of none."""
    head = bytes(data[:SURE_BYTES])
    if head[:4] in MAGIC:
        return MAGIC[head[:4]]
    if head[4:8] == MP4_AT_4:
        return "MP4 or M4A"
    if head[:3] == b"ID3" and len(head) > 3 and head[3] < 0xFF:
        return "MP3"
    if _follow_each_other(head, _mpeg_bytes):
        return "MP3"
    return "AAC" if _follow_each_other(head, _adts_bytes) else None


def is_undecided(data: bytes | bytearray) -> bool:
    """Whether more bytes could tell more about how `data` begins."""
    if len(data) < MAGIC_BYTES:
        return True
    frame = _mpeg_bytes(bytes(data[:8])) or _adts_bytes(bytes(data[:8]))
    return frame is not None and len(data) < SURE_BYTES and header_in(data) is None and _in_step(bytes(data))


def _in_step(data: bytes) -> bool:
    """Whether all of the frames that are there begin where the one before ends."""
    return any(all(length is not None for length in _lengths(data, kind)) for kind in (_mpeg_bytes, _adts_bytes))


def _follow_each_other(data: bytes, kind: _Kind) -> bool:
    lengths = list(_lengths(data, kind))
    return len(lengths) >= FRAMES and None not in lengths


def _lengths(data: bytes, kind: _Kind) -> Iterator[int | None]:
    """Of the first frames, one after the other; None, and no more, where there is none."""
    place = 0
    for _ in range(FRAMES):
        if len(data) < place + 8:
            return
        length = kind(data[place : place + 8])
        yield length
        if length is None:
            return
        place += length


def _mpeg_bytes(head: bytes) -> int | None:
    """Length of the MPEG audio frame that begins with `head`; None: it is none."""
    if head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    rate, hertz = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer == 0 or rate in {0, 15} or hertz == 3:
        return None
    bits = MPEG_KBPS[3 if version == 3 else 2, layer][rate - 1] * 1000
    sample_rate, padding = MPEG_HZ[version][hertz], head[2] >> 1 & 1
    if layer == 3:
        return (12 * bits // sample_rate + padding) * 4
    return (72 if layer == 1 and version != 3 else 144) * bits // sample_rate + padding


def _adts_bytes(head: bytes) -> int | None:
    """Length of the AAC frame that begins with `head`; None: it is none."""
    if head[0] != 0xFF or head[1] & 0xF6 != 0xF0 or head[2] >> 2 & 15 > 12:
        return None
    length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return length if length > 7 else None
