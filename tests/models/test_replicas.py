"""Several copies of a model behave as one: nothing is lost, and nobody sees how many there are."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from given import GivenModel
from structlog.testing import capture_logs

from pengi_stream.errors import ModelError
from pengi_stream.models.fake import FakeModel
from pengi_stream.models.replicas import PATIENCE, Replicas
from pengi_stream.options import Prompt
from pengi_stream.testing import check_model
from pengi_stream.testing.models import noise_window
from pengi_stream.types import Batch, Generation, Request

RATE, WINDOW = 16_000, 1_600


class Device(FakeModel):
    """A fake model on a device that may be broken."""

    def __init__(self, *, broken: bool = False) -> None:
        super().__init__(RATE, WINDOW)
        self.broken = broken
        self.asked = 0

    def generate(self, batch: Batch) -> list[Generation]:
        self.asked += 1
        if self.broken:
            raise ModelError("the device has fallen off the bus")
        return super().generate(batch)


class Meeting(Device):
    """Answers only when another replica computes at the same time."""

    def __init__(self, together: threading.Barrier) -> None:
        super().__init__()
        self._together = together

    def generate(self, batch: Batch) -> list[Generation]:
        self._together.wait()
        return super().generate(batch)


def batch(seed: int = 1) -> Batch:
    return Batch((Request(noise_window(RATE, WINDOW, seed), Prompt("caption", "generate audio caption")),))


def replicas(*devices: Device) -> Replicas:
    return Replicas([(f"device {number}", device) for number, device in enumerate(devices)])


def test_they_keep_the_contract_of_a_model() -> None:
    check_model(GivenModel(part=replicas(Device(), Device())))


def test_their_identity_does_not_depend_on_how_many_they_are() -> None:
    assert replicas(Device()).identity == replicas(Device(), Device(), Device()).identity == Device().identity


def test_copies_of_different_models_are_no_replicas() -> None:
    other = Device()
    other.identity = "another dtype"
    with pytest.raises(ValueError, match="same checkpoint, same dtype"):
        replicas(Device(), other)


def test_two_batches_are_computed_at_the_same_time() -> None:
    together = threading.Barrier(2, timeout=10)
    model = replicas(Meeting(together), Meeting(together))
    with ThreadPoolExecutor(model.concurrency) as threads:
        said = list(threads.map(lambda seed: model.generate(batch(seed))[0].text, range(1, 9)))
    assert said == [Device().generate(batch(seed))[0].text for seed in range(1, 9)]


def test_a_batch_on_which_one_replica_fails_is_done_by_another() -> None:
    broken, good = Device(broken=True), Device()
    assert len(replicas(broken, good).generate(batch())) == 1
    assert (broken.asked, good.asked) == (1, 1)


def test_a_replica_that_fails_again_and_again_is_retired_and_named() -> None:
    broken, good = Device(broken=True), Device()
    model = replicas(broken, good)
    with capture_logs() as logs:
        for _ in range(10):
            model.generate(batch())
    assert (broken.asked, good.asked) == (PATIENCE, 10)
    [retired] = [entry for entry in logs if entry["event"] == "replica_retired"]
    assert (retired["device"], retired["left"]) == ("device 0", 1)


class Shaky(Device):
    """Fails all but every third time."""

    def generate(self, batch: Batch) -> list[Generation]:
        self.broken = (self.asked + 1) % PATIENCE != 0
        return super().generate(batch)


def test_a_replica_that_answers_now_and_then_is_kept() -> None:
    shaky = Shaky()
    model = replicas(shaky, Device())
    with capture_logs() as logs:
        for _ in range(40):
            model.generate(batch())
    assert shaky.asked > 2 * PATIENCE
    assert {entry["event"] for entry in logs} == {"replica_failed"}


def test_what_no_replica_can_do_is_an_error_and_costs_no_replica() -> None:
    devices = Device(broken=True), Device(broken=True)
    model = replicas(*devices)
    for _ in range(2 * PATIENCE):
        with pytest.raises(ModelError, match="fallen off the bus"):
            model.generate(batch())
    for device in devices:
        device.broken = False
        device.asked = 0
    for _ in range(4):
        model.generate(batch())
    assert [device.asked for device in devices] == [2, 2]


def test_many_threads_lose_nothing_while_a_replica_fails() -> None:
    devices = Device(), Device(broken=True), Device()
    model = replicas(*devices)
    with ThreadPoolExecutor(8) as threads:
        said = list(threads.map(lambda seed: model.generate(batch(seed % 7))[0].text, range(200)))
    assert said == [Device().generate(batch(seed % 7))[0].text for seed in range(200)]
