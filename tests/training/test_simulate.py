import torch

from pengi_stream.training.simulate import Classifier, Simulator

SIZE, CLASSES, PATCHES = 24, 8, 5


def make_simulator() -> tuple[Simulator, Classifier]:
    generator = torch.Generator().manual_seed(0)
    classifier = Classifier(torch.randn(CLASSES, SIZE, generator=generator), torch.full((CLASSES,), -4.0))
    return Simulator(classifier, torch.rand(40, PATCHES, SIZE, generator=generator)), classifier


def test_simulated_scores_are_those_the_classifier_gives_the_simulated_embeddings() -> None:
    simulator, classifier = make_simulator()

    patches = simulator([[1], [2, 3]], torch.Generator().manual_seed(1))

    assert patches.embeddings.shape == (2, PATCHES, SIZE)
    assert (patches.embeddings >= 0).all()
    torch.testing.assert_close(patches.scores, classifier(patches.embeddings))


def test_a_wanted_class_scores_higher_than_without_being_wanted() -> None:
    simulator, _ = make_simulator()
    with_class = simulator([[3]] * 200, torch.Generator().manual_seed(1)).scores[:, :, 3].amax(dim=1)
    without = simulator([[5]] * 200, torch.Generator().manual_seed(1)).scores[:, :, 3].amax(dim=1)

    assert with_class.mean() > without.mean() + 0.2


def test_the_same_seed_simulates_the_same() -> None:
    simulator, _ = make_simulator()

    first, again = (simulator([[0], [7]], torch.Generator().manual_seed(4)) for _ in range(2))

    torch.testing.assert_close(first.embeddings, again.embeddings, rtol=0, atol=0)
