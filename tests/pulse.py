"""A real sound server for tests of microphones."""

from __future__ import annotations

import ctypes.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SINK = "speaker"
DAEMON = f"""
load-module module-native-protocol-unix socket={{socket}} auth-anonymous=1
load-module module-null-sink sink_name={SINK} rate=48000 channels=2
set-default-sink {SINK}
set-default-source {SINK}.monitor
"""
ALSA = """
pcm.!default { type pulse hint { show on description "PulseAudio" } }
ctl.!default { type pulse }
"""


@dataclass(frozen=True)
class Pulse:
    """A sound server of our own, whose default microphone hears what is played."""

    env: Mapping[str, str]
    """For processes that shall hear it"""

    @contextmanager
    def tone(self, frequency_hz: int) -> Iterator[None]:
        """While inside, a sine is played."""
        module = self.run("pactl", "load-module", "module-sine", f"sink={SINK}", f"frequency={frequency_hz}").strip()
        try:
            yield
        finally:
            self.run("pactl", "unload-module", module)

    def run(self, *command: str) -> str:
        """What `command` writes to stdout."""
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def python(self, code: str) -> str:
        """What `code` prints, in a process of its own: PortAudio looks for devices once."""
        return self.run(sys.executable, "-c", code)


def missing_parts() -> str | None:
    """What the machine lacks for a microphone of our own."""
    for program in ("pulseaudio", "pactl"):
        if shutil.which(program) is None:
            return f"{program} is not installed (apt-get install pulseaudio pulseaudio-utils)"
    if ctypes.util.find_library("portaudio") is None:
        return "PortAudio is not installed (apt-get install libportaudio2)"
    if not any(Path("/usr/lib").glob("**/alsa-lib/libasound_module_pcm_pulse.so")):
        return "ALSA has no PulseAudio plugin (apt-get install libasound2-plugins)"
    return None


@contextmanager
def running_pulse(home: Path) -> Iterator[Pulse]:
    """A private PulseAudio in the folder `home`; its null sink's monitor is the default microphone, also of ALSA."""
    home.chmod(0o700)
    (home / "default.pa").write_text(DAEMON.format(socket=home / "native"))
    (home / "asound.conf").write_text(ALSA)
    paths = {"HOME": home, "XDG_RUNTIME_DIR": home, "ALSA_CONFIG_PATH": home / "asound.conf"}
    env = os.environ | {name: str(path) for name, path in paths.items()} | {"PULSE_SERVER": f"unix:{home / 'native'}"}
    server = Pulse(env)
    server.run("pulseaudio", "-n", "-F", str(home / "default.pa"), "--daemonize=yes", "--exit-idle-time=60")
    yield server
    subprocess.run(["pactl", "exit"], env=env, capture_output=True, check=False)  # an idle one has gone by itself
