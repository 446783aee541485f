"""The page on the l2m family prints what it says and names every metric and option."""

import re
from dataclasses import fields
from pathlib import Path

from lifelong_rl.evaluation.l2m import L2MOptions

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "metrics" / "l2m.md").read_text()


def test_the_blocks_of_the_page_print_what_it_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for code, printed in re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, flags=re.DOTALL):
        exec(compile(code, "docs/metrics/l2m.md", "exec"), names)
        assert capsys.readouterr().out == printed


def test_the_page_names_every_option():
    assert [field.name for field in fields(L2MOptions) if f"`{field.name}`" not in PAGE] == []
