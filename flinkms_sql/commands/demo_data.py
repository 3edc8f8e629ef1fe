"""The demo's data: MovieLens ratings where FLINKMS_DATA names them, else planted-rank ratings; scikit-learn's diagnoses.

Must not know how anything is deployed or asked: files in, files out.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from udfs.generate import PlantedRatings

SEED = 0
HELD_OUT_SHARE = 0.2


PLANTED = PlantedRatings(users=700, items=3000, rank=8, noise=0.5, seed=SEED)
PLANTED_ROWS = 100_000
"""As many users and ratings as ml-latest-small has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingFiles:
    """CSV files user_id,item_id,rating,rated_at without header; titles by item; where the ratings are from."""

    training: Path
    held_out: Path
    titles: dict[int, str]
    rows: int
    source: str


def prepare_ratings(folder: Path, data: Path | None) -> RatingFiles:
    """Write the random 80/20 split of the ratings into ``folder``."""
    if data is not None and (data / "ratings.csv").exists():
        rows, titles, source = *_movielens(data), f"MovieLens, {data.name}"
    else:
        rows, titles, source = *_planted(), (
            f"synthetic, with an irreducible RMSE of {PLANTED.noise}: FLINKMS_DATA names no folder with MovieLens' files")
    held = np.random.default_rng(SEED).random(len(rows)) < HELD_OUT_SHARE
    folder.mkdir(parents=True, exist_ok=True)
    files = RatingFiles(training=folder / "ratings.csv", held_out=folder / "held_out.csv", titles=titles,
                        rows=len(rows), source=source)
    for path, chosen in ((files.training, ~held), (files.held_out, held)):
        with path.open("w", newline="") as out:
            csv.writer(out).writerows(row for row, is_chosen in zip(rows, chosen) if is_chosen)
    return files


def _movielens(data: Path) -> tuple[list[tuple], dict[int, str]]:
    with (data / "ratings.csv").open(newline="") as ratings:
        rows = [(int(user), int(item), float(rating), int(at)) for user, item, rating, at in list(csv.reader(ratings))[1:]]
    with (data / "movies.csv").open(newline="", encoding="utf-8") as movies:
        titles = {int(row[0]): row[1] for row in list(csv.reader(movies))[1:]}
    return rows, titles


def _planted() -> tuple[list[tuple], dict[int, str]]:
    users, items, ratings = PLANTED.ratings(PLANTED_ROWS)
    rows = [(user, item, round(rating, 3), 0)
            for user, item, rating in zip(users.tolist(), items.tolist(), ratings.tolist(), strict=True)]
    return rows, {item: f"Item {item}" for item in range(PLANTED.items)}


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosisFiles:
    """JSON lines {"features": [30], "malignant": 0 | 1}, and scikit-learn's own accuracy on the held-out ones."""

    training: Path
    held_out: Path
    sklearn_accuracy: float


def prepare_diagnoses(folder: Path) -> DiagnosisFiles:
    """Write a random 75/25 split of scikit-learn's breast_cancer, and score scikit-learn's logistic regression on it."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    features, benign = load_breast_cancer(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(features, 1 - benign, random_state=SEED, test_size=0.25)
    peer = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(train_x, train_y)
    folder.mkdir(parents=True, exist_ok=True)
    files = DiagnosisFiles(training=folder / "diagnoses.json", held_out=folder / "diagnoses_held_out.json",
                           sklearn_accuracy=float(peer.score(test_x, test_y)))
    for path, xs, ys in ((files.training, train_x, train_y), (files.held_out, test_x, test_y)):
        with path.open("w") as out:
            for x, y in zip(xs, ys):
                out.write(json.dumps({"features": x.tolist(), "malignant": int(y)}) + "\n")
    return files
