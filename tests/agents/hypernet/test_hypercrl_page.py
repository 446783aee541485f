"""The page on HyperCRL: its script runs, its commands parse."""

import re
from pathlib import Path

from lifelong_rl.cli import parse

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "hypercrl.md").read_text()


def test_the_script_of_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (script,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    exec(compile(script, "hypercrl.md", "exec"), {})  # the page's own text
    assert (tmp_path / "earth.npz").is_file()


def test_the_commands_of_the_page_parse(monkeypatch):
    monkeypatch.chdir(ROOT)
    commands = [line for line in PAGE.splitlines() if line.startswith("lifelong-rl ")]
    assert len(commands) == 3
    for command in commands:
        parse(command.split()[1:])
