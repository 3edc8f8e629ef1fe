"""The algorithms there are: one entry per class. A new algorithm is registered here and nowhere else.

docs/howto/add-an-algorithm.md says what else it takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from udfs.als import Als
from udfs.linear import Logistic, Ridge, Svm
from udfs.model import Model, OptionError
from udfs.options import suggestion

ALGORITHMS: dict[str, type[Model]] = {
    "als": Als,
    "svm": Svm,
    "logistic": Logistic,
    "ridge": Ridge,
}


def configure(algorithm: str, options: Mapping[str, str], input_types: Sequence[str]) -> Model:
    """The configured model; ``options`` without "algorithm" itself, ``input_types`` names of SqlType.

    Raises OptionError naming the algorithm or option, with the closest known name.
    """
    found = ALGORITHMS.get(algorithm.lower())
    if found is None:
        hint = suggestion(algorithm, ALGORITHMS)
        raise OptionError("algorithm", f'algorithm "{algorithm}" does not exist{hint}')
    return found.from_options(options, input_types)
