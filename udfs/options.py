"""Option texts of CREATE MODEL … WITH, checked against what an algorithm declares.

Must not know any algorithm: it sees ``Option`` records only. Every message names the option and its range, because it
is what a user at a SQL prompt reads.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence

from udfs.model import Option, OptionError


def parse_options(algorithm: str, declared: Sequence[Option], texts: Mapping[str, str]) -> dict[str, int | float | str]:
    """Values of all declared options, defaults filled in. Raises OptionError on an unknown name or a bad value."""
    known = {option.name: option for option in declared}
    for name in texts:
        if name not in known:
            hint = suggestion(name, known)
            raise OptionError(name, f'algorithm "{algorithm}" has no option "{name}"{hint}')
    return {name: parse_value(option, texts.get(name, option.default)) for name, option in known.items()}


def suggestion(name: str, known: Mapping[str, object]) -> str:
    """A clause naming the closest known name, or all of them when none is close."""
    close = difflib.get_close_matches(name.lower(), known, n=1)
    return f'; did you mean "{close[0]}"?' if close else f"; known: {', '.join(sorted(known))}"


def parse_value(option: Option, text: str) -> int | float | str:
    """The value of one option's text. Raises OptionError when it is malformed or out of range."""
    text = text.strip()
    if option.kind == "choice":
        if text.lower() not in option.choices:
            choices = ", ".join(option.choices)
            raise OptionError(option.name, f'option "{option.name}" is "{text}", not one of {choices}')
        return text.lower()
    try:
        value = int(text) if option.kind == "int" else float(text)
    except ValueError:
        noun = "an integer" if option.kind == "int" else "a number"
        raise OptionError(option.name, f'option "{option.name}" is "{text}", not {noun}') from None
    if (isinstance(value, float) and not math.isfinite(value)) or not _within(option, value):
        raise OptionError(option.name, f'option "{option.name}" is {text}, outside of {range_text(option)}')
    return value


def range_text(option: Option) -> str:
    """The range of an option as messages and documents print it: ``1 to 1024``, ``mean, null, error``."""
    if option.kind == "choice":
        return ", ".join(option.choices)
    form = "d" if option.kind == "int" else "g"
    low, high = (None if bound is None else format(bound, form) for bound in (option.low, option.high))
    match low, high:
        case None, None:
            return "any finite number"
        case low, None:
            return f"at least {low}"
        case None, high:
            return f"at most {high}"
        case _:
            return f"{low} to {high}"


def _within(option: Option, value: float) -> bool:
    return (option.low is None or value >= option.low) and (option.high is None or value <= option.high)
