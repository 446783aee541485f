"""The page, Markdown, CSV and LaTeX of a report hold what the runs say, whatever tasks and metrics are called."""

import csv
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from synthetic_runs import CONFIG, WITH_COMPONENT, rename_tasks, write_run

from lifelong_rl.evaluation.metrics import FAMILIES, MetricValue
from lifelong_rl.tracking import figures
from lifelong_rl.tracking.figures import Stretch, new_figure, score_curves, transfer_matrix
from lifelong_rl.tracking.report import html, latex, markdown, pictures, write_report
from lifelong_rl.tracking.report.document import Cell, Document, Listing, Section, Table, Warned, Words
from lifelong_rl.training.config import AgentConfig, RunConfig

NASTY = ("<b>bold</b> & $x$", "a|b_c\\d `e` {f} #1 100% ~^\" '")
VOID = {"meta", "br", "wbr", "img", "link", "hr", "input"}


class Page(HTMLParser):
    """Reads a page, and notes what is wrong with it."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links, self.loads, self.text = [], [], [], [], []
        self.tags, self.titles = [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.open += [] if tag in VOID else [tag]
        self._look(tag, dict(attributes))

    def handle_startendtag(self, tag, attributes):
        self._look(tag, dict(attributes))

    def _look(self, tag, found):
        self.ids += [found["id"]] if "id" in found else []
        self.titles += [found["title"]] if "title" in found else []
        self.links += [found["href"]] if tag == "a" else []
        self.loads += [found[name] for name in ("src", "data", "xlink:href", "srcset") if name in found]
        self.loads += re.findall(r"url\(([^)]*)\)", found.get("style") or "")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def write(folders, output):
    place = write_report(folders, lambda folder: {}, output).page.parent
    return {path.name: path.read_text() for path in place.iterdir() if path.is_file()}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The report of two groups, one with two seeds."""
    place = tmp_path_factory.mktemp("plain")
    runs = [
        write_run(place / "runs" / "a", CONFIG, kept=0.0),
        write_run(place / "runs" / "b", RunConfig(CONFIG.scenario, CONFIG.agent, seed=1), kept=0.4),
        write_run(place / "runs" / "c", WITH_COMPONENT, kept=1.0),
    ]
    return write(runs, place / "report")


@pytest.fixture(scope="module")
def nasty(tmp_path_factory):
    """The report of a run whose tasks have names that would break any format."""
    place = tmp_path_factory.mktemp("nasty")
    run = write_run(place / "a run", CONFIG)
    rename_tasks(run, {"east": NASTY[0], "west": NASTY[1]})
    return write([run], place / "report")


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


# The page


@pytest.mark.parametrize("kind", ["plain", "nasty"])
def test_the_page_parses_and_loads_nothing_from_elsewhere(kind, request):
    page = Page(request.getfixturevalue(kind)["index.html"])
    assert "script" not in page.tags and "link" not in page.tags and "b" not in page.tags
    assert all(load.startswith(("data:image/png;base64,", "#")) for load in page.loads)
    assert not any(link.startswith(("http", "//", "/", "file")) for link in page.links)
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)


def test_the_page_has_every_section_with_its_figures_and_the_definitions_at_hand(plain):
    page = Page(plain["index.html"])
    names = ["results", "ablations", "curves", "matrix", "transfer", "costs", "settings", "runs", "definitions"]
    assert [link[1:] for link in page.links if link.startswith("#")] == names
    assert page.tags.count("svg") == 3  # an overview, and the curves of each group
    assert any("window: 1 evaluation" in title and "source: Lopez-Paz" in title for title in page.titles)
    text = " ".join(page.text)
    assert "one seed: an interval needs at least two" in " ".join(page.titles)
    assert "With fewer than 5 seeds such intervals are usually too narrow" in text
    assert "fewer than the window of 5" in text  # why cw has no value here


def test_names_are_shown_as_they_are_and_break_nothing(nasty):
    page = Page(nasty["index.html"])
    text = re.sub(r"\s+", " ", "".join(page.text))
    for name in NASTY:
        assert text.count(name) >= 4  # curves, matrix (twice), settings


