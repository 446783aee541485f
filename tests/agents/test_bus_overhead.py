import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "bus_overhead.py"


@pytest.mark.slow
def test_the_benchmark_prints_a_row_a_learner(tmp_path):
    small = ["--n-segments", "1", "--steps-per-segment", "128", "--n-warm-up", "0", "--n-units", "8", "--hooks"]
    command = [sys.executable, SCRIPT, *small, "--output", tmp_path / "results" / "table.md"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    rows = re.findall(r"^\| (\w+) \| [\d.]+ \| [\d.]+ \| \d\.\d{3} \| \d\.\d{3} to \d\.\d{3} \|$", run.stdout, re.M)
    assert rows == ["sac", "td3", "dqn", "ppo"]
    assert (tmp_path / "results" / "table.md").read_text().strip() == run.stdout.strip()
