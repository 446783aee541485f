"""Tiny runs on the command line, and what an error looks like there."""

from lifelong_rl.cli import main

TINY = ["policy_kwargs.net_arch=[16]", "learning_starts=30", "batch_size=16", "buffer_size=500"]


def train_arguments(*others: str) -> list[str]:
    """Give a tiny run's arguments, where ``others`` do not say otherwise."""
    given = {other.split("=")[0] for other in others}
    small = {"--steps": "200", "--tasks": "2", "--eval-every": "100", "--eval-episodes": "1"}
    defaults = [part for flag, value in small.items() if flag not in given for part in (flag, value)]
    options = [] if "--agent" in given else ["--agent-options", *TINY]
    return ["train", *others, *defaults, "--quiet", *options]


def assert_refused(arguments, capsys, *words):
    """Check for exit status 2 and one line of error with all the words; gives the line."""
    capsys.readouterr()
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    lines = said.err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), said.err
    for word in words:
        assert word in lines[0]
    return lines[0]
