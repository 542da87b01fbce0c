import numpy as np
import pytest
from tokenizers import Tokenizer

from pengi_stream.lab.prompts import CAPTION
from pengi_stream.lab.training.texts.examples import IGNORED, encode_texts
from pengi_stream.lab.training.texts.vocabulary import end_id, train_vocabulary
from pengi_stream.lab.training.texts.writer import Content, Text, TextWriter
from pengi_stream.sounds.words import load_sounds

PARENTS = {"Bark": ("Dog", "Domestic animals, pets", "Animal")}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_vocabulary(["a dog barks", "rain falls", CAPTION], 300)


def write(content: Content, count: int = 300) -> list[Text]:
    writer = TextWriter(load_sounds(), PARENTS, {("Bark",): ["Dog barking outside"]})
    return [writer.write(content, np.random.default_rng(seed)) for seed in range(count)]


def test_every_prompt_is_asked_and_every_text_has_an_answer() -> None:
    texts = write(Content(("Bark", "Rain"), scene="a farm"))

    kinds = {text.prompt.split(":")[0] for text in texts}
    assert kinds == {
        "generate audio caption", "generate metadata", "this is a sound of", "this acoustic scene is", "question",
    }  # fmt: skip
    assert all(text.answer == text.answer.lower().strip() != "" for text in texts)


def test_events_are_the_labels_loudest_first() -> None:
    answers = {text.answer for text in write(Content(("Bark", "Rain"))) if text.prompt == "this is a sound of"}

    assert answers == {"dog barking, rain"}


def test_a_sound_is_also_called_what_users_call_it() -> None:
    writer = TextWriter(load_sounds(), PARENTS, {})
    words = {writer.wording("Bark", np.random.default_rng(seed)) for seed in range(300)}
    asked = {text.prompt for text in write(Content(("Bark",)), 3000)}

    assert {"dog barking", "woof", "a dog barks", "my dog barking", "dog"} <= words
    assert "question: is there woof?" in asked


def test_a_caption_by_a_person_is_used_as_it_is_and_others_sometimes() -> None:
    own = {text.answer for text in write(Content(("Bark",), caption="A dog barks twice")) if text.prompt == CAPTION}
    borrowed = {text.answer for text in write(Content(("Bark",))) if text.prompt == CAPTION}

    assert own == {"a dog barks twice"}
    assert {"dog barking outside", "a dog barks"} <= borrowed


def test_questions_about_kinds_of_what_is_heard_are_answered_yes_and_others_no() -> None:
    asked = {t.prompt: t.answer for t in write(Content(("Bark",)), 3000) if t.prompt.startswith("question: is there")}

    assert asked["question: is there dog?"] == asked["question: is there animal?"] == "yes"
    assert {answer for prompt, answer in asked.items() if "rain" in prompt} <= {"no"}
    assert set(asked.values()) == {"yes", "no"}


def test_only_the_answer_and_its_end_are_learnt(tokenizer: Tokenizer) -> None:
    batch = encode_texts([Text(CAPTION, "a dog barks"), Text("", "rain falls")], tokenizer)

    learnt = batch.targets[0][batch.targets[0] != IGNORED].tolist()
    assert tokenizer.decode(learnt[:-1]).strip() == "a dog barks"
    assert learnt[-1] == end_id(tokenizer)
    assert (batch.targets == IGNORED).logical_or(batch.targets == batch.ids).all()


def test_any_text_survives_the_vocabulary(tokenizer: Tokenizer) -> None:
    assert tokenizer.decode(tokenizer.encode("мой звонок, 玄関 #1").ids).strip() == "мой звонок, 玄関 #1"
