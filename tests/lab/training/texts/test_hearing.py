"""What is said follows from how likely each sound is."""

from __future__ import annotations

from pengi_stream.lab.training.texts.hearing import Candidate, Kinship, content_of

PARENTS = {"Moo": ("Cattle", "Animal"), "Cattle": ("Animal",), "Bark": ("Dog", "Animal")}
WORDS = {name: frozenset({name.lower()}) for name in ("Moo", "Cattle", "Animal", "Bark", "Dog", "Drill", "Rain", "Saw")}
DRIPS = {"Drip": frozenset({"drip", "water drips"}), "Dripping": frozenset({"dripping", "water drips"})}
KINSHIP = Kinship(PARENTS, WORDS | DRIPS | {"Hum": frozenset({"hum"})})


def candidates(**likely: float) -> list[Candidate]:
    return [Candidate(name, p, present=0.1) for name, p in likely.items()]


def test_a_likely_sound_is_said_without_a_doubt() -> None:
    content = content_of(candidates(Bark=0.8, Drill=0.1), KINSHIP)
    assert (content.sounds, content.perhaps) == (("Bark",), ())


def test_a_kind_and_what_it_is_a_kind_of_are_one_sound_under_its_special_name() -> None:
    content = content_of(candidates(Cattle=0.35, Moo=0.3, Drill=0.05), KINSHIP)
    assert content.sounds == ("Moo",)


def test_spread_probabilities_name_what_it_could_be_the_likeliest_first() -> None:
    content = content_of(candidates(Drill=0.3, Saw=0.25, Rain=0.1, Hum=0.03), KINSHIP)
    assert content.sounds == ()
    assert content.perhaps == ("Drill", "Saw", "Rain")
    assert content.clear


def test_what_would_be_said_twice_is_said_once() -> None:
    assert content_of(candidates(Drip=0.3, Dripping=0.2, Rain=0.2), KINSHIP).perhaps == ("Drip", "Rain")


def test_where_nothing_is_likely_the_sound_is_unclear() -> None:
    assert not content_of(candidates(Drill=0.06, Saw=0.05), KINSHIP).clear


def test_two_sounds_that_are_both_present_are_both_heard() -> None:
    both = [Candidate("Bark", 0.5, 0.8), Candidate("Rain", 0.3, 0.7), Candidate("Saw", 0.05, 0.0)]
    assert content_of(both, KINSHIP).sounds == ("Bark", "Rain")


def test_a_vague_kind_is_named_only_where_nothing_else_is_likely() -> None:
    assert content_of(candidates(Animal=0.3, Drill=0.2), KINSHIP).perhaps == ("Drill",)
    assert content_of(candidates(Animal=0.3), KINSHIP).perhaps == ("Animal",)
