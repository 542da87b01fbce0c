"""One model on several devices: each batch goes to a replica that is free."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from pengi_stream.errors import ModelError
from pengi_stream.options import Prompt
from pengi_stream.protocols import AudioLanguageModel
from pengi_stream.types import Batch, Generation

log = structlog.get_logger()

PATIENCE = 3  # failures in a row, on batches that another replica can do


@dataclass(slots=True, eq=False)
class _Replica:
    name: str
    model: AudioLanguageModel
    failures: int = 0
    """In a row, on batches that another replica did"""


class Replicas(AudioLanguageModel):
    """Copies of one checkpoint in one dtype, so that all of them say the same. As many threads as copies.

    A batch on which a replica fails is tried on the others, so that it is lost only where all of them fail. A replica
    that fails again and again on what others can do is retired: its device is gone. The identity is that of one copy,
    however many there are.
    """

    def __init__(self, models: Sequence[tuple[str, AudioLanguageModel]]) -> None:
        """`models` with the names of their devices. Raises ValueError where they are not copies of one."""
        if len({model.identity for _, model in models}) != 1:
            raise ValueError("replicas must be copies of one model: same checkpoint, same dtype")
        _, first = models[0]
        self.sample_rate = first.sample_rate
        self.window_samples = first.window_samples
        self.hop_grid_samples = first.hop_grid_samples
        self.identity = first.identity
        self.concurrency = len(models)
        self._working = [_Replica(device, model) for device, model in models]
        self._free = list(self._working)  # longest free first
        self._changed = threading.Condition()

    def generate(self, batch: Batch) -> list[Generation]:
        """See `AudioLanguageModel.generate`; blocks while no replica is free. Raises ModelError where all fail."""
        failed: dict[_Replica, ModelError] = {}
        while (replica := self._borrow(failed)) is not None:
            try:
                generations = replica.model.generate(batch)
            except ModelError as error:
                failed[replica] = error
            else:
                self._blame(failed)
                replica.failures = 0
                return generations
            finally:
                self._give_back(replica)
        raise next(iter(failed.values()))

    def check_prompts(self, prompts: Sequence[Prompt]) -> None:
        """See `AudioLanguageModel.check_prompts`."""
        self._working[0].model.check_prompts(prompts)

    def warmup(self) -> None:
        """Warm each replica up."""
        for replica in self._working:
            replica.model.warmup()

    def _borrow(self, failed: Mapping[_Replica, ModelError]) -> _Replica | None:
        """A free replica that is not among `failed`; blocks while all others are busy. None: there is no other."""
        with self._changed:
            while any(replica not in failed for replica in self._working):
                for replica in self._free:
                    if replica not in failed:
                        self._free.remove(replica)
                        return replica
                self._changed.wait()
        return None

    def _give_back(self, replica: _Replica) -> None:
        with self._changed:
            if replica in self._working:
                self._free.append(replica)
            self._changed.notify_all()

    def _blame(self, failed: Mapping[_Replica, ModelError]) -> None:
        """Another replica did what these failed on."""
        with self._changed:
            for replica, error in failed.items():
                replica.failures += 1
                log.warning("replica_failed", device=replica.name, reason=str(error))
                if replica.failures >= PATIENCE and replica in self._working:
                    self._working.remove(replica)
                    self._free = [other for other in self._free if other is not replica]
                    log.error("replica_retired", device=replica.name, left=len(self._working))
