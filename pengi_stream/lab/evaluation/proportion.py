"""How many of how many, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

from scipy.stats import binomtest


@dataclass(frozen=True, slots=True)
class Proportion:
    """How many of how many."""

    right: int
    of: int

    @property
    def share(self) -> float:
        """0 where there is nothing to be right about."""
        return self.right / self.of if self.of else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval."""
        if not self.of:
            return 0.0, 1.0
        interval = binomtest(self.right, self.of).proportion_ci(method="wilson")
        return float(interval.low), float(interval.high)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.right}/{self.of} = {self.share:.1%} (95 % interval {low:.1%} to {high:.1%})"
