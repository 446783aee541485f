"""Teachers on the command line: check-teacher, composed ones, and one that a user wrote."""

import importlib
import json
import signal
import sys

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lifelong_rl.cli import main
from lifelong_rl.teachers.check import RULES

MODULE = '''
"""A user's teacher, in twenty lines."""

import numpy as np

from lifelong_rl.teachers import Teacher


class Ladder(Teacher):
    """Draws near a task that moves towards the hardest one played with a score of at least ``enough``."""

    def __init__(self, enough=0.1, spread=0.2):
        self.enough = enough
        self.spread = spread

    def reset(self, space, rng):
        super().reset(space, rng)
        self.rung = np.full(space.dimension, 0.5)

    def sample(self, n=1):
        return np.clip(self.rung + self.rng.normal(0.0, self.spread, (n, self.space.dimension)), 0.0, 1.0)

    def update(self, tasks, outcomes):
        tasks = self.checked(tasks, outcomes)
        for task in tasks[outcomes.scores >= self.enough]:
            self.rung = 0.9 * self.rung + 0.1 * task

    def diagnostics(self):
        return {"rung": float(self.rung[0])}

    def state_dict(self):
        return {**super().state_dict(), "rung": self.rung.copy()}

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.rung = state["rung"].copy()


class Careless(Ladder):
    """Leaves the cube, and forgets to save where it stands."""

    def sample(self, n=1):
        return self.rung + self.rng.normal(0.0, self.spread, (n, self.space.dimension))

    def state_dict(self):
        return super(Ladder, self).state_dict()


class Ragged(Ladder):
    """Gives one row where several are asked for."""

    def sample(self, n=1):
        return self.rung.copy()


class Hopeless(Ladder):
    """Raises at its first episode."""

    def update(self, tasks, outcomes):
        return {}["boom"]


class Hoarder(Ladder):
    """Keeps what no checkpoint can hold."""

    def state_dict(self):
        return {**super().state_dict(), "seen": {1, 2}}


nobody = None
'''

TINY = ["policy_kwargs.net_arch=[16]", "learning_starts=30", "batch_size=16", "buffer_size=1000"]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder to work in that holds the user's module, on the Python path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "my_module.py").write_text(MODULE)
    monkeypatch.delitem(sys.modules, "my_module", raising=False)
    return tmp_path


def arguments(curriculum, *others, runs="runs", steps=400):
    return [
        *("train", "--env", "point-goal", "--curriculum", curriculum, "--steps", str(steps), "--tasks", "2"),
        *("--eval-every", "400", "--eval-episodes", "1", "--checkpoint-every", "100", "--log-every", "100"),
        *("--runs", str(runs), "--quiet", *others, "--agent-options", *TINY),
    ]


def logs(run):
    return {name: (run / name).read_bytes() for name in ("episodes.jsonl", "evaluations.jsonl")}


def curves(run):
    """Give TensorBoard's teacher curves: (step, value) by tag."""
    events = EventAccumulator(str(run), size_guidance={"scalars": 0})
    events.Reload()
    tags = [tag for tag in events.Tags()["scalars"] if tag.startswith("teacher/")]
    # the time a teacher takes is no part of what a run repeats
    return {
        tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in tags if "time" not in tag and "us" not in tag
    }


# check-teacher


def test_a_good_teacher_gets_a_line_a_rule_and_status_0(place, capsys):
    assert main(["check-teacher", "my_module:Ladder", "--option", "spread=0.3"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()

    assert len(lines) == len(RULES) and all(line.startswith("ok ") for line in lines)
    assert "my_module:Ladder keeps all rules" in last and "us of CPU time an episode" in last


def test_a_bad_teacher_is_told_each_rule_that_it_breaks_and_gets_status_1(place, capsys):
    assert main(["check-teacher", "my_module:Careless"]) == 1
    *lines, last = capsys.readouterr().out.splitlines()

    broken = [i for i, line in enumerate(lines) if line.startswith("BROKEN ")]
    assert any(line.startswith("ok ") for line in lines)
    assert any("samples a task outside the unit cube" in lines[i + 1] for i in broken)
    assert last == f"my_module:Careless breaks {len(broken)} rules."


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["alp-gm"], "did you mean 'alp-gmm'"),
        (["my_module:Lader"], "did you mean 'Ladder'"),
        (["no_such_module:Teacher"], "does not import"),
        (["my_module:nobody"], "must be a subclass of"),
        (["my_module:Ladder", "--option", "spred=1"], "did you mean 'spread'"),
        (["alp-gmm", "--option", "fit_every=0"], "fit_every of ALPGMM must be at least 1"),
        (["mixture", "--option", 'teachers=["randm"]'], "did you mean 'random'"),
        (["random", "--option", "spread"], "key=value"),
        (["alp-kde", "--option", "jitter=abc"], "jitter of ALPKDE must be a number, found 'abc'"),
        (["covar-gmm", "--option", "absolute=no"], "absolute of CovarGMM must be True or False, found 'no'"),
        (["random", "--seed", "-1"], "the seed must be at least 0, found -1"),
    ],
)
def test_a_teacher_that_there_is_not_is_one_error_and_status_2(given, words, place, capsys):
    assert main(["check-teacher", *given]) == 2
    said = capsys.readouterr()

    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith("error: ") and words in line


