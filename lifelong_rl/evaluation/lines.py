"""The JSON lines of a run's logs: reading them quickly, refusing damaged ones clearly, and writing them."""

from __future__ import annotations

import json
import logging
import math
import numbers
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import msgspec
import numpy as np

logger = logging.getLogger(__name__)

Line = TypeVar("Line", bound=msgspec.Struct)

PART = 8_000_000
"""Bytes decoded at once: a log of a million lines then needs little more than its columns."""


def parts_of(path: Path) -> Iterator[tuple[int, bytes]]:
    """Give the file's whole lines in parts, each with the number of its first line, counted from 1.

    A last line that a kill cut short (no newline, no whole JSON value) is left out with a logged warning.
    """
    number = 1
    rest = b""
    with path.open("rb") as file:
        while read := file.read(PART):
            whole, newline, after = read.rpartition(b"\n")
            if not newline:
                rest += after
                continue
            yield number, rest + whole + newline
            number += read.count(b"\n")
            rest = after
    if rest:
        try:
            parse(rest, "")
        except ValueError:
            logger.warning("%s, line %d is cut short (the run was killed while writing it): left out.", path, number)
        else:
            yield number, rest + b"\n"


def decoded(part: bytes, decoder: msgspec.json.Decoder[Line]) -> list[Line] | None:
    """Give the lines of a part; None where one of them is not as expected (and an empty one never is)."""
    if part.startswith(b"\n") or b"\n\n" in part:
        return None
    try:
        lines: list[Line] = decoder.decode_lines(part)
    except msgspec.DecodeError:  # a ValidationError is one
        return None
    return lines


def split(part: bytes, path: Path, first: int) -> Iterator[tuple[Any, str]]:
    """Give the parsed lines of a part one by one, each with its place; ValueError for one that is not JSON."""
    for number, line in enumerate(part.split(b"\n")[:-1], first):
        place = f"{path}, line {number}"
        yield parse(line, place), place


def parse(line: bytes, place: str) -> Any:
    """Give the JSON value of a line; ValueError where it is none or holds NaN or infinity."""
    try:
        return json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)
    except ValueError as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise ValueError(f"{place}: not a JSON object ({error}). Is the file damaged?") from error


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a finite number")


def refuse(place: str, problem: str) -> NoReturn:
    """Raise ValueError for what is wrong in a line."""
    raise ValueError(f"{place}: {problem}.")


def check_fields(entry: Any, fields: tuple[str, ...], kind: str, place: str) -> Mapping[str, Any]:
    """Give the entry; ValueError where it is no object or lacks a field."""
    if not isinstance(entry, Mapping):
        refuse(place, f"expected an object with the fields of {kind}, found {entry!r}")
    if missing := [field for field in fields if field not in entry]:
        refuse(place, f"missing {', '.join(missing)}; {kind} has {', '.join(fields)}")
    return entry


def check_id(entry: Mapping[str, Any], field: str, place: str) -> str:
    """Give a field that names a task."""
    value = entry[field]
    if not isinstance(value, str) or not value:
        refuse(place, f"{field} must be the id of a task, found {value!r}")
    return value


def check_list(entry: Mapping[str, Any], field: str, place: str) -> list[Any]:
    """Give a field with one entry an episode."""
    if not isinstance(entry[field], list | tuple | np.ndarray):
        refuse(place, f"{field} must be a list with one entry an episode, found {entry[field]!r}")
    return list(entry[field])


def check_number(value: Any, field: str, place: str) -> float:
    """Give a finite number."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool) or not _is_finite(value):
        refuse(place, f"{field} must be finite numbers, found {value!r}")
    return float(value)


def check_flag(value: Any, field: str, place: str) -> bool:
    """Give true or false."""
    if not isinstance(value, bool | np.bool_):
        refuse(place, f"{field} must be true or false, found {value!r}")
    return bool(value)


def check_count(value: Any, field: str, place: str) -> int:
    """Give an integer of at least 0."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < 0:
        refuse(place, f"{field} must be an integer of at least 0, found {value!r}")
    return int(value)


def _is_finite(value: numbers.Real) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer too large for a float
        return False


def to_line(record: Mapping[str, Any]) -> str:
    """Give a record as one line of JSON, newline included: the same record always gives the same bytes.

    Keys are sorted, floats written so that they read back to the same bits, numpy values written as plain ones.
    Raises ValueError for NaN and infinity and TypeError for what JSON cannot hold, both with the field.
    """
    for field, value in record.items():
        try:
            json.dumps(value, allow_nan=False, default=_plain)
        except ValueError as error:
            raise ValueError(f"field {field!r} of a log line must be finite, found {value!r}.") from error
        except TypeError as error:
            raise TypeError(f"field {field!r} of a log line does not fit JSON: {error}.") from error
    return json.dumps(record, allow_nan=False, sort_keys=True, default=_plain) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"found a {type(value).__name__}")
