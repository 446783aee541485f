"""Tables of text, comma, tab or semicolon separated: reading them part by part, refusing damaged ones clearly."""

from __future__ import annotations

import csv
import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lifelong_rl.evaluation.lines import LARGEST, parts_of, refuse

logger = logging.getLogger(__name__)

DELIMITERS = (",", "\t", ";")

Cells = Sequence[str]


class Table:
    """A file with a header line and one row a line.

    A last line without a newline may be cut short, in the middle of a number even: it is left out with a logged
    warning. Empty lines may stand at the end only. What else is damaged raises ValueError with file and line.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.is_cut = False
        """Whether the last line was left out; known once all rows are read."""
        first = next(self._lines(), (1, []))[1]
        if not first:
            raise ValueError(f"{self.path} holds no table: a header line with the names of the columns is expected.")
        self.delimiter = max(DELIMITERS, key=first[0].count)
        self.header = tuple(name.strip() for name in self._split(first[:1], 1)[0])

    def place(self, row: int) -> str:
        """Name the place of a row, counted from 0, in an error."""
        return f"{self.path}, line {row + 2}"

    def parts(self, wanted: Sequence[str]) -> Iterator[tuple[int, list[Cells]]]:
        """Give the cells of the wanted columns in parts, each with the index of its first row.

        Raises ValueError for a column that is missing or stands twice, and for a row with another number of cells.
        """
        if missing := [name for name in wanted if self.header.count(name) != 1]:
            raise ValueError(f"{self.path}: column {missing[0]!r} must stand once; {self.found()}.")
        positions = [self.header.index(name) for name in wanted]
        for number, lines in self._lines():
            rows = self._split(lines, number)
            for i, row in enumerate(rows):
                if len(row) != len(self.header):
                    refuse(f"{self.path}, line {number + i}", self._misfit(row))
            if number == 1:
                del rows[0]
            columns = list(zip(*rows, strict=True))
            if rows:
                yield max(number - 2, 0), [columns[position] for position in positions]

    def found(self) -> str:
        """Say which columns the file has."""
        names = ", ".join(self.header[:60]) + (", ..." if len(self.header) > 60 else "")
        return f"found the {len(self.header)} column(s) {names}"

    def _misfit(self, row: Sequence[str]) -> str:
        if not any(row):
            return "an empty line in the middle of the table; remove it where nothing is missing"
        return f"expected {len(self.header)} cells as in the header, found {len(row)}"

    def _lines(self) -> Iterator[tuple[int, list[str]]]:
        """Give the whole lines in parts, each with the number of its first; empty ones at the end are left out."""
        n_empty = 0
        for number, part in parts_of(self.path):
            if not part.endswith(b"\n"):
                self.is_cut = True
                logger.warning(
                    "%s, line %d has no line end, so it may be cut short: left out. If it is whole, end it so.",
                    self.path,
                    number,
                )
                return
            lines = ["" for _ in range(n_empty)] + [line.removesuffix("\r") for line in self._text(part, number)]
            first = number - n_empty
            n_whole = next((i for i in range(len(lines), 0, -1) if lines[i - 1]), 0)
            n_empty = len(lines) - n_whole
            if n_whole:
                yield first, lines[:n_whole]

    def _text(self, part: bytes, number: int) -> list[str]:
        try:
            return part.decode("utf-8").split("\n")[:-1]
        except UnicodeDecodeError as error:
            line = number + part.count(b"\n", 0, error.start)
            raise ValueError(f"{self.path}, line {line}: not UTF-8 text ({error.reason}).") from error

    def _split(self, lines: Sequence[str], number: int) -> list[list[str]]:
        try:
            rows = list(csv.reader(lines, delimiter=self.delimiter, strict=True))
        except csv.Error:
            rows = []
        if len(rows) != len(lines):  # a quoted line break, or a quote that does not end
            for i, line in enumerate(lines):
                self._split_one(line, f"{self.path}, line {number + i}")
            raise ValueError(f"{self.path}, line {number} or one after it is no row of a table.")
        return rows

    def _split_one(self, line: str, place: str) -> None:
        try:
            list(csv.reader([line], delimiter=self.delimiter, strict=True))
        except csv.Error as error:
            raise ValueError(f"{place}: no row of a table ({error}).") from error


def counts(cells: Cells, name: str, place_of: Callable[[int], str], *, least: int = 0) -> NDArray[np.int64]:
    """Give integers from ``least``; an empty cell is -1 where that is allowed. ValueError with its place if not."""
    if is_plain(cells):
        try:
            found = np.fromiter(map(int, cells), np.int64, len(cells))
        except (ValueError, OverflowError):  # empty, written as 2e4 or 20000.0, or no number
            pass
        else:
            if (found >= least).all():
                return found
    return np.array([_count(cell, name, place_of(i), least) for i, cell in enumerate(cells)], dtype=np.int64)


def numbers(
    cells: Cells, name: str, place_of: Callable[[int], str], *, has_gaps: bool = False
) -> NDArray[np.float64]:
    """Give finite numbers, with NaN for an empty cell or "nan" where there may be gaps; ValueError with its place."""
    found: NDArray[np.float64] | None = None
    if is_plain(cells):
        try:
            found = np.fromiter(map(float, cells), np.float64, len(cells))
        except ValueError:
            found = None
    if found is None or not np.isfinite(found).all():
        found = np.array([_number(cell, name, place_of(i), has_gaps) for i, cell in enumerate(cells)])
    return found


def check_unit(values: NDArray[np.float64], name: str, place_of: Callable[[int], str]) -> None:
    """Raise ValueError, with its place, for a number outside [0, 1]; NaN passes."""
    outside = np.flatnonzero((values < 0) | (values > 1))
    if len(outside):
        row = int(outside[0])
        refuse(
            place_of(row), f"{name} must lie in [0, 1], found {values[row]:g}; numbers of another range are a return"
        )


def is_plain(cells: Iterable[str]) -> bool:
    """Tell whether no cell holds what Python reads as a part of a number and no table means as one: 1_0 or １."""
    text = "".join(cells)
    return text.isascii() and "_" not in text


def _count(cell: str, name: str, place: str, least: int) -> int:
    if least < 0 and not cell.strip():
        return -1
    number = _float(cell)
    if number is None or not number.is_integer() or number < least:
        refuse(place, f"{name} must be an integer of at least {least}, found {cell!r}")
    try:
        whole = int(cell)
    except ValueError:
        whole = int(number)
    if whole > (LARGEST if str(whole) == cell.strip() else 2**53):  # above it a float is not exact
        refuse(place, f"{name} is too large, found {cell!r}")
    return whole


def _number(cell: str, name: str, place: str, has_gaps: bool) -> float:
    number = _float(cell)
    if has_gaps and (not cell.strip() or (number is not None and math.isnan(number))):
        return math.nan
    if number is None or not math.isfinite(number):
        hint = "; a decimal point is expected" if "," in cell else ""
        gap = "" if has_gaps else "; leave out the row of a task that was not evaluated"
        refuse(place, f"{name} must be a finite number, found {cell!r}{hint or gap}")
    return number


def _float(cell: str) -> float | None:
    if not is_plain([cell]):
        return None
    try:
        return float(cell)
    except ValueError:
        return None
