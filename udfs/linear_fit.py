"""Fitting linear models: one convex objective per loss, minimised by L-BFGS.

Must not know columns, tables or ranges. With n rows x and one weight vector per target column the objective is
½ · regularization · ‖weights‖² + Σ loss: regularization is scikit-learn's alpha and 1 / C. The hinge losses penalise the
intercept too, as liblinear does (Fan et al. 2008), the others do not. Multiclass squared hinge and hinge are one versus
rest; multiclass logistic is softmax.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from udfs.model import DivergedError, Progress

GRADIENT_TOLERANCE = 1e-6
"""The minimiser stops when no component of the gradient of the mean objective exceeds this."""

HINGE_WIDTH = 0.02
"""The hinge loss is rounded by a parabola over this width of margins, because L-BFGS needs a gradient everywhere."""

CORRECTIONS = 20
"""Past gradients that L-BFGS keeps; more than its default of 10, because features are often collinear."""

Loss = Callable[[np.ndarray, np.ndarray], tuple[float, np.ndarray]]
"""``loss(scores[n, c], targets[n, c])``: the sum over all, and its gradient [n, c]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """float64[width, c] weights (row 0 the intercepts), mean objective, iterations made, whether they sufficed."""

    weights: np.ndarray
    objective: float
    iterations: int
    converged: bool


def squared(scores: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray]:
    """½ (score - target)²."""
    error = scores - targets
    return 0.5 * float(np.vdot(error, error)), error


def squared_hinge(scores: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray]:
    """max(0, 1 - target · score)², targets ±1."""
    missing = np.maximum(0.0, 1.0 - targets * scores)
    return float(np.vdot(missing, missing)), -2.0 * targets * missing


def hinge(scores: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray]:
    """max(0, 1 - target · score), targets ±1, rounded over HINGE_WIDTH."""
    missing = np.maximum(0.0, 1.0 - targets * scores)
    inside = np.minimum(missing, HINGE_WIDTH)
    return float(np.sum(inside * (missing - 0.5 * inside))) / HINGE_WIDTH, -targets * inside / HINGE_WIDTH


def logistic(scores: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray]:
    """log(1 + exp(-target · score)), targets ±1; softmax cross entropy when there is more than one column."""
    if scores.shape[1] == 1:
        margins = targets * scores
        return float(np.sum(np.logaddexp(0.0, -margins))), -targets * sigmoid(-margins)
    shifted = scores - scores.max(axis=1, keepdims=True)
    total = np.exp(shifted).sum(axis=1, keepdims=True)
    chosen = targets > 0
    return float(np.sum(np.log(total)) - np.sum(shifted[chosen])), np.exp(shifted) / total - chosen


def sigmoid(values: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-value)), without overflow."""
    small = np.exp(-np.abs(values))
    return np.where(values >= 0, 1.0, small) / (1.0 + small)


LOSSES: dict[str, Loss] = {
    "squared": squared, "squared_hinge": squared_hinge, "hinge": hinge, "logistic": logistic,
}  # fmt: skip

INTERCEPT_PENALISED = frozenset({"squared_hinge", "hinge"})

CURVATURES = {"squared": 1.0, "squared_hinge": 2.0, "hinge": 1.0, "logistic": 0.5}
"""A bound on a loss's second derivative; hinge has none, 1 makes one observation's step reach its margin at most."""


def minimise(
    rows: Any, targets: np.ndarray, loss: str, regularization: float, iterations: int, progress: Progress
) -> Solution:
    """Weights of a design matrix ``rows`` (float64[n, width] array or scipy sparse; column 0 is the ones).

    Raises DivergedError when the objective is not finite.
    """
    from scipy.optimize import minimize  # only training needs scipy: predicting processes start without it

    n, shape = len(targets), (rows.shape[1], targets.shape[1])
    first = 0 if loss in INTERCEPT_PENALISED else 1
    loss_of = LOSSES[loss]
    done = 0

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(shape)
        value, slope = loss_of(np.asarray(rows @ weights), targets)
        gradient = np.asarray(rows.T @ slope)
        penalised = weights[first:]
        gradient[first:] += regularization * penalised
        value += 0.5 * regularization * float(np.vdot(penalised, penalised))
        if not np.isfinite(value):
            raise DivergedError(f"training diverged in iteration {done + 1}: the objective is {value}")
        return value / n, gradient.reshape(-1) / n

    def report(intermediate_result: Any) -> None:
        nonlocal done
        done += 1
        progress(min(done, iterations), iterations, {"objective": float(intermediate_result.fun)})

    with np.errstate(over="ignore", invalid="ignore"):
        found = minimize(
            objective, np.zeros(shape[0] * shape[1]), jac=True, method="L-BFGS-B", callback=report,
            options={"maxiter": iterations, "maxfun": 20 * iterations + 100, "gtol": GRADIENT_TOLERANCE,
                     "ftol": 1e-12, "maxcor": CORRECTIONS},
        )  # fmt: skip
    weights = found.x.reshape(shape)
    return Solution(weights=weights, objective=float(found.fun), iterations=done, converged=bool(found.success))
