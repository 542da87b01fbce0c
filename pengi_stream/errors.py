"""Errors that a user meets. Each message is one line: what was found, what was expected, what to do."""


class PengiStreamError(Exception):
    """Base of all errors that are reported without a traceback."""


class ConfigError(PengiStreamError):
    """Wrong usage or configuration: the command exits with 2."""


class SourceError(PengiStreamError):
    """A source cannot go on."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """Read it again after so many seconds; None: it will not get better."""


class AudioError(PengiStreamError):
    """Bytes that are no audio, or not the audio that they claim to be."""


class ModelError(PengiStreamError):
    """The model failed on a batch."""


class CheckpointError(ModelError):
    """A checkpoint is missing, damaged or of another architecture."""


class SinkError(PengiStreamError):
    """A sink could not write."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """Try again after so many seconds; None: it will not get better."""


class ServerError(PengiStreamError):
    """The health and metrics server cannot listen."""


class StaleError(SinkError):
    """Another worker has by now what this one wanted to commit."""


class BrokerError(PengiStreamError):
    """A Kafka broker refuses us, or is not there."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """Try again after so many seconds; None: it will not get better."""
