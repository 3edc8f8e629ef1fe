"""The generated model of the benchmarks, ``rec``: in a deployment, and as arrays for its peers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.deployment import Deployment
from udfs.generate import random_factors

MODEL = "rec"
SEED = 0

Rows = tuple[np.ndarray, np.ndarray]
"""int64[n] keys, float32[n, factors + 2] rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """Rows of both sides; a prediction is 3.5 + user row · item row."""

    users: Rows
    items: Rows


def generate(deployment: Deployment, *, users: int, items: int, factors: int) -> Factors:
    """Publish a random model ``rec`` and give its rows."""
    deployment.command("generate", "model", MODEL, "--users", str(users), "--items", str(items),
                       "--factors", str(factors), "--seed", str(SEED))
    return arrays(users=users, items=items, factors=factors)


def arrays(*, users: int, items: int, factors: int) -> Factors:
    """The rows of the model that ``generate`` publishes."""
    chunks: dict[str, list[Rows]] = {"users": [], "items": []}
    for table, keys, rows in random_factors(users, items, factors, SEED):
        chunks[table].append((keys, rows))
    whole = {table: (np.concatenate([keys for keys, _ in found]), np.concatenate([rows for _, rows in found]))
             for table, found in chunks.items()}
    return Factors(users=whole["users"], items=whole["items"])


def random_pairs(factors: Factors, count: int, seed: int) -> Rows:
    """int64[count] users and items, drawn uniformly."""
    random = np.random.default_rng(seed)
    return random.choice(factors.users[0], count), random.choice(factors.items[0], count)
