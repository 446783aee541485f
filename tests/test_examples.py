"""Every example runs."""

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SMALL = {
    "acrobot_links.py": ["--steps-per-task", "2048"],
    "demo.py": ["--steps-per-task", "100", "--curriculum-steps", "512", "--seeds", "1"],
    "hypercrl.py": ["--steps-per-task", "410"],
}


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


def test_hypercrl_keeps_the_first_pendulum_and_says_so(tmp_path):
    command = [sys.executable, EXAMPLES / "hypercrl.py", *SMALL["hypercrl.py"]]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "gem/average_accuracy: 0." in done.stdout
    assert "gem/backward_transfer: " in done.stdout


def test_an_acrobot_of_declared_features_is_checked_and_trained(tmp_path):
    command = [sys.executable, EXAMPLES / "acrobot_links.py", *SMALL["acrobot_links.py"]]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "[[-500." in done.stdout
    assert "gem/backward_transfer: " in done.stdout
