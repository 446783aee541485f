"""The tables of a report that belong into a paper, as LaTeX with booktabs."""

from __future__ import annotations

import re

from lifelong_rl.tracking.report.document import Cell, Document, Table

SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "→": r"$\rightarrow$",
    "\u2013": "--",
    "±": r"$\pm$",
    "·": r"$\cdot$",
    "²": r"$^2$",
    "³": r"$^3$",
    "µ": r"$\mu$",
}

LINE = 16
"""Letters in a line of a headline."""

HEAD = r"""% Written by `lifelong-rl report`. In the preamble:
%   \usepackage[T1]{fontenc}
%   \usepackage{booktabs}
%   \usepackage{graphicx}  % tables wider than the text are scaled down to it
"""


def to_latex(document: Document) -> str:
    r"""Give the results as LaTeX tables, one after the other, to be read with ``\input``."""
    return HEAD + "".join(f"\n{_table(table)}" for table in document.tables() if table.reading)


def _table(table: Table) -> str:
    columns = "l" * table.n_labels + "r" * (len(table.header) - table.n_labels)
    body = [_row(row) for row in table.rows]
    notes = [rf"  \par\smallskip\raggedright\footnotesize {escaped(note)}" for note in table.notes]
    lines = [
        r"\begin{table}[t]",
        r"  \centering\small",
        rf"  \caption{{{escaped(table.caption)}. {escaped(table.reading)}.}}",
        rf"  \label{{tab:{table.name.removesuffix('-table')}}}",
        r"  \resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"  \begin{{tabular}}{{{columns}}}",
        r"    \toprule",
        _row(table.header, is_header=True),
        r"    \midrule",
        *body,
        r"    \bottomrule",
        r"  \end{tabular}}",
        *notes,
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _row(cells: tuple[Cell, ...], *, is_header: bool = False) -> str:
    return (
        "    " + " & ".join(_header(cell, i) if is_header else _cell(cell) for i, cell in enumerate(cells)) + r" \\"
    )


def _header(cell: Cell, column: int) -> str:
    """Give a headline in short lines, one above the other: wide tables would be scaled down to nothing."""
    lines = [""]
    for piece in re.findall(r"[^\s/_]*[/_]|[^\s/_]+|\s+", cell.text):
        if lines[-1] and len(lines[-1]) + len(piece) > LINE and not piece.isspace():
            lines.append("")
        lines[-1] += piece
    return _stacked([escaped(line.strip()) for line in lines], "l" if column == 0 else "r", "b")


def _cell(cell: Cell) -> str:
    text = _minus(escaped(cell.text))
    if cell.aside:
        return _stacked([text, rf"{{\scriptsize {_minus(escaped(cell.aside))}}}"], "r", "t")
    return f"{{{text}}}"  # braces: a row that begins with [ would be read as the length that \\ may take


def _stacked(lines: list[str], side: str, anchor: str) -> str:
    if len(lines) == 1:
        return f"{{{lines[0]}}}"
    inside = r" \\ ".join(f"{{{line}}}" for line in lines)
    return rf"\begin{{tabular}}[{anchor}]{{@{{}}{side}@{{}}}}{inside}\end{{tabular}}"


def _minus(text: str) -> str:
    """Give numbers that are below zero a minus in place of a hyphen."""
    words = text.split(" ")
    return " ".join(_number(word) for word in words)


def _number(word: str) -> str:
    bare = word.lstrip("[").rstrip(",]")
    if bare.startswith(("-", "+")) and bare[1:].replace(",", "").replace(".", "").isdigit():
        return word.replace(bare, f"${bare}$", 1)
    return word


def escaped(text: str) -> str:
    """Give text so that LaTeX sets it as it is."""
    return "".join(SPECIAL.get(character, character) for character in " ".join(text.split()))
