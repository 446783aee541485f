"""Every example runs."""

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SMALL = {"demo.py": ["--steps-per-task", "100", "--curriculum-steps", "512", "--seeds", "1"]}


def test_there_is_a_small_version_of_every_example():
    assert {path.name for path in EXAMPLES.glob("*.py")} == SMALL.keys()


def test_the_demo_prints_its_table_and_takes_finished_runs_as_they_are(tmp_path):
    command = [sys.executable, EXAMPLES / "demo.py", *SMALL["demo.py"]]
    for _ in range(2):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        for text in (
            "dqn+distillation on point-goal",
            "ppo on cartpole-physics (alp-gmm)",
            "cw/forgetting",
            "tensorboard",
        ):
            assert text in done.stdout
    assert (tmp_path / "runs" / "demo" / "cartpole" / "ppo-alp-gmm-s0" / "report" / "task_distribution.png").is_file()
