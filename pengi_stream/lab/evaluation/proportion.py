"""How many of how many, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass

Z = 1.959964  # two-sided 95 % of a normal distribution


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
        centre = (self.share + Z * Z / (2 * self.of)) / (1 + Z * Z / self.of)
        spread = math.sqrt(self.share * (1 - self.share) / self.of + Z * Z / (4 * self.of * self.of))
        half = Z / (1 + Z * Z / self.of) * spread
        return max(centre - half, 0.0), min(centre + half, 1.0)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.right}/{self.of} = {self.share:.1%} (95 % interval {low:.1%} to {high:.1%})"

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return {"right": self.right, "of": self.of, "share": round(self.share, 4), "interval": list(self.interval)}
