"""The JSON lines of a run's logs: reading them quickly, refusing damaged ones clearly, and writing them."""

from __future__ import annotations

import json
import logging
import math
import numbers
import reprlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import msgspec
import numpy as np

logger = logging.getLogger(__name__)

Line = TypeVar("Line", bound=msgspec.Struct)

PART = 2_000_000
"""Bytes decoded at once: a log of a million lines then needs little more than its columns."""

LONGEST_LINE = 64_000_000
"""Bytes of the longest line that is read: a file of another kind may have no line at all."""

LARGEST = 2**63 - 1
"""The largest count that is read, that of a 64-bit integer."""

MOST_BLOCKS = 1_000_000
"""The highest index of a block that is read: a damaged one would make tables of any size."""

Count = msgspec.Meta(ge=0, le=LARGEST)
Block = msgspec.Meta(ge=0, le=MOST_BLOCKS)
Id = msgspec.Meta(min_length=1)

_OTHER_KINDS = {
    b"\x1f\x8b": "is compressed with gzip: unpack it first",
    b"PK\x03\x04": "is a zip archive: unpack it first",
    b"BZh": "is compressed with bzip2: unpack it first",
    b"\xfd7zXZ": "is compressed with xz: unpack it first",
    b"\x28\xb5\x2f\xfd": "is compressed with zstd: unpack it first",
    b"\xff\xfe": "is UTF-16 text: save it as UTF-8",
    b"\xfe\xff": "is UTF-16 text: save it as UTF-8",
}


def check_is_file(path: Path) -> None:
    """Raise ValueError for a path that is no file."""
    if path.is_dir():
        raise ValueError(f"{path} is a folder; a file is expected.")
    if not path.is_file():
        raise ValueError(f"{path} does not exist. Has the run begun?")


def parts_of(path: Path) -> Iterator[tuple[int, bytes]]:
    """Give the file's whole lines in parts, each with the number of its first line, counted from 1.

    Every part ends with a newline, but for a last line that has none and comes by itself. A byte order mark is left
    out. Raises ValueError for what is no file, no text, or has a line of more than :data:`LONGEST_LINE` bytes.
    """
    check_is_file(path)
    number = 1
    rest = b""
    with path.open("rb") as file:
        head = file.read(8)
        for mark, problem in _OTHER_KINDS.items():
            if head.startswith(mark):
                raise ValueError(f"{path} {problem}.")
        file.seek(3 if head.startswith(b"\xef\xbb\xbf") else 0)
        while read := file.read(PART):
            whole, newline, after = read.rpartition(b"\n")
            if newline:
                yield number, rest + whole + newline
                number += read.count(b"\n")
                rest = after
            elif len(rest) + len(after) > LONGEST_LINE:
                raise ValueError(f"{path}, line {number} has more than {LONGEST_LINE:,} bytes. Is this a log?")
            else:
                rest += after
    if rest:
        yield number, rest


def json_parts(path: Path) -> Iterator[tuple[int, bytes]]:
    """Give the file's lines in parts as :func:`parts_of`, all with a newline.

    A last line that a kill cut short (no newline, no whole JSON value) is left out with a logged warning.
    """
    for number, part in parts_of(path):
        if part.endswith(b"\n"):
            yield number, part
        elif _is_json(part):
            yield number, part + b"\n"
        else:
            logger.warning("%s, line %d is cut short (the run was killed while writing it): left out.", path, number)


def decoded(part: bytes, decoder: msgspec.json.Decoder[Line]) -> list[Line] | None:
    """Give the lines of a part; None where one of them is not as expected (and an empty one never is)."""
    if part.startswith(b"\n") or b"\n\n" in part:
        return None
    try:
        part.decode()  # the decoder does not look into the fields it skips
        lines: list[Line] = decoder.decode_lines(part)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):  # a ValidationError is a DecodeError
        return None
    return lines if len(lines) == part.count(b"\n") else None  # it takes two objects on a line, and empty lines


def split(part: bytes, path: Path, first: int) -> Iterator[tuple[Any, str]]:
    """Give the parsed lines of a part one by one, each with its place; ValueError for one that is not JSON."""
    for number, line in enumerate(part.split(b"\n")[:-1], first):
        place = f"{path}, line {number}"
        yield parse(line, place), place


def parse(line: bytes, place: str) -> Any:
    """Give the JSON value of a line; ValueError where it is none or holds NaN or infinity."""
    try:
        return json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise ValueError(f"{place}: not a JSON object ({error}). Is the file damaged?") from error


def _is_json(line: bytes) -> bool:
    try:
        parse(line, "")
    except ValueError:
        return False
    return True


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a finite number")


def refuse(place: str, problem: str) -> NoReturn:
    """Raise ValueError for what is wrong in a line."""
    raise ValueError(f"{place}: {problem}.")


def check_fields(entry: Any, fields: tuple[str, ...], kind: str, place: str) -> Mapping[str, Any]:
    """Give the entry; ValueError where it is no object or lacks a field."""
    if not isinstance(entry, Mapping):
        refuse(place, f"expected an object with the fields of {kind}, found {reprlib.repr(entry)}")
    if missing := [field for field in fields if field not in entry]:
        refuse(
            place,
            f"missing {', '.join(missing)}; {kind} has {', '.join(fields)} (are lines of two versions in one file?)",
        )
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


def check_count(value: Any, field: str, place: str, most: int = LARGEST) -> int:
    """Give an integer from 0 to ``most``."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < 0:
        refuse(place, f"{field} must be an integer of at least 0, found {value!r}")
    if int(value) > most:
        refuse(place, f"{field} must be an integer of at most {most}, found {reprlib.repr(value)}")
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
