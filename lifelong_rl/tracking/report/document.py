"""What a report says, as plain values: sections of words, tables, pictures and listings, for any writer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from matplotlib.figure import Figure

UNKNOWN = "\u2013"
"""What stands where there is no number."""


@dataclass(frozen=True)
class Cell:
    """One cell of a table. All text is plain: writers escape it."""

    text: str
    aside: str = ""
    """What follows the text in a quieter voice: an interval."""
    note: str = ""
    """What a reader may want to know of it; shown on demand where the format can."""
    shade: float | None = None
    """Where the number lies on a scale from 0 to 1; such a cell is coloured."""
    is_framed: bool = False
    link: str = ""
    """Where the text leads, relative to the report's folder."""


@dataclass(frozen=True)
class Table:
    """A table; its first columns name the rows."""

    name: str
    """The name of its file and label: lower case, digits and hyphens."""
    caption: str
    header: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    """Lines below the table: why cells are empty, and what to beware of."""
    n_labels: int = 1
    """Columns of words at the left; those after them are numbers, which stand to the right."""
    is_folded: bool = False
    """Whether it is a detail that a page may show on demand."""
    reading: str = ""
    """How to read the numbers, for the caption in a paper; empty for a table that belongs into none."""

    def turned(self) -> Table:
        """Give the table with rows and columns exchanged; it must have one column of labels."""
        columns = tuple(zip(self.header, *self.rows, strict=True))
        return Table(**(vars(self) | {"header": columns[0], "rows": columns[1:]}))


@dataclass(frozen=True)
class Picture:
    """A figure that is drawn when it is needed."""

    name: str
    """The name of its file, without suffix."""
    caption: str
    draw: Callable[[], Figure]
    is_on_page: bool = True
    """Whether the page shows it; False for one that the page shows as a table, and papers want as a picture."""


@dataclass(frozen=True)
class Listing:
    """Lines to copy: commands or code."""

    language: Literal["sh", "python"]
    text: str


@dataclass(frozen=True)
class Words:
    """A paragraph."""

    text: str


Part: TypeAlias = Table | Picture | Listing | Words


@dataclass(frozen=True)
class Section:
    """A headline and what stands under it."""

    name: str
    """What links lead to: lower case and hyphens."""
    title: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Warned:
    """Something a reader must know before believing the rest."""

    subject: str
    """The run or the group that it is about."""
    text: str


@dataclass(frozen=True)
class Document:
    """A whole report."""

    title: str
    summary: str
    facts: tuple[tuple[str, str], ...]
    """What ran, by name."""
    warnings: tuple[Warned, ...]
    sections: tuple[Section, ...]

    def tables(self) -> list[Table]:
        """Give every table, in order."""
        return [part for section in self.sections for part in section.parts if isinstance(part, Table)]

    def without_pictures(self, failures: Mapping[str, str]) -> Document:
        """Give the document with words in place of pictures that cannot be drawn, by name with the reason."""
        if not failures:
            return self
        sections = []
        for section in self.sections:
            parts = [
                Words(f"{part.caption}: cannot be drawn. {failures[part.name]}")
                if isinstance(part, Picture) and part.name in failures
                else part
                for part in section.parts
            ]
            sections.append(replace(section, parts=tuple(parts)))
        return replace(self, sections=tuple(sections))

    def pictures(self) -> list[Picture]:
        """Give every picture, in order."""
        return [part for section in self.sections for part in section.parts if isinstance(part, Picture)]
