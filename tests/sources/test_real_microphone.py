import json
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pulse import Pulse

HEAR = """
import json, threading
import numpy as np
from pengi_stream.sources.microphone import MicrophoneSourceConfig
from pengi_stream.testing import check_source
from pengi_stream.types import Frame

config = MicrophoneSourceConfig.model_validate({"type": "microphone"} | KEYS)
items = check_source(config, close_after=12)
frames = [item for item in items if isinstance(item, Frame)]
rate = frames[0].sample_rate
samples = np.concatenate([frame.samples for frame in frames])[-rate:]
loudest = np.argmax(np.abs(np.fft.rfft(samples[:, 0]))) * rate / len(samples)
print(json.dumps({"rate": rate, "channels": samples.shape[1], "loudest_hz": loudest, "rms": float(samples.std()),
                  "id": frames[0].stream.id, "kinds": [type(item).__name__ for item in items[-1:]]}))
"""


@pytest.mark.parametrize(
    "keys", [{}, {"sample_rate": 16_000, "channels": 2, "device": "default"}, {"sample_rate": 48_000, "device": 0}]
)
def test_a_real_microphone_hears_the_tone_that_is_played(pulse: "Pulse", keys: dict[str, object]) -> None:
    with pulse.tone(1_000):
        heard = json.loads(pulse.python(HEAR.replace("KEYS", repr(keys))))
    assert heard["loudest_hz"] == pytest.approx(1_000, abs=5)
    assert heard["rms"] > 0.1
    assert (heard["rate"], heard["channels"]) == (keys.get("sample_rate", 44_100), keys.get("channels", 1))
    assert (heard["id"], heard["kinds"]) == ("default", ["StreamEnd"])


ONSET = """
import subprocess
import numpy as np
from pengi_stream.clock import SystemClock
from pengi_stream.sources.microphone import MicrophoneSourceConfig
from pengi_stream.protocols import Context
from pengi_stream.types import Frame

source = MicrophoneSourceConfig(type="microphone").build(Context.alone("microphone"))
played_ns = None
for item in source.frames():
    if isinstance(item, Frame) and played_ns is None:
        subprocess.run(["pactl", "load-module", "module-sine", "sink=speaker", "frequency=700"], check=True,
                       stdout=subprocess.DEVNULL)
        played_ns = SystemClock().utc_ns()
    elif isinstance(item, Frame) and (loud := np.flatnonzero(np.abs(item.samples[:, 0]) > 0.05)).size:
        print((item.time.at(item.first_sample + int(loud[0])) - played_ns) / 1e9)
        break
subprocess.run(["pactl", "unload-module", "module-sine"], check=True)
"""


def test_a_real_microphone_knows_when_a_tone_began(pulse: "Pulse") -> None:
    """Within what buffers of the sound server and a busy machine add; the device itself opens seconds earlier."""
    assert float(pulse.python(ONSET)) == pytest.approx(0, abs=0.7)


def test_the_devices_command_lists_a_real_microphone(pulse: "Pulse") -> None:
    listed = pulse.run(sys.executable, "-m", "pengi_stream", "devices")
    assert listed.startswith("*   0  default  (ALSA, ")
