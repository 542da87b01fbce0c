"""Fifty sounds to choose among: the classes of ESC-50."""

from __future__ import annotations

SOUNDS = (
    "dog, rooster, pig, cow, frog, cat, hen, insects, sheep, crow, rain, sea waves, crackling fire, crickets, "
    "chirping birds, water drops, wind, pouring water, toilet flush, thunderstorm, crying baby, sneezing, clapping, "
    "breathing, coughing, footsteps, laughing, brushing teeth, snoring, drinking, door knock, mouse click, "
    "keyboard typing, door creaks, can opening, washing machine, vacuum cleaner, clock alarm, clock tick, "
    "glass breaking, helicopter, chainsaw, siren, car horn, engine, train, church bells, airplane, fireworks, hand saw"
)
LABELS = tuple(SOUNDS.split(", "))
