"""A checkpoint learns a site's own sounds, and keeps what it knows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from typer.testing import CliRunner

from pengi_stream.errors import ConfigError, PengiStreamError
from pengi_stream.lab.training.commands import app
from pengi_stream.lab.training.data.tones import synthesise
from pengi_stream.lab.training.finetune import clips as clips_module
from pengi_stream.lab.training.finetune import rehearsal, teach
from pengi_stream.lab.training.finetune.clips import read_captioned
from pengi_stream.lab.training.finetune.detectors import fit_detectors
from pengi_stream.lab.training.finetune.rehearsal import read_rehearsal, write_rehearsal
from pengi_stream.models.pengi.audio.mapper import FEATURES, MlpMapper
from pengi_stream.models.pengi.audio.site_mapper import STEP, SiteMapper, share_known, widened
from pengi_stream.models.pengi.checkpoint import load_checkpoint
from pengi_stream.models.pengi.folder import checkpoint_folder


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = ["path,caption"]
    for index in range(2):
        for kind, caption in (("telephone dialing", "my phone dials"), ("siren", "the shift ends")):
            soundfile.write(tmp_path / f"{kind}{index}.wav", synthesise(kind, 48_000, rng) * 0.3, 16_000)
            rows.append(f"{kind}{index}.wav,{caption}")
    (tmp_path / "clips.csv").write_text("\n".join(rows) + "\n")
    return tmp_path / "clips.csv"


def spread(seed: int, count: int, *, along: int | None = None) -> torch.Tensor:
    features = torch.randn(count, 40, generator=torch.Generator().manual_seed(seed))
    if along is not None:
        features[:, 10 * along : 10 * along + 10] += 3
    return features


@pytest.fixture
def site() -> SiteMapper:
    own = torch.cat((spread(1, 30, along=0), spread(2, 30, along=1)))
    detectors = fit_detectors(own, torch.arange(2).repeat_interleave(30), spread(3, 500))
    base = MlpMapper(features=40, hidden=16, prefix_length=2, width=8)
    return widened(base, detectors, added=torch.ones(2, 16), length=2).requires_grad_(requires_grad=False)


def test_detectors_rise_for_their_own_caption_and_stay_down_for_others(site: SiteMapper) -> None:
    heights = site.heights(spread(4, 50, along=1))
    assert float((heights[:, 1] > STEP / 2).float().mean()) > 0.9
    assert float((heights[:, 0] < STEP / 10).float().mean()) > 0.9
    assert share_known(site.heights(spread(5, 50))) < 0.1


def test_a_window_that_no_detector_knows_gives_the_prefix_that_it_always_gave(site: SiteMapper) -> None:
    strange = spread(6, 200)
    strange = strange[site.heights(strange).abs().amax(dim=1) < 1e-6]
    assert len(strange) > 20
    assert torch.allclose(site(strange), site.base(strange), atol=1e-5)
    assert torch.equal(site.without_audio(), site.base.without_audio())


def test_a_window_that_a_detector_knows_gives_another_prefix(site: SiteMapper) -> None:
    known = spread(7, 5, along=0)
    assert torch.allclose(site(known), site.base(known) + site.heights(known).sum(dim=1)[:, None, None], atol=1e-5)


def test_kept_features_are_much_as_they_were_and_small(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(300, 20, generator=generator) @ torch.randn(20, FEATURES, generator=generator)
    write_rehearsal(features, tmp_path / "kept.safetensors")
    again = read_rehearsal(generator, tmp_path / "kept.safetensors")
    assert float((again - features).std()) < 0.1 * float(features.std())
    assert (tmp_path / "kept.safetensors").stat().st_size < 300_000


@pytest.mark.timeout(180)
def test_the_command_makes_a_checkpoint_that_says_the_captions(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clips_module, "COPIES", (2, 4))
    monkeypatch.setattr(rehearsal, "SIMULATED", 1)
    monkeypatch.setattr(teach, "REMEMBERED", 8)
    result = CliRunner().invoke(
        app, ["finetune", "--clips", str(clips), "--output", str(tmp_path / "site"), "--steps", "2"]
    )
    assert result.exit_code == 0, result.output
    assert "captions of the clips as given: " in result.output
    before, after = load_checkpoint("mini").network, load_checkpoint(str(tmp_path / "site")).network
    for part in ("audio_encoder", "language_model.wte"):
        assert _same(before.get_submodule(part), after.get_submodule(part))
    assert not _same(before.language_model.h, after.language_model.h)
    assert isinstance(after.audio_mapper, SiteMapper)
    assert _same(before.audio_mapper, after.audio_mapper.base)


def _same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,text\na.wav,a bell\n", "found the columns file,text, expected path,caption"),
        ("path,caption\nmissing.wav,a bell\n", "line 2: there is no file"),
        ("path,caption\nsiren0.wav,  \n", "line 2: the caption is empty"),
        ("path,caption\nsiren0.wav," + "very " * 60 + "loud\n", "line 2: found 61 tokens, expected at most 30"),
        ("path,caption\nclips.csv,a bell\n", "is no audio that can be read"),
        ("", "expected path,caption"),
    ],
)
def test_clips_that_cannot_be_used_are_refused_in_one_line(clips: Path, text: str, message: str) -> None:
    clips.write_text(text)
    with pytest.raises(PengiStreamError, match=message) as raised:
        read_captioned(clips, load_checkpoint("mini").tokenizer)
    assert "\n" not in str(raised.value)


def test_the_base_is_never_overwritten(clips: Path) -> None:
    base = str(checkpoint_folder("mini"))
    with pytest.raises(ConfigError, match="give --output another folder"):
        CliRunner().invoke(app, ["finetune", "--clips", str(clips), "--output", base], catch_exceptions=False)
