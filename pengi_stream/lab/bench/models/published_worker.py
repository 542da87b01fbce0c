"""Runs inside a checkout of the published code, in whichever Python that has; needs nothing of this package.

Takes and gives lines of JSON: first the configuration's name, then questions; each is answered by one line.
"""

from __future__ import annotations

import json
import os
import sys


def _main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the published code prints goes to stderr
    sys.path.insert(0, os.getcwd())  # noqa: PTH109

    def say(**answer: object) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    try:
        from wrapper import PengiWrapper  # type: ignore[import-not-found]

        pengi = PengiWrapper(config=json.loads(sys.stdin.readline())["config"], use_cuda=False)
        say(ready=True)
        for line in sys.stdin:
            texts = [found[0] for found, _ in pengi.generate(**json.loads(line))]
            say(texts=texts)
    except Exception as error:  # noqa: BLE001  the other side tells the user
        say(error=f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    _main()
