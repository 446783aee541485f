"""Compares our metric families with worked examples: `python benchmarks/metric_examples.py metric_examples.json`.

Prints every expected value beside ours; what an example leaves out is not asked for. The exit status is 1 where one
differs by more than 1e-5 relative (the examples are given to 6 significant digits), where an example or an expected
value has no comparison, and where an example gives none at all. Text among the expected values is printed as a note.

An example is compared by its inputs and its ``system``; the modules of the families say which inputs they take.
Settings may stand in its ``protocol`` or beside the inputs. Names of values may be written in other words.

An expected ``null`` must be undefined in ours, whose reason is printed. Where our rules refuse a number that the
formula alone gives (the forgetting of a single task is 0 by the formula, and says nothing), either may be expected,
and the line says so. A bootstrap interval is compared with the reference's own draw; where an example was made with
another draw, both ends must lie within 0.02 or 15 % of the interval's width, and the line says "near".
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from curve_examples import compare_continual_world, compare_coom, compare_cora
from example_inputs import Draw, Either, Example, Examples, Table, index_path, leaves, resolved
from example_names import found_under, plain
from generalisation_examples import compare_test_set
from l2m_examples import compare_l2m
from matrix_examples import compare_libero, compare_matrix
from meal_examples import compare_meal

from lifelong_rl.evaluation import Undefined

RELATIVE, ABSOLUTE = 1e-5, 1e-9  # absolute: an expected 0 is 1e-17 in floats
NEAR, NEAR_SHARE = 0.02, 0.15
"""How far the ends of an interval from another draw may lie, and as a share of its width."""

SYSTEMS: dict[str, Callable[[Example, Examples], Any]] = {
    "l2metrics": compare_l2m,
    "continual_world": compare_continual_world,
    "libero": compare_libero,
    "coom": compare_coom,
    "meal": compare_meal,
    "cora": compare_cora,
    "continual_rl": compare_cora,
    "gem": compare_matrix,
    "avalanche": compare_matrix,
    "diaz": compare_matrix,
    "chaudhry": compare_matrix,
    "generalisation": compare_test_set,
    "generalization": compare_test_set,
    "curricul": compare_test_set,
}
"""A word in an example's system -> its comparison; the first that is found."""

INPUTS: dict[str, Callable[[Example, Examples], Any]] = {
    "R": compare_matrix,
    "regimes": compare_l2m,
    "S_conf_mat_seed": compare_libero,
    "single_task_curves_task_run_eval": compare_continual_world,
    "accuracy_matrix": compare_matrix,
}
"""An input -> its comparison, where the system says nothing; a matrix is a matrix whatever the system."""

Row = tuple[str, str, str, str]
"""Verdict, what is compared, the expected value and ours, as they are printed."""

ERRORS = (ArithmeticError, AttributeError, LookupError, StopIteration, TypeError, ValueError)
"""What inputs of another form than expected lead to: a value that is not compared, and the others still are."""

FAILURES = ("DIFFERENT", "MISSING")


def comparison_of(example: Example, examples: Examples) -> Callable[[Example, Examples], Any] | None:
    """Give the comparison by the example's inputs and its system; None where neither is known."""
    inputs = resolved(example, examples)
    if "R" in inputs:
        return compare_matrix
    system = plain(str(example.get("system", "")))
    by_system = (compare for word, compare in SYSTEMS.items() if plain(word) in system)
    by_input = (compare for name, compare in INPUTS.items() if name in inputs)
    return next(by_system, next(by_input, None))


def rows_of(example: Example, examples: Examples) -> Iterator[Row]:
    compare = comparison_of(example, examples)
    if compare is None:
        known = f"no comparison for this system; known are {', '.join(SYSTEMS)}"
        yield "MISSING", "the example", str(list(example["expected"])), known
        return
    try:
        ours = compare(example, examples)
        if compare is compare_l2m:
            ours = list(ours)
    except ERRORS as error:
        yield "MISSING", "the example", str(list(example["expected"])), f"{type(error).__name__}: {error}"
        return
    if compare is compare_l2m:
        yield from (row(name, expected, value) for name, expected, value in ours)
    else:
        yield from rows(example["expected"], ours, "")


def rows(expected: Any, ours: Any, name: str) -> Iterator[Row]:
    """Walk the expected values and ours side by side."""
    try:
        ours = ours() if callable(ours) else ours
    except ERRORS as error:
        yield "MISSING", name, text(expected), f"{type(error).__name__}: {error}"
        return
    if isinstance(expected, dict) and "value" in expected and not isinstance(ours, (Mapping, Table)):
        ours = {"value": ours}  # a number with its reason or a note beside it
    if not (isinstance(expected, dict) and isinstance(ours, Mapping)):
        yield row(name, expected, ours)
        return
    for key, value in expected.items():
        path = f"{name}.{key}" if name else key
        is_there, found = found_under(key, ours)
        if is_there:
            yield from rows(value, found, path)
        elif isinstance(value, str):
            yield "note", path, value, ""
        else:
            yield (
                "MISSING",
                path,
                text(value),
                f"no comparison for this value; known here: {', '.join(map(str, ours))}",
            )


def row(name: str, expected: Any, ours: Any) -> Row:
    if isinstance(expected, str):
        return "note", name, expected, ""
    verdict, shown = judged(expected, ours)
    return verdict, name, text(expected), shown


