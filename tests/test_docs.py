"""The blocks of the pages on teachers, metrics, diagnostics and logs work as they stand; teachers' commands parse."""

import doctest
import json
import re
import runpy
import shlex
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from lifelong_rl.cli import main, parse
from lifelong_rl.evaluation import FAMILIES as METRIC_FAMILIES
from lifelong_rl.evaluation import EvaluationLog, score
from lifelong_rl.scenarios import Scenario
from lifelong_rl.teachers import TEACHERS, make_teacher
from lifelong_rl.tracking.costs import PHASES, Costs

PAGES = Path(__file__).resolve().parents[1] / "docs" / "teachers"
DIAGNOSTICS = (PAGES.parent / "diagnostics.md").read_text()
COSTS = (PAGES.parent / "costs.md").read_text()
PAGE = (PAGES / "write-your-own.md").read_text()
METRICS = Path(__file__).resolve().parents[1] / "docs" / "metrics"
METRICS_PAGE = (METRICS / "index.md").read_text()
OPERATORS = ("mixture", "sequence", "restriction", "exp3")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


def commands(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("lifelong-rl ")]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with the page's Python files, each under the name in its first line, on the Python path."""
    for block in blocks("python"):
        name = re.match(r"# (\w+\.py)\n", block).group(1)
        (tmp_path / name).write_text(block)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for module in ("my_teachers", "test_my_teachers"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    return tmp_path


def test_the_page_shows_a_teacher_a_test_and_a_script(place):
    names = {"my_teachers.py", "test_my_teachers.py", "script.py", "progress.py"}
    assert {path.name for path in place.iterdir()} == names


def test_the_progress_of_the_page_is_what_it_says(place):
    runpy.run_path("progress.py")


def test_the_teacher_of_the_page_passes_the_test_of_the_page(place):
    import test_my_teachers

    test_my_teachers.test_frontier_keeps_the_protocol()


def test_the_script_of_the_page_trains(place, capsys):
    runpy.run_path("script.py", run_name="__main__")
    assert (place / capsys.readouterr().out.split()[-1] / "metrics.json").is_file()


def test_the_scenario_of_the_page_is_a_scenario(place):
    (place / "page.toml").write_text(blocks("toml")[0])
    (block,) = Scenario.from_toml(place / "page.toml").blocks
    assert block.teacher == "mixture" and len(block.teacher_options["teachers"]) == 2


@pytest.mark.parametrize("command", [line for line in commands(PAGE) if " bench " not in line])
def test_the_commands_of_the_page_run(command, place):
    words = shlex.split(command.replace("2_000", "200"))[1:]
    if words[0] == "train":
        words += ["--tasks", "2", "--eval-every", "200", "--eval-episodes", "1", "--quiet"]
    assert main(words) == 0


@pytest.mark.parametrize(
    "command", [line for page in sorted(PAGES.glob("*.md")) for line in commands(page.read_text())]
)
def test_each_command_on_a_teachers_page_parses(command):
    parse(shlex.split(command.split(" #")[0])[1:])


@pytest.mark.parametrize("name", OPERATORS)
def test_the_page_of_an_operator_names_every_hyperparameter(name):
    page = (PAGES / f"{name}.md").read_text()
    for key in vars(make_teacher(name)):
        assert f"`{key}`" in page, key


def test_the_links_between_the_pages_lead_somewhere():
    for page in PAGES.glob("*.md"):
        for target in re.findall(r"\]\(([\w.-]+\.md)\)", page.read_text()):
            assert (PAGES / target).is_file(), (page.name, target)
    assert set(OPERATORS) <= set(TEACHERS)


@pytest.mark.parametrize("name", TEACHERS)
def test_the_index_says_what_each_teacher_honours_and_needs_and_links_its_page(name):
    teacher = make_teacher(name)
    index = (PAGES / "index.md").read_text()
    pattern = rf"\| {{doc}}`(?:{name}|{name} <([\w-]+)>)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|"
    page, kinds, needs, keeps = re.search(pattern, index).groups()

    assert (PAGES / f"{page or name}.md").is_file()
    honoured = {"real", "integer", "category"} if kinds == "all" else set(kinds.split(" and "))
    assert honoured == teacher.kinds
    assert set(re.findall(r"`(\w+)`", needs)) == teacher.needs
    assert ("only looked at" in needs) == teacher.is_selective
    assert keeps.strip()


def test_the_metrics_page_prints_what_it_says(capsys):
    ((code, printed),) = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", METRICS_PAGE, flags=re.DOTALL)
    exec(compile(code, "docs/metrics/index.md", "exec"), {})
    assert capsys.readouterr().out == printed


def test_the_metrics_page_explains_every_metric_of_the_families_without_a_page_of_their_own():
    log = EvaluationLog.from_arrays(["a"], [[0.5]], blocks=[0], trained=["a"])
    for family in METRIC_FAMILIES:
        if (METRICS / f"{family}.md").is_file():
            continue
        (section,) = re.findall(rf"^### {family}\n(.*?)(?=^##)", METRICS_PAGE, flags=re.DOTALL | re.MULTILINE)
        for metric in score(log, [family]):
            name = re.sub(r"_(best|last)$", "_*", metric.name).removesuffix("_area")
            assert f"`{name}`" in section, (family, metric.name)


def test_the_links_of_the_metrics_pages_lead_somewhere():
    for page in METRICS.glob("*.md"):
        for target in re.findall(r"\]\(([\w./-]+\.md)\)", page.read_text()):
            assert (METRICS / target).is_file(), (page.name, target)


@pytest.mark.parametrize("text", [*DIAGNOSTICS.split("\n## ")[1:], COSTS], ids=lambda text: text.split("\n")[0])
def test_the_blocks_of_diagnostics_and_costs_print_what_the_page_says(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL))
    test = doctest.DocTestParser().get_doctest(code, {}, "page", "page", 0)
    assert test.examples
    printed: list[str] = []
    doctest.DocTestRunner().run(test, out=printed.append)
    assert not printed, "".join(printed)


def test_the_page_on_costs_names_every_field_and_phase_and_its_file_can_be_read():
    for name in (*(f.name for f in fields(Costs)), *PHASES):
        assert f"| `{name}` |" in COSTS
    example = json.loads(re.search(r"```json\n(.*?)```", COSTS, flags=re.DOTALL).group(1))
    assert Costs.from_json(example).to_json() | {"memory": example["memory"]} == example


def test_the_blocks_of_the_page_on_reading_logs_run_one_after_the_other(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    page = (PAGES.parent / "import.md").read_text()
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL):
        exec(compile(block, "import.md", "exec"), names)
    lines = capsys.readouterr().out.splitlines()
    assert "backward_transfer -0.30000000000000004 " in lines
    assert any(line.startswith("forward_transfer_difference 0.375") for line in lines)
