from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from pengi_stream.lab.training.loop import Schedule, train


def loss_for(model: nn.Linear, stop_at: int | None = None):  # type: ignore[no-untyped-def]
    def loss_of(step: int) -> Tensor:
        if step == stop_at:
            raise KeyboardInterrupt
        inputs = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
        return ((model(nn.functional.dropout(inputs, 0.2)) - inputs.sum(dim=1, keepdim=True)) ** 2).mean()

    return loss_of


def fresh() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(3, 1)


def test_a_training_that_was_cut_off_ends_as_one_that_was_not(tmp_path: Path) -> None:
    schedule = Schedule(steps=40, learning_rate=0.05, warmup_steps=5, checkpoint_steps=10)
    whole, cut_off = fresh(), fresh()
    torch.manual_seed(1)
    train(whole, loss_for(whole), schedule, tmp_path / "whole.pt")

    torch.manual_seed(1)
    with pytest.raises(KeyboardInterrupt):
        train(cut_off, loss_for(cut_off, stop_at=25), schedule, tmp_path / "cut.pt")
    resumed = fresh()
    train(resumed, loss_for(resumed), schedule, tmp_path / "cut.pt")

    torch.testing.assert_close(resumed.weight, whole.weight, rtol=0, atol=0)


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    model = fresh()
    loss_of = loss_for(model)
    before = loss_of(1000).item()

    train(model, loss_of, Schedule(steps=200, learning_rate=0.05, warmup_steps=5), tmp_path / "model.pt")

    assert loss_of(1000).item() < 0.7 * before


def test_the_rate_warms_up_and_cools_down() -> None:
    schedule = Schedule(steps=100, learning_rate=1.0, warmup_steps=10)

    rates = [schedule.rate(step) for step in range(100)]

    assert rates[:10] == sorted(rates[:10])
    assert max(rates) == pytest.approx(1.0)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 0.06
