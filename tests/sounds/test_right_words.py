"""When a text is right about a label."""

from __future__ import annotations

from pengi_stream.sounds.right_words import Dictionary, words_of


def test_a_text_is_right_by_whole_words_of_the_label_and_not_by_words_that_contain_them() -> None:
    rain = Dictionary().look_up("rain")
    assert rain.name("Rain falls on a roof")
    assert not rain.name("a train passes")


def test_an_answer_that_names_only_the_kind_is_not_right_but_counts_as_the_kind() -> None:
    dog = Dictionary().look_up("dog barking")
    assert not dog.name("an animal is heard")
    assert dog.name_kind("an animal is heard")


def test_a_label_outside_the_list_is_right_by_the_keywords_of_its_sound() -> None:
    assert Dictionary().look_up("drill").name("someone is drilling")
    assert not Dictionary().look_up("drill").name("a saw runs")


def test_a_label_that_is_no_known_sound_is_right_by_its_own_words() -> None:
    assert Dictionary().look_up("flux capacitor").name("the flux capacitor hums")


def test_a_star_stands_for_all_words_that_begin_so() -> None:
    assert words_of(["bark*"]).name("two dogs are barking")
    assert not words_of(["bark"]).name("two dogs are barking")
