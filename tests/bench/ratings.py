"""Ratings for the benchmark train: ml-latest-small where FLINKMS_DATA names it, else planted ones of its size.

Must not know who trains. The split is random with a fixed seed: 80 % to train on, 20 % held out.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from udfs.generate import PlantedRatings

SEED = 0
HELD_OUT_SHARE = 0.2

Ratings = tuple[np.ndarray, np.ndarray, np.ndarray]
"""int64[n] users, int64[n] items, float64[n] ratings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Both parts, and what they are of."""

    training: Ratings
    held_out: Ratings
    source: str


def split(*, small: bool) -> Split:
    """The ratings, split."""
    folder = os.environ.get("FLINKMS_DATA")
    if folder and not small and (file := Path(folder) / "ratings.csv").exists():
        table = np.loadtxt(file, delimiter=",", skiprows=1, usecols=(0, 1, 2))
        every, source = (table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2]), file.parent.name
    else:
        rows = 2000 if small else 100_000
        every = PlantedRatings(users=rows // 150, items=rows // 12, rank=8, seed=SEED).ratings(rows)
        source = "planted ratings (FLINKMS_DATA names no ml-latest-small)"
    held = np.random.default_rng(SEED).random(len(every[0])) < HELD_OUT_SHARE
    return Split(training=tuple(values[~held] for values in every), held_out=tuple(values[held] for values in every),
                 source=source)


def write(file: Path, ratings: Ratings) -> None:
    """Lines user_id,item_id,rating."""
    rows = zip(*(values.tolist() for values in ratings), strict=True)
    file.write_text("".join(f"{user},{item},{rating!r}\n" for user, item, rating in rows))
