"""Code under test that may hang."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

Step = tuple[str, Callable[[], object]]
"""What is called, for messages, and the call"""


class Task:
    """Steps on one thread, so that whoever waits for them can give up."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = steps
        self._doing = ""
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        """Wait for the end. Raises AssertionError when a step raised anything, or goes on after `timeout_s`."""
        self._thread.join(timeout_s)
        assert not self._thread.is_alive(), f"{self._doing} goes on after {timeout_s} s, expected an end"
        if self._error is not None:
            raise AssertionError(f"{self._doing} raised {self._error!r}") from self._error

    def _run(self) -> None:
        try:
            for name, step in self._steps:
                self._doing = name
                step()
        except BaseException as error:  # noqa: BLE001  join tells whoever waits
            self._error = error