def test_the_page_follows_light_and_dark_and_paper_and_phones(plain):
    page = plain["index.html"]
    assert "prefers-color-scheme: dark" in page and "@media print" in page and "max-width: 40rem" in page
    assert 'name="viewport"' in page
    figure = page[page.index("<svg") : page.index("</svg>")]
    assert "var(--ink)" in figure and "#000000" not in figure


# CSV


def test_every_number_of_every_run_is_a_line_of_the_csv(plain):
    found = rows(plain["metrics.csv"])
    whole = {(r["run"], r["family"], r["metric"]): r for r in found if r["scope"] == "all"}
    assert float(whole["../runs/a", "gem", "backward_transfer"]["value"]) == -1.0
    assert float(whole["../runs/b", "gem", "backward_transfer"]["value"]) == -0.6
    assert whole["../runs/b", "gem", "backward_transfer"]["seed"] == "1"
    undefined = whole["../runs/c", "cw", "forgetting"]
    assert undefined["value"] == "" and "window of 5" in undefined["reason"]
    assert {r["sign"] for r in found} == {"higher is better", "lower is better"}
    assert all((r["value"] == "") == bool(r["reason"]) for r in found)
    tasks = {r["task"]: r["value"] for r in found if r["metric"] == "average_accuracy" and r["run"] == "../runs/a"}
    assert tasks == {"": "0.5", "east": "0.0", "west": "1.0"}


def test_curves_and_means_are_there_as_csv(plain):
    curves = rows(plain["curves.csv"])
    assert len(curves) == 3 * 3 * 2
    assert [r["score"] for r in curves if r["run"] == "../runs/b" and r["task"] == "east"] == ["0.0", "1.0", "0.4"]
    (mean,) = [r for r in rows(plain["summary.csv"]) if r["metric"] == "gem/backward_transfer" and r["seeds"] == "2"]
    assert [float(mean[name]) for name in ("mean", "low", "high")] == [-0.8, -1.0, -0.6]
    single = [r for r in rows(plain["summary.csv"]) if r["metric"] == "gem/backward_transfer" and r["seeds"] == "1"]
    assert single[0]["low"] == "" and "one seed" in single[0]["reason"]
    effects = {r["metric"]: r for r in rows(plain["ablations.csv"])}
    assert effects["gem/backward_transfer"]["difference"] == "1.0"
    assert effects["gem/backward_transfer"]["pairs"] == "1"


def test_nasty_names_survive_csv(nasty):
    assert {r["task"] for r in rows(nasty["curves.csv"])} == set(NASTY)


# LaTeX


def bare(text):
    """Give LaTeX without its comments and without escaped characters."""
    lines = [re.sub(r"(?<!\\)%.*", "", line) for line in text.splitlines()]
    return re.sub(r"\\[\\&%$#_{}]", "", "\n".join(lines))


@pytest.mark.parametrize("kind", ["plain", "nasty"])
def test_the_latex_is_balanced_and_every_row_has_its_columns(kind, request):
    text = request.getfixturevalue(kind)["tables.tex"]
    assert bare(text).count("{") == bare(text).count("}")
    assert bare(text).count("$") % 2 == 0
    assert not set('#^~<>"|_') & set(bare(text).replace(r"\width>\linewidth", ""))
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") >= 4
    tables = re.findall(r"\\begin\{tabular\}\{(\w+)\}\n(.*?)\n  \\end\{tabular\}", text, flags=re.DOTALL)
    assert len(tables) == text.count(r"\begin{table}")
    for columns, body in tables:
        lines = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert lines
        for line in lines:
            assert len(re.findall(r"(?<!\\)&", line)) == len(columns) - 1


def test_the_latex_sets_numbers_and_names(plain):
    text = plain["tables.tex"]
    assert r"\begin{tabular}[b]{@{}r@{}}{gem/backward\_} \\ {transfer $\uparrow$}\end{tabular}" in text
    assert r"\begin{tabular}[t]{@{}r@{}}{$-0.80$} \\ {{\scriptsize [$-1.00$, $-0.60$]}}\end{tabular}" in text
    assert r"\toprule" in text and r"\caption{Main metrics." in text and r"\label{tab:results}" in text