def judged(expected: Any, ours: Any) -> tuple[str, str]:
    """Give the verdict and ours as text."""
    if isinstance(ours, Either):
        verdict, shown = judged(expected, ours.ours)
        if verdict not in FAILURES:
            return verdict, shown
        verdict, by_formula = judged(expected, ours.formula)
        return verdict, f"{by_formula} by the formula ({ours.note}); {shown}"
    if isinstance(ours, Draw):
        return judged_draw(expected, ours.ours)
    if isinstance(ours, Table):
        return judged_table(expected, ours)
    return ("equal" if is_close(expected, ours) else "DIFFERENT"), text(ours)


def judged_draw(expected: Any, ours: Any) -> tuple[str, str]:
    if is_close(expected, ours):
        return "equal", text(ours)
    if not isinstance(expected, list) or len(expected) != 2 or None in expected:
        return "DIFFERENT", text(ours)
    allowed = max(NEAR, NEAR_SHARE * (expected[1] - expected[0]))
    is_near = all(abs(a - b) <= allowed for a, b in zip(expected, ours, strict=True))
    return ("near" if is_near else "DIFFERENT"), f"{text(ours)}: another draw, each end within {allowed:.2g}"


def judged_table(expected: Any, ours: Table) -> tuple[str, str]:
    """Compare number by number, in the reading that fits; Either's inside are taken as such."""
    paths = [(index_path(path, ours.names), value) for path, value in leaves(expected) if path != ()] or [
        ((), expected)
    ]
    if isinstance(expected, (dict, list)) and not expected:
        paths = []
    if isinstance(expected, list) and expected and ours.lengths and len(expected) not in ours.lengths:
        return "DIFFERENT", f"{ours.lengths[0]} numbers"
    shown = ""
    for name, read in ours.readings.items():
        verdicts = [judged(value, looked_up(read, path)) for path, value in paths]
        shown = shown or f"[{', '.join(text for _, text in verdicts)}]"
        if not any(verdict in FAILURES for verdict, _ in verdicts):
            shown = f"[{', '.join(text for _, text in verdicts)}]" if len(verdicts) != 1 else verdicts[0][1]
            return "equal", shown if name == next(iter(ours.readings)) else f"{shown} ({name})"
    return "DIFFERENT", shown


def looked_up(read: Callable[[tuple[int, ...]], Any], path: tuple[int, ...]) -> Any:
    try:
        return read(path)
    except (LookupError, TypeError):
        return "nothing there"


def is_close(expected: Any, ours: Any) -> bool:
    """Whether two values are equal to the examples' digits; undefined is None, Undefined or nothing at all."""
    if is_nothing(expected):
        return is_nothing(ours)
    if isinstance(expected, dict):
        return (
            isinstance(ours, Mapping)
            and all(is_close(v, ours.get(k)) for k, v in expected.items())
            and len(ours) == len(expected)
        )
    if isinstance(expected, list):
        is_list = isinstance(ours, Iterable) and not isinstance(ours, (str, Mapping))
        return is_list and len(expected) == len(ours := list(ours)) and all(map(is_close, expected, ours))
    if (
        isinstance(expected, str)
        or isinstance(ours, str)
        or ours is None
        or isinstance(ours, (Undefined, Mapping, Iterable))
    ):
        return bool(expected == ours)
    return math.isclose(expected, ours, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


def is_nothing(value: Any) -> bool:
    """Whether a value is undefined, or a list or table of nothing else."""
    if isinstance(value, Mapping):
        return all(map(is_nothing, value.values()))
    return (
        value is None
        or isinstance(value, Undefined)
        or (isinstance(value, (list, tuple)) and all(map(is_nothing, value)))
    )


def text(value: Any) -> str:
    if isinstance(value, Undefined):
        return f"undefined ({value})"
    if value is None:
        return "undefined"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {text(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, Iterable) and not isinstance(value, str):
        return f"[{', '.join(text(entry) for entry in value)}]"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def main(path: str) -> int:
    listed = examples_of(path)
    by_id = {example["id"]: example for example in listed}
    counts: dict[str, int] = {}
    for example in listed:
        print(f"{example['id']} ({example.get('system', 'no system')})")
        found = list(rows_of(example, by_id)) or [("MISSING", "the example", "values", "nothing was compared")]
        for verdict, what, expected, ours in found:
            counts[verdict] = counts.get(verdict, 0) + 1
            values = expected if verdict == "note" else f"expected {expected}, ours {ours}"
            print(f"    {verdict:9} {what}: {values}")
    print(", ".join(f"{n} {verdict}" for verdict, n in counts.items()) or "no example")
    return 1 if not counts or any(counts.get(verdict) for verdict in FAILURES) else 0


def examples_of(path: str) -> list[dict[str, Any]]:
    """Read the examples of a file, a list or a table by id; ValueError for a file of another form."""
    data = json.loads(Path(path).read_text(), parse_constant=lambda _: None)  # NaN, as json.dumps writes null
    listed = data.get("examples") if isinstance(data, dict) else data
    if isinstance(listed, dict):
        listed = [{"id": name} | example for name, example in listed.items()]
    if not isinstance(listed, list) or not all(isinstance(example, dict) for example in listed):
        raise ValueError(f"{path} must hold a list of examples under 'examples'.")
    return [{"id": f"example {i}", "expected": {}} | example for i, example in enumerate(listed)]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} metric_examples.json")
    try:
        status = main(sys.argv[1])
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    sys.exit(status)
