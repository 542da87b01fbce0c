"""Texts that say nothing twice."""

from __future__ import annotations

import re
from collections.abc import Sequence

DOUBT = "perhaps "


def once(text: str, joints: Sequence[str]) -> str:
    """`text` without those of its parts, joined by `joints`, that were said before: `rain or rain` is `rain`."""
    if not joints:
        return text
    pattern = "|".join(re.escape(joint) for joint in sorted(joints, key=len, reverse=True))
    first, *rest = re.split(f"({pattern})", text)
    said, kept = {first.removeprefix(DOUBT)}, [first]
    for joint, part in zip(rest[::2], rest[1::2], strict=True):
        if part.removeprefix(DOUBT) not in said:
            said.add(part.removeprefix(DOUBT))
            kept += [joint, part]
    return "".join(kept)
