from pengi_stream.sounds.right_words import load_synonyms
from pengi_stream.sounds.words import SoundFinder, load_labels, load_sounds


def test_there_are_words_for_all_classes_of_the_encoder() -> None:
    sounds = load_sounds()

    assert len(sounds) > 521
    names = list(sounds)
    assert (names[0], names[494], names[520]) == ("Speech", "Silence", "Field recording")
    assert all(sound.label and all(sound.clauses) for sound in sounds.values())


def test_every_label_of_the_data_means_sounds_that_there_are_words_for() -> None:
    sounds = load_sounds()

    assert {s for label in load_labels().values() for s in label.sounds} <= set(sounds)


def test_the_sounds_of_a_caption_are_found_in_its_order_whatever_the_inflection() -> None:
    finder = SoundFinder(load_sounds())

    assert finder.find("Puppies barking as a man speaks") == ("Dog", "Bark", "Speech")
    assert finder.find("Humming of a busy place") == ("Hum",)


def test_a_caption_is_right_only_if_it_has_a_synonym_as_a_whole_word() -> None:
    fire = load_synonyms()["fire crackling"]

    assert fire.name("A fire burns")
    assert not fire.name("fireworks explode")


def test_every_clause_about_a_held_out_sound_counts_as_right() -> None:
    sounds, labels = load_sounds(), load_labels()

    held_out = {label: words for label, words in load_synonyms().items() if label in labels}
    assert len(held_out) >= 10
    for label, words in held_out.items():
        for name in labels[label].sounds:
            assert all(words.name(clause) for clause in (*sounds[name].clauses, sounds[name].label))
