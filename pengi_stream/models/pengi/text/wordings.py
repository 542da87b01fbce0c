"""Other wordings of a user's label, and texts that say nothing twice."""

from __future__ import annotations

import re
from collections.abc import Sequence

DOUBT = "perhaps "
DETERMINERS = frozenset(("a", "an", "the", "my", "our", "your", "his", "her", "its", "their", "some", "any"))


def wordings(label: str) -> tuple[str, ...]:
    """`label` without articles and possessives in front, as it is and with its first or last word in the singular:
    `my dogs` is `dogs` and `dog` as well."""
    words = label.split()
    while len(words) > 1 and words[0].lower() in DETERMINERS:
        words = words[1:]
    found = [" ".join(words) if len(words) < len(label.split()) else label]
    if words:
        found += [" ".join([singular, *words[1:]]) for singular in _singulars(words[0])]
        found += [" ".join([*words[:-1], singular]) for singular in _singulars(words[-1])]
    return tuple(dict.fromkeys(found))


def _singulars(word: str) -> list[str]:
    """What `word` may be the plural of; a form that no English word has is as unlikely with audio as without."""
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return []
    if word.endswith("ies"):
        return [f"{word[:-3]}y", word[:-1]]
    return [word[:-1], word[:-2]] if word.endswith("es") else [word[:-1]]


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
