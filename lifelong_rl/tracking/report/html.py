"""A report as one HTML page that needs nothing else: no script, no font and no picture from elsewhere."""

from __future__ import annotations

import re
from html import escape
from urllib.parse import quote

from lifelong_rl.tracking.figures import SCORE_COLOURS
from lifelong_rl.tracking.report.document import (
    UNKNOWN,
    Cell,
    Document,
    Listing,
    Part,
    Picture,
    Section,
    Table,
    Warned,
    Words,
)
from lifelong_rl.tracking.report.style import STYLE

GENERATOR = "lifelong-rl report"

FILES = ("report.md", "tables.tex", "metrics.csv", "summary.csv", "ablations.csv", "curves.csv")


def to_html(document: Document, drawn: dict[str, str]) -> str:
    """Give the document as a page. drawn: the name of each picture on the page -> its SVG element."""
    title = escape(document.title)
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in document.facts)
    items = "".join(f'<li><a href="#{s.name}">{escape(s.name.capitalize())}</a></li>' for s in document.sections)
    links = ", ".join(f'<a href="{name}">{name}</a>' for name in FILES)
    return "\n".join(
        (
            "<!DOCTYPE html>",
            '<html lang="en">',
            '<head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta name="generator" content="{GENERATOR}">',
            f"<title>{title}</title>",
            f"<style>{STYLE}</style></head>",
            "<body>",
            f'<header><h1>{title}</h1><p class="lead">{escape(document.summary)}</p><dl>{facts}</dl>',
            f"{_warnings(document.warnings)}</header>",
            f"<nav><ol>{items}</ol></nav>",
            "<main>",
            *(_section(section, drawn) for section in document.sections),
            "</main>",
            "<footer>Written by <code>lifelong-rl report</code> from the run folders alone. "
            f"The same numbers: {links}, "
            'and the figures as PNG in <a href="figures/">figures/</a>.</footer>',
            "</body>",
            "</html>",
            "",
        )
    )


def _warnings(warnings: tuple[Warned, ...]) -> str:
    if not warnings:
        return ""
    items = "".join(f"<li><code>{escape(w.subject)}</code>: {escape(w.text)}</li>" for w in warnings)
    return f'<div class="warnings" role="note"><h2>Before you believe the numbers</h2><ul>{items}</ul></div>'


def _section(section: Section, drawn: dict[str, str]) -> str:
    parts = "\n".join(_part(part, drawn) for part in section.parts)
    return f'<section id="{section.name}"><h2>{escape(section.title)}</h2>\n{parts}\n</section>'


def _part(part: Part, drawn: dict[str, str]) -> str:
    if isinstance(part, Words):
        return f"<p>{escape(part.text)}</p>"
    if isinstance(part, Listing):
        return f"<pre><code>{escape(part.text)}</code></pre>"
    if isinstance(part, Picture):
        if not part.is_on_page:
            return ""
        caption = escape(part.caption)
        return f'<figure><figcaption>{caption}</figcaption><div class="wide">{drawn[part.name]}</div></figure>'
    table = _table(part)
    if part.is_folded:
        return f"<details><summary>{escape(part.caption)}</summary>{table}</details>"
    return f'<div class="part">{table}</div>'


def _table(table: Table) -> str:
    is_matrix = any(cell.shade is not None for row in table.rows for cell in row)
    kind = "matrix" if is_matrix else "numbers" if table.n_labels < len(table.header) else "words"
    caption = "" if table.is_folded else f"<caption>{escape(table.caption)}</caption>"
    head = "".join(f'<th scope="col"{_side(i, table)}>{_content(cell)}</th>' for i, cell in enumerate(table.header))
    rows = "\n".join(f"<tr>{''.join(_cell(c, i, table) for i, c in enumerate(row))}</tr>" for row in table.rows)
    notes = "".join(f"<li>{escape(note)}</li>" for note in table.notes)
    below = f'<ul class="notes">{notes}</ul>' if notes else ""
    body = f"<thead><tr>{head}</tr></thead><tbody>\n{rows}\n</tbody>"
    return f'<div class="wide"><table class="{kind}" id="{table.name}">{caption}{body}</table></div>{below}'


def _side(column: int, table: Table) -> str:
    return ' class="label"' if column < table.n_labels else ""


def _cell(cell: Cell, column: int, table: Table) -> str:
    if column == 0:
        return f'<th scope="row" class="label">{_content(cell)}</th>'
    names = ["label"] if column < table.n_labels else []
    names += ["framed"] if cell.is_framed else []
    names += ["none"] if cell.text == UNKNOWN else []
    attributes = f' class="{" ".join(names)}"' if names else ""
    if cell.shade is not None:
        back, front = _shades(cell.shade)
        attributes += f' style="background:{back};color:{front}"'
    return f"<td{attributes}>{_content(cell)}</td>"


def _content(cell: Cell) -> str:
    text = re.sub(r"([/_=→+])(?=\w)", r"\1<wbr>", escape(cell.text))  # where a long word may break
    if cell.link:
        text = f'<a href="{escape(quote(cell.link))}">{text}</a>'
    if cell.note:
        text = f'<span title="{escape(cell.note)}">{text}</span>'
    return f'{text} <span class="aside">{escape(cell.aside)}</span>' if cell.aside else text


def _shades(shade: float) -> tuple[str, str]:
    """Give the colours behind and of a number, as the figures colour scores."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return to_hex(colormaps[SCORE_COLOURS](shade)), "#000" if shade > 0.6 else "#fff"


def is_ours(page: str) -> bool:
    """Tell whether a page was written here, and so may be written again."""
    return bool(re.search(rf'<meta name="generator" content="{GENERATOR}">', page))
