"""A report as Markdown, which reads well as plain text too."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lifelong_rl.tracking.report.document import Cell, Document, Listing, Part, Picture, Table, Words


def to_markdown(document: Document) -> str:
    """Give the document as Markdown; pictures lie in ``figures/`` beside it."""
    blocks = [f"# {escaped(document.title)}", escaped(document.summary)]
    blocks.append("\n".join(f"- {escaped(name)}: {escaped(text)}" for name, text in document.facts))
    if document.warnings:
        lines = "\n".join(f"- {escaped(warned.subject)}: {escaped(warned.text)}" for warned in document.warnings)
        blocks += ["## Warnings", lines]
    for section in document.sections:
        blocks.append(f"## {escaped(section.title)}")
        blocks += [_part(part) for part in section.parts]
    return "\n\n".join(blocks) + "\n"


def _part(part: Part) -> str:
    if isinstance(part, Words):
        return escaped(part.text)
    if isinstance(part, Picture):
        return f"![{escaped(part.caption)}](figures/{part.name}.png)"
    if isinstance(part, Listing):
        fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", part.text)), 3)
        return f"{fence}{part.language}\n{part.text}\n{fence}"
    notes = "\n".join(f"- {escaped(note)}" for note in part.notes)
    return "\n\n".join(filter(None, (f"**{escaped(part.caption)}**", to_table(part), notes)))


def to_table(table: Table) -> str:
    """Give a table alone, its columns aligned."""
    lines = [[_cell(cell) for cell in row] for row in (table.header, *table.rows)]
    return aligned(lines[0], lines[1:])


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Give a Markdown table whose columns line up as plain text."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([line(header), rule, *map(line, rows)])


def _cell(cell: Cell) -> str:
    text = escaped(cell.text)
    if cell.link:
        target = cell.link.replace("%", "%25").replace(" ", "%20").replace("(", "%28").replace(")", "%29")
        text = f"[{text}]({target.replace('<', '%3C').replace('>', '%3E')})"
    if cell.is_framed:
        text = f"**{text}**"
    return f"{text} {escaped(cell.aside)}" if cell.aside else text


def escaped(text: str) -> str:
    """Give text so that Markdown shows it as it is; underscores inside words need nothing."""
    text = re.sub(r"([\\`*|<>])", r"\\\1", " ".join(text.split()))
    text = re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text)
    return re.sub(r"\[([^\[\]]*)\](?=\()", r"\\[\1\\]", text)
