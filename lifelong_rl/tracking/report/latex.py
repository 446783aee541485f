"""The tables of a report that belong into a paper, as LaTeX with booktabs."""

from __future__ import annotations

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

HEAD = r"""% Written by `lifelong-rl report`. In the preamble:
%   \usepackage[T1]{fontenc}
%   \usepackage{booktabs}
%   \usepackage{graphicx}  % tables wider than the text are scaled down to it
"""


def to_latex(document: Document) -> str:
    r"""Give the results as LaTeX tables, one after the other, to be read with ``\input``."""
    return HEAD + "".join(f"\n{_table(table)}" for table in document.tables() if table.is_paper)


def _table(table: Table) -> str:
    columns = "l" * table.n_labels + "r" * (len(table.header) - table.n_labels)
    body = [_row(row) for row in table.rows]
    notes = [rf"  \par\smallskip\raggedright\footnotesize {escaped(note)}" for note in table.notes]
    lines = [
        r"\begin{table}[t]",
        r"  \centering\small",
        rf"  \caption{{{escaped(table.caption)}. Mean over seeds [95\,\% bootstrap interval].}}",
        rf"  \label{{tab:{table.name.removesuffix('-table')}}}",
        r"  \resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"  \begin{{tabular}}{{{columns}}}",
        r"    \toprule",
        _row(table.header),
        r"    \midrule",
        *body,
        r"    \bottomrule",
        r"  \end{tabular}}",
        *notes,
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _row(cells: tuple[Cell, ...]) -> str:
    return "    " + " & ".join(_cell(cell) for cell in cells) + r" \\"


def _cell(cell: Cell) -> str:
    text = _minus(escaped(cell.text))
    # braces: a row that begins with [ would be read as the length that \\ may take
    return rf"{text} {{\scriptsize {_minus(escaped(cell.aside))}}}" if cell.aside else f"{{{text}}}"


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
