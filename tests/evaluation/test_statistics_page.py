"""The page on statistics shows what its examples really give, and the figures that were measured."""

import doctest
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "statistics.md").read_text()


def test_the_examples_of_the_page_give_what_it_shows():
    blocks = "\n".join(re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL))
    examples = doctest.DocTestParser().get_doctest(blocks, {}, "docs/statistics.md", None, 0)
    runner = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF)
    assert runner.run(examples).failed == 0
    assert runner.tries > 10


def test_the_links_of_the_page_lead_somewhere():
    for target in re.findall(r"\]\(([\w./-]+)\)", PAGE):
        assert (ROOT / "docs" / target).is_file(), target


def test_the_coverage_on_the_page_is_the_measured_one():
    measured = (ROOT / "benchmarks" / "results" / "interval_coverage.md").read_text()
    for kind in ("normal", "exponential"):
        for name, method in (("percentile", "percentile"), ("BCa", "bca")):
            row = re.search(rf"^\| {kind}[^|]*\| {method} \|(.*)\|$", measured, re.M).group(1)
            shown = re.search(rf"^\| {kind} \| {name} \|(.*)\|$", PAGE, re.M).group(1)
            percents = [float(cell.strip(" %")) for cell in row.split("|")]
            assert [float(cell.strip(" %")) for cell in shown.split("|")] == [
                float(f"{percent + 1e-9:.0f}") for percent in percents
            ]
