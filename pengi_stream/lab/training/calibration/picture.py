"""The reliability curve: how often texts are right, by their confidence."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from pengi_stream.errors import ConfigError
from pengi_stream.lab.evaluation.proportion import Proportion
from pengi_stream.lab.training.calibration.fit import Sample

EDGES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def proportions(samples: Sequence[Sample]) -> list[tuple[float, float, Proportion]]:
    """Bins of confidence, from and to, and how many of their texts are right; empty bins are left out."""
    found = []
    for low, high in pairwise(EDGES):
        inside = [s.right for s in samples if low < s.confidence <= high or s.confidence == low == 0]
        if inside:
            found.append((low, high, Proportion(sum(inside), len(inside))))
    return found


def draw(samples: Sequence[Sample], path: Path) -> None:
    """Write the curve as PNG. Raises ConfigError where matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError("the picture needs matplotlib; pip install 'pengi-stream[train]'") from error
    figure = Figure(figsize=(5, 4.2), layout="constrained")
    curve, counts = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    bins = proportions(samples)
    middles = [(low + high) / 2 for low, high, _ in bins]
    shares = [found.share for _, _, found in bins]
    below = [max(found.share - found.interval[0], 0) for _, _, found in bins]
    above = [max(found.interval[1] - found.share, 0) for _, _, found in bins]
    curve.plot((0, 1), (0, 1), color="0.7", linestyle="--")
    curve.errorbar(middles, shares, (below, above), marker="o", capsize=3)
    curve.set(ylabel="share of texts that are right", xlim=(0, 1), ylim=(0, 1.02))
    counts.bar(middles, [found.of for _, _, found in bins], width=0.08, color="0.6")
    counts.set(xlabel="confidence", ylabel="texts")
    figure.savefig(path, dpi=80, format="png")
