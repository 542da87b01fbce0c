"""The whole recipe, in small, on computed sounds."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pengi_stream.errors import ConfigError
from pengi_stream.lab.evaluation.held_out.answers import captions, events, proportion, ranking
from pengi_stream.lab.evaluation.held_out.clips import held_out_of_recipe
from pengi_stream.lab.training import recipe as recipe_module
from pengi_stream.lab.training.data.tones import synthesise
from pengi_stream.lab.training.recipe import Recipe
from pengi_stream.models.pengi import PengiModelConfig
from pengi_stream.models.pengi.audio.yamnet import BLOCKS, CLASSES, EMBEDDING_SIZE
from pengi_stream.sounds.words import load_sounds
from pengi_stream.testing import context


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = []
    for label, kind in (("rain", "white noise"), ("helicopter", "brown noise")):
        for fold in (1, 4):
            name = f"esc10/{label}/{fold}-{fold}{len(rows)}-A.wav"
            (tmp_path / "audio" / name).parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(tmp_path / "audio" / name, synthesise(kind, 20_000, rng), 16_000)
            rows.append(f"{name},{label},esc10")
    (tmp_path / "labels.csv").write_text("\n".join(["path,label,set", *rows]) + "\n")
    (tmp_path / "captions").mkdir()
    header = "audiocap_id,youtube_id,start_time,caption\n"
    lines = "".join(f"{i},x,0,{c}\n" for i, c in enumerate(["Rain falls", "A dog barks as a man speaks"] * 20))
    (tmp_path / "captions" / "audiocaps_train.csv").write_text(header + lines)
    nodes = [{"id": n, "name": n, "child_ids": []} for n in list(load_sounds())[:CLASSES]]
    (tmp_path / "captions" / "audioset_ontology.json").write_text(json.dumps(nodes))
    (tmp_path / "yamnet").mkdir()
    np.savez(tmp_path / "yamnet" / "yamnet_fp32.npz", **random_yamnet(rng))
    return tmp_path


def random_yamnet(rng: np.random.Generator) -> dict[str, np.ndarray]:
    def normalisation(layer: int, size: int) -> dict[str, np.ndarray]:
        zeros, ones = np.zeros(size, np.float32), np.ones(size, np.float32)
        return {f"{layer}/beta": zeros, f"{layer}/moving_mean": zeros, f"{layer}/moving_variance": ones}

    def kernel(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[:-1]))).astype(np.float32)

    arrays = {"0/kernel": kernel(3, 3, 1, 32)} | normalisation(1, 32)
    inputs = 32
    for index, (outputs, _) in enumerate(BLOCKS):
        layer = 2 + 4 * index
        arrays[f"{layer}/depthwise_kernel"] = rng.standard_normal((3, 3, inputs, 1)).astype(np.float32) / 3
        arrays[f"{layer + 2}/kernel"] = kernel(1, 1, inputs, outputs)
        arrays |= normalisation(layer + 1, inputs) | normalisation(layer + 3, outputs)
        inputs = outputs
    bias = np.full(CLASSES, -5, np.float32)
    return arrays | {"54/kernel": kernel(EMBEDDING_SIZE, CLASSES), "54/bias": bias}


def test_the_recipe_makes_a_checkpoint_that_can_be_evaluated(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe_module, "MIXTURES", 2)
    for renders in ("render_speech", "render_music", "tone_clips"):
        monkeypatch.setattr(recipe_module, renders, lambda *_: [])
    recipe = Recipe(data, data / "work")

    recipe.prepare()
    recipe.train_language_model(steps=1)
    recipe.train_mapper(listening_steps=1, speaking_steps=1)
    recipe.export(data / "checkpoint")

    model = PengiModelConfig(type="pengi", checkpoint=str(data / "checkpoint")).build(context())
    clips = held_out_of_recipe(data)
    assert [a.generation.request.window.stream.id for a in captions(model, clips)] == [str(c.path) for c in clips]
    assert proportion(events(model, clips)).of == 2
    ranked = ranking(model, clips, ["rain", "helicopter"])
    assert all(sum((answer.generation.scores or {}).values()) == pytest.approx(1) for answer in ranked)


def test_a_step_whose_forerunner_is_missing_says_which_to_run(data: Path) -> None:
    with pytest.raises(ConfigError, match="train mapper` first"):
        Recipe(data, data / "nowhere").export(data / "checkpoint")
