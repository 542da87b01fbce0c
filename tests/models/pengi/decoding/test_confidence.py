"""Confidence: a table in the checkpoint's config, applied to what the audio did to a text's likelihood."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pengi_stream.models.pengi.checkpoint import CHECKSUMS_FILE, load_checkpoint
from pengi_stream.models.pengi.config import ConfidenceConfig, PengiConfig
from pengi_stream.models.pengi.decoding.confidence import Evidence, confidence_of, row_for
from pengi_stream.models.pengi.folder import CONFIG_FILE
from pengi_stream.models.pengi.model import PengiModel
from pengi_stream.options import DecodingOptions, Prompt
from pengi_stream.types import Batch, Request

Ask = Callable[[PengiModel, int, Prompt], Request]

CAPTION = Prompt("caption", "generate audio caption", DecodingOptions(max_new_tokens=8))
ROW = ConfidenceConfig(prompts="generate *", bias=2.0, likelihood=0.5, sound=0.7, gain=0.1)


@pytest.fixture(scope="module")
def calibrated(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> PengiModel:
    place = tmp_path_factory.mktemp("calibrated")
    shutil.copytree(folder, place, dirs_exist_ok=True)
    (place / CHECKSUMS_FILE).unlink()
    config = PengiConfig.model_validate_json((place / CONFIG_FILE).read_bytes())
    (place / CONFIG_FILE).write_text(config.model_copy(update={"confidence": (ROW,)}).model_dump_json())
    return PengiModel(load_checkpoint(str(place)), torch.device("cpu"), torch.float32)


evidence = st.builds(Evidence, *[st.floats(-50, 50) for _ in range(3)])


@given(evidence, st.sampled_from(["likelihood", "sound", "gain"]), st.floats(0, 10))
def test_more_evidence_never_means_less_confidence(less: Evidence, part: str, more: float) -> None:
    greater = replace(less, **{part: getattr(less, part) + more})
    assert 0 <= confidence_of(less, ROW) <= confidence_of(greater, ROW) <= 1


def test_the_first_row_that_fits_the_prompt_counts() -> None:
    rest = ROW.model_copy(update={"prompts": "*"})
    assert row_for("generate metadata", (ROW, rest)) is ROW
    assert row_for("question: is there a dog?", (ROW, rest)) is rest
    assert row_for("question: is there a dog?", (ROW,)) is None


def test_the_table_changes_the_confidence_and_not_the_text(model: PengiModel, calibrated: PengiModel, ask: Ask) -> None:
    batch = Batch(tuple(ask(model, seed, CAPTION) for seed in range(4)))
    plain, table = model.generate(batch), calibrated.generate(batch)
    assert [g.text for g in table] == [g.text for g in plain]
    assert [g.confidence for g in table] != [g.confidence for g in plain]


def test_a_prompt_that_no_row_is_for_keeps_the_geometric_mean(
    model: PengiModel, calibrated: PengiModel, ask: Ask
) -> None:
    prompt = replace(CAPTION, text="this is a sound of")
    batch = Batch(tuple(ask(model, seed, prompt) for seed in range(4)))
    plain = [g.confidence for g in model.generate(batch)]
    assert [g.confidence for g in calibrated.generate(batch)] == pytest.approx(plain, abs=1e-5)


@pytest.mark.parametrize("beams", [1, 3])
def test_calibrated_confidence_is_the_same_alone_and_in_a_batch(calibrated: PengiModel, beams: int, ask: Ask) -> None:
    options = DecodingOptions(beams, max_new_tokens=8)
    prompts = [replace(CAPTION, options=options), replace(CAPTION, text="this is a sound of", options=options)]
    requests = [ask(calibrated, seed, prompts[seed % 2]) for seed in range(11)]
    for generation in calibrated.generate(Batch(tuple(requests))):
        [alone] = calibrated.generate(Batch((generation.request,)))
        assert alone.confidence == pytest.approx(generation.confidence, abs=1e-4)


def test_texts_that_were_said_before_have_the_confidence_that_they_had(calibrated: PengiModel, ask: Ask) -> None:
    batches = [Batch(tuple(ask(calibrated, seed, CAPTION) for seed in seeds)) for seeds in ((1, 2), (3, 1, 4))]
    [first, _], [_, again, _] = (calibrated.generate(batch) for batch in batches)
    assert again.text == first.text
    assert again.confidence == pytest.approx(first.confidence, abs=1e-4)


def test_the_likelihood_that_speaks_for_a_text_is_the_one_it_was_written_with(model: PengiModel, ask: Ask) -> None:
    batch = Batch(tuple(ask(model, seed, CAPTION) for seed in range(8)))
    made = model.generate(batch)
    for generation, (again, evidence) in zip(made, model.explained(batch), strict=True):
        assert again.text == generation.text
        assert 1 / (1 + math.exp(-evidence.likelihood)) == pytest.approx(generation.confidence, rel=2e-3)


def test_a_checkpoint_without_a_table_keeps_its_identity(folder: Path) -> None:
    text = (folder / CONFIG_FILE).read_text()
    assert "confidence" not in text
    assert load_checkpoint(str(folder)).config.confidence is None
