import torch

from pengi_stream.lab.training.data.simulate import Classifier, Simulator

SIZE, CLASSES, PATCHES = 24, 8, 5


def make_simulator() -> tuple[Simulator, Classifier]:
    generator = torch.Generator().manual_seed(0)
    classifier = Classifier(torch.randn(CLASSES, SIZE, generator=generator), torch.full((CLASSES,), -4.0))
    return Simulator(classifier, torch.rand(40, PATCHES, SIZE, generator=generator)), classifier


def test_simulated_logits_are_those_the_classifier_gives_the_simulated_embeddings() -> None:
    simulator, classifier = make_simulator()

    patches = simulator([[1], [2, 3]], torch.Generator().manual_seed(1))

    assert patches.embeddings.shape[::2] == (2, SIZE)
    assert (patches.embeddings >= 0).all()
    torch.testing.assert_close(patches.logits, classifier(patches.embeddings))


def test_a_wanted_class_is_heard_and_one_that_is_not_wanted_mostly_is_not() -> None:
    simulator, _ = make_simulator()
    heard = simulator([[3]] * 200, torch.Generator().manual_seed(1)).logits[:, :, 3].amax(dim=1)
    not_heard = simulator([[5]] * 200, torch.Generator().manual_seed(1)).logits[:, :, 3].amax(dim=1)

    assert heard.median() > 0
    assert not_heard.median() < -1.5


def test_the_same_seed_simulates_the_same() -> None:
    simulator, _ = make_simulator()

    first, again = (simulator([[0], [7]], torch.Generator().manual_seed(4)) for _ in range(2))

    torch.testing.assert_close(first.embeddings, again.embeddings, rtol=0, atol=0)
