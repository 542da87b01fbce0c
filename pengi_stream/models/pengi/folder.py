"""Where a checkpoint lies and what its config says; needs no torch."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from pengi_stream.errors import CheckpointError
from pengi_stream.models.pengi.config import PengiConfig

CONFIG_FILE = "config.json"
PACKAGED = Path(__file__).parent.parent  # models/, where `mini` is


def checkpoint_folder(name: str) -> Path:
    """The folder of a packaged checkpoint (`mini`) or of a path. Raises CheckpointError."""
    folder = PACKAGED / name if name == "mini" else Path(name)
    if folder.is_file():
        raise CheckpointError(f"{name!r} is a file, expected a folder; make one of it with pengi-stream convert")
    if not (folder / CONFIG_FILE).is_file():
        raise CheckpointError(f"no checkpoint at {name!r}: {folder / CONFIG_FILE} is missing; use mini or a folder")
    return folder


def read_config(folder: Path) -> PengiConfig:
    """Raises CheckpointError, which names the first key that is wrong."""
    path = folder / CONFIG_FILE
    try:
        return PengiConfig.model_validate_json(path.read_bytes())
    except ValidationError as error:
        problem = _first_problem(error)
        raise CheckpointError(f"{path}: {problem}; expected a folder as pengi-stream convert writes it") from error


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
