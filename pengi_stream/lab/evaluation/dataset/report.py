"""What a user sees of an evaluation: a table, JSON, and a line for each recording."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from pengi_stream.errors import PengiStreamError
from pengi_stream.lab.evaluation.dataset.ask import Asking, Prediction, Unreadable
from pengi_stream.lab.evaluation.dataset.measures import Figures
from pengi_stream.lab.evaluation.figure import table_of

BEST_SHOWN = 5  # labels of a recording with their scores
WORST_SHOWN = 10  # labels in the table


@dataclass(frozen=True, slots=True)
class Report:
    """An evaluation, done."""

    dataset: str
    model: str
    """Identity: checkpoint and dtype"""
    asking: Asking
    figures: Figures
    said: Sequence[Prediction]
    unreadable: Sequence[Unreadable]

    def as_json(self) -> str:
        """All figures; shares are 0 to 1."""
        asking, figures = self.asking, self.figures
        return json.dumps(
            {
                "dataset": self.dataset,
                "model": self.model,
                "prompt": asking.prompt,
                "way": asking.way,
                "first_window_only": asking.first_window_only,
                "recordings": len(self.said),
                "metrics": {figure.name: figure.as_json() for figure in figures.overall},
                "by_label": figures.by_label,
                "unreadable": {bad.item.name: bad.reason for bad in self.unreadable},
                "note": figures.note,
            },
            indent=2,
            ensure_ascii=False,
        )

    def print(self, console: Console) -> None:
        """The figures, and the labels with which the model has most trouble."""
        asked = f"{self.model}, {self.asking.way}: {self.asking.prompt}"
        table = table_of(self.figures.overall, self.dataset, asked)
        worst = sorted(self.figures.by_label.items(), key=lambda entry: entry[1])[:WORST_SHOWN]
        for number, (label, value) in enumerate(worst):
            table.add_row(f"  {label}", f"{value:.3f}", "", "worst labels" if number == 0 else "")
        console.print(table)
        if self.figures.note:
            console.print(self.figures.note, soft_wrap=True)

    def write_predictions(self, path: Path) -> None:
        """A CSV file with a line for each recording. Raises PengiStreamError."""
        columns = self.figures.by_file
        try:
            with path.open("w", newline="", encoding="utf-8") as file:
                lines = csv.writer(file)
                lines.writerow(["path", "truth", "text", "confidence", *columns, "best"])
                for number, one in enumerate(self.said):
                    scores = [f"{column[number]:g}" for column in columns.values()]
                    truth = "; ".join(one.item.truths)
                    lines.writerow([one.item.name, truth, one.text, f"{one.confidence:.4f}", *scores, self._best(one)])
        except OSError as error:
            raise PengiStreamError(f"{path}: cannot be written: {error.strerror}") from error

    def _best(self, prediction: Prediction) -> str:
        """The labels with the highest scores."""
        if prediction.scores is None:
            return ""
        order = (-prediction.scores).argsort(kind="stable")[:BEST_SHOWN]
        return "; ".join(f"{self.asking.labels[index]}={prediction.scores[index]:.4f}" for index in order)
