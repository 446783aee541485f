"""The page on planners works as it stands, and names every planner."""

import re
from pathlib import Path

from lifelong_rl.agents.hypernet.planners import PLANNERS

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "planners.md").read_text()


def test_the_script_of_the_page_brings_both_points_to_the_origin():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    exec(compile(code, "docs/planners.md", "exec"), {"__name__": "page"})


def test_the_table_of_the_page_names_every_planner_and_its_class():
    rows = re.findall(r"^\| `([\w-]+)` \| `(\w+)` \|", PAGE, flags=re.MULTILINE)
    assert dict(rows) == {name: path.rpartition(":")[2] for name, path in PLANNERS.items()}