# A teacher of the user's own


def test_a_users_teacher_trains_shows_its_curves_and_resumes_as_if_it_had_never_stopped(place, monkeypatch, capsys):
    own = ["my_module:Ladder", "--teacher-options", "spread=0.3"]
    assert main(arguments(*own, runs="whole")) == 0
    whole = place / "whole" / "point-goal" / "dqn-Ladder-s0"
    with monkeypatch.context() as patch:
        stop_after(15, patch)
        assert main(arguments(*own, runs="stopped")) == 128 + signal.SIGTERM
    run = place / "stopped" / "point-goal" / "dqn-Ladder-s0"
    assert "lifelong-rl resume" in capsys.readouterr().err
    assert not (run / "metrics.json").exists()

    assert main(["resume", str(run), "--quiet"]) == 0

    assert logs(run) == logs(whole)
    assert len(curves(whole)["teacher/rung"]) >= 3
    assert curves(run) == curves(whole)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Ragged", "failed at sample: sample(1) gave 2 tasks"),
        ("Hopeless", "failed at update: update raised KeyError: 'boom' (my_module.py, line "),
        (
            "Hoarder",
            "failed at state_dict: state_to_bytes raised TypeError: state.seen is a set; a state holds arrays",
        ),
    ],
)
def test_a_teacher_that_fails_in_training_is_one_sentence_with_its_name(name, words, place, capsys):
    given = ["--env", "toy-grid", "--agent", "simulated", "--curriculum", f"my_module:{name}"]
    assert main(["train", *given, "--steps", "50", "--tasks", "2", "--eval-episodes", "1", "--quiet"]) == 2
    error = next(line for line in capsys.readouterr().err.splitlines() if line.startswith("error: "))
    assert error.startswith(f"error: the teacher 'my_module:{name}' {words}")
    assert f"`lifelong-rl check-teacher my_module:{name}` says" in error


def stop_after(n_updates, patch):
    """Send this process SIGTERM when the user's teacher hears of episodes for the n-th time."""
    ladder = importlib.import_module("my_module").Ladder
    update = ladder.update
    calls = []

    def update_and_stop(self, tasks, outcomes):
        update(self, tasks, outcomes)
        calls.append(len(tasks))
        if len(calls) == n_updates:
            signal.raise_signal(signal.SIGTERM)

    patch.setattr(ladder, "update", update_and_stop)


# Teachers made of teachers


def test_composed_teachers_are_named_on_the_command_line_and_rebuilt_from_the_run_folder(place):
    options = [
        'teachers=[{"name":"restriction","teacher":"my_module:Ladder","bounds":{"goal_x":[0.0,1.0]}},"random"]',
        'until=[{"episodes":6}]',
    ]
    assert main(arguments("sequence", "--teacher-options", *options)) == 0
    run = place / "runs" / "point-goal" / "dqn-sequence-s0"
    before = logs(run)
    (block,) = json.loads((run / "config.json").read_text())["scenario"]["blocks"]
    assert block["teacher_options"]["teachers"][0]["bounds"] == {"goal_x": [0.0, 1.0]}
    assert curves(run)["teacher/stage"][-1][1] == 1.0
    assert "teacher/restriction/Ladder/rung" in curves(run)
    assert all(json.loads(line)["params"]["goal_x"] >= 0.0 for line in before["episodes.jsonl"].splitlines()[:6])

    (run / "checkpoints" / f"{400:012d}" / "run.npz").unlink()  # back to the one before
    assert main(["resume", str(run), "--quiet"]) == 0
    assert logs(run) == before


def test_a_scenario_file_composes_teachers(place):
    (place / "scenario.toml").write_text("""
family = "point-goal"
evaluation_tasks = 2

[[blocks]]
steps = 100
teacher = "mixture"
teacher_options = { teachers = ["random", { name = "alp-gmm", fit_every = 10, max_gaussians = 2 }], weights = [1, 3] }
""")
    given = ["--scenario", "scenario.toml", "--eval-episodes", "1", "--quiet", "--agent-options", *TINY]
    assert main(["train", *given]) == 0
    assert (place / "runs" / "point-goal" / "dqn-mixture-s0" / "metrics.json").is_file()