def test_a_headline_in_short_lines_for_latex_loses_no_character():
    name = "_my__task_/of two//halves_"
    table = Table("t", "caption", (Cell("row"), Cell(name)), ((Cell("a"), Cell("1")),), reading="words")
    (headline,) = [line for line in latex.to_latex(document(table)).splitlines() if "halves" in line]
    shown = re.sub(r"\\begin\{tabular\}\[b\]\{@\{\}r@\{\}\}|\\end\{tabular\}|\\\\|[{} ]", "", headline.split("&")[1])
    assert shown.replace(r"\_", "_") == name.replace(" ", "")


def test_text_for_latex_is_escaped():
    assert latex.escaped(r"50% of a_b & $x$ \y {z} ~^ #1") == (
        r"50\% of a\_b \& \$x\$ \textbackslash{}y \{z\} \textasciitilde{}\textasciicircum{} \#1"
    )


# Markdown


def test_the_markdown_has_the_same_tables_and_the_figures(plain):
    text = plain["report.md"]
    assert re.search(
        r"^\| dqn on point-goal \(condensed\) +\| 2 +\| 0\.60 \[0\.50, 0\.70\]", text, flags=re.MULTILINE
    )
    assert "![dqn on point-goal (condensed), 2 seeds](figures/curves-1.png)" in text
    widths = {len(line) for line in text.split("**Main metrics**")[1].split("- ")[0].splitlines() if line}
    assert len(widths) == 1


def test_text_for_markdown_is_escaped(nasty):
    assert markdown.escaped("<b> a|b `c` *d* a_b _e_") == r"\<b\> a\|b \`c\` \*d\* a_b \_e\_"
    assert markdown.escaped("[a](b) [0.1, 0.2]") == r"\[a\](b) [0.1, 0.2]"
    for line in nasty["report.md"].splitlines():
        if line.startswith("|"):
            cells = re.findall(r"(?<!\\)\|", line)
            assert len(cells) >= 3
    assert "<b>" not in nasty["report.md"].replace(r"\<b\>", "")


# Whatever families there are


def strange(log, *, references, value):
    """A family of one metric that has no meaning, over pairs of tasks, and one that is undefined."""
    shared = {"family": "strange & co", "window": "w", "reference": "r", "source": "s", "measured": value}
    pairs = {"east": {"west": (0.25, None)}}
    return [
        MetricValue(**shared, name="large", sign="lower is better", value=12345.6, per_pair=pairs, per_block=(1.0,)),
        MetricValue(**shared, name="nothing", sign="higher is better", value=None, reason="because of <that>"),
    ]


def test_a_family_that_nobody_knows_is_shown_like_any_other(tmp_path, monkeypatch):
    monkeypatch.setitem(FAMILIES, "strange", f"{__name__}:strange")
    monkeypatch.setattr("lifelong_rl.evaluation.metrics.score.__defaults__", (("strange",), None))
    monkeypatch.setattr(pictures, "png", lambda figure: b"")
    files = write([write_run(tmp_path / "a", CONFIG)], tmp_path / "report")
    page = files["index.html"]
    assert "Family strange &amp; co" in page and "12,346" in page
    assert "because of &lt;that&gt;" in page and "because of <that>" not in page
    scopes = {(r["scope"], r["task"], r["trained"], r["occurrence"], r["value"]) for r in rows(files["metrics.csv"])}
    assert ("pair", "west", "east", "0", "0.25") in scopes and ("pair", "west", "east", "1", "") in scopes
    assert ("block", "", "", "0", "1.0") in scopes
    assert "strange &amp; co/<wbr>large" in page  # the main table, which has none of its usual metrics
    assert r"\caption{Family strange \& co." in files["tables.tex"]


# The writers alone


def document(*parts):
    section = Section("words", "Words", parts)
    return Document("<title>", "a & b", (("x", "<y>"),), (Warned("<run>", "<reason>"),), (section,))


