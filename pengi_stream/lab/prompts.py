"""The prompts that `mini` learns and is measured by."""

from __future__ import annotations

from pengi_stream.prompts import TASKS

CAPTION, TAGS, EVENTS, SCENE = TASKS["caption"], TASKS["tags"], TASKS["events"], TASKS["scene"]
QUESTION = f"{TASKS['question']} "