def test_a_page_escapes_every_text_of_a_document():
    table = Table("t", "<c>", (Cell("<h>", note='"<n>"'),), ((Cell("<f>", "<a>", '"n', link="a b/<l>"),),), ("<o>",))
    page = html.to_html(document(Words("<w>"), table, Listing("sh", "a < b")), {})
    allowed = html.to_html(document(), {})
    for letter in "cfhnaolw":
        assert f"<{letter}>" not in page.replace("<code>", "").replace(allowed, "")
    assert 'href="a%20b/%3Cl%3E"' in page
    Page(page)


def test_an_empty_page_has_no_warnings_box_without_a_warning():
    found = Document("t", "s", (), (), ())
    assert "Before you believe" not in html.to_html(found, {})


def test_a_figure_is_the_same_bytes_each_time_and_keeps_its_text():
    def figure():
        return transfer_matrix(np.array([[0.25, 0.5]]), ["a$b$c", "_x"], ["<end>"])

    assert pictures.png(figure()) == pictures.png(figure())
    first, second = pictures.svg(figure(), "one"), pictures.svg(figure(), "one")
    assert first == second
    assert "a$b$c" in first and "&lt;end&gt;" in first
    ids = re.findall(r'\bid="([^"]+)"', first)
    assert ids and all(name.startswith("one-") for name in ids)
    assert set(re.findall(r"url\(#([^)]+)\)", first)) <= set(ids)


def curves_and_matrix(scores, stock=None):
    blocks = [Stretch(0, 10, "a"), Stretch(10, 20, None)]
    yield score_curves([0, 10, 20], scores, ["a", "b"], blocks=blocks, stock=stock)
    yield transfer_matrix(scores, ["a", "b"], ["x", "y", "z"], trained=[None, "a", None], stock=stock)


def test_a_figure_drawn_over_is_the_figure_drawn_anew_to_the_last_byte():
    one, other = [[0.1, 0.2], [0.9, 0.3], [0.6, 1.0]], [[np.nan, 0.0], [0.25, np.nan], [1.0, 0.5]]
    stock = {}
    for scores in (one, other, one):
        fresh = [(pictures.png(f), pictures.svg(f, "f")) for f in curves_and_matrix(scores)]
        assert [(pictures.png(f), pictures.svg(f, "f")) for f in curves_and_matrix(scores, stock)] == fresh
    assert len(stock) == 2


def test_a_figure_of_other_names_blocks_or_limits_is_never_drawn_over():
    stock = {}
    scores, blocks = [[0.1], [0.2]], [Stretch(0, 9, "a")]
    for names, steps, kinds, more in (
        (["a"], [0, 9], blocks, {}),
        (["b"], [0, 9], blocks, {}),
        (["a"], [0, 8], blocks, {}),
        (["a"], [0, 9], [Stretch(0, 9, None, "drift")], {}),
        (["a"], [0, 9], blocks, {"legend": "other"}),
        (["a"], [0, 9], blocks, {"measured": "success"}),
    ):
        score_curves(steps, scores, names, blocks=kinds, stock=stock, **more)
    assert len(stock) == 6
    first = score_curves([0, 9], scores, ["a"], blocks=blocks, stock=stock)
    assert score_curves([0, 9], scores, ["a"], blocks=blocks, stock=stock) is first
    for more in ({"measured": "return"}, {"band": (scores, scores)}, {"blocks": ()}):
        assert score_curves([0, 9], scores, ["a"], **{"blocks": blocks, "stock": stock} | more) is not first
    assert len(stock) == 6, "limits that follow the numbers, and bands, are drawn anew"


def test_a_report_makes_no_figure_twice_for_groups_that_are_alike(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(figures, "new_figure", lambda *size: made.append(size) or new_figure(*size))
    configs = [RunConfig(CONFIG.scenario, AgentConfig("dqn", options={"gamma": gamma})) for gamma in (0.9, 0.8, 0.7)]
    runs = [write_run(tmp_path / str(i), config, kept=0.1 * i) for i, config in enumerate(configs)]
    place = write_report(runs, lambda folder: {}, tmp_path / "all").page.parent / "figures"
    assert len(made) == 3  # curves, matrix, and the overview of all three
    curves = {(place / f"curves-{i}.png").read_bytes() for i in (1, 2, 3)}
    assert len(curves) == 3, "each with its own numbers"
