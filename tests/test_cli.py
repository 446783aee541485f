"""The command line: bad input is one clear error, plug-ins work, and help is quick."""

import json
import sys
from pathlib import Path

import pytest
from cli_toys import TINY, assert_refused, train_arguments

from lifelong_rl.cli import main


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder to work in, on the Python path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


# Bad input, before anything is written

BAD_ARGUMENTS = {
    "unknown env": (["--env", "point-gaol"], ["'point-gaol'", "did you mean 'point-goal'"]),
    "unknown agent": (["--agent", "dqm"], ["'dqm'", "did you mean 'dqn'"]),
    "unknown component": (["--components", "distilation"], ["'distilation'", "did you mean 'distillation'"]),
    "unknown teacher": (["--curriculum", "alp-gm"], ["'alp-gm'", "did you mean 'alp-gmm'"]),
    "unknown scenario": (["--scenario", "condenced"], ["'condenced'", "did you mean 'condensed'"]),
    "unknown component option": (
        ["--components", "distillation", "--component-options", "distillation.n_sates=3"],
        ["'n_sates'", "did you mean 'n_states'"],
    ),
    "options of another component": (
        ["--components", "distillation", "--component-options", "reservoir-replay.share=3"],
        ["'reservoir-replay'", "distillation"],
    ),
    "component option without a name": (
        ["--components", "distillation", "--component-options", "distillation=3"],
        ["distillation.option=value"],
    ),
    "component option of another type": (
        ["--components", "reservoir-replay", "--component-options", "reservoir-replay.n_per_task=many"],
        ["n_per_task", "many"],
    ),
    "component option out of range": (
        ["--components", "reservoir-replay", "--component-options", "reservoir-replay.n_per_task=0"],
        ["n_per_task"],
    ),
    "unknown teacher option": (
        ["--curriculum", "alp-gmm", "--teacher-options", "fit_evry=3"],
        ["'fit_evry'", "did you mean 'fit_every'"],
    ),
    "teacher option out of range": (
        ["--curriculum", "alp-gmm", "--teacher-options", "fit_every=0"],
        ["fit_every", "at least 1"],
    ),
    "teacher option of another type": (
        ["--curriculum", "alp-gmm", "--teacher-options", "fit_every=often"],
        ["fit_every", "often"],
    ),
    "unknown env option": (
        ["--env-options", "max_episode_step=3"],
        ["'max_episode_step'", "did you mean 'max_episode_steps'"],
    ),
    "env option of another type": (["--env-options", "max_episode_steps=long"], ["max_episode_steps", "long"]),
    "env option out of range": (["--env-options", "max_episode_steps=0"], ["max_episode_steps", "at least 1"]),
    "option without a value": (["--env-options", "max_episode_steps"], ["key=value", "'max_episode_steps'"]),
    "component that needs another agent": (
        ["--agent", "ppo", "--components", "reservoir-replay"],
        ["ReservoirReplay", "requires off_policy"],
    ),
    "component that needs boundaries": (
        ["--components", "reservoir-replay", "--visibility", "none"],
        ["'reservoir-replay'", "requires boundary"],
    ),
    "component twice": (["--components", "distillation,distillation"], ["'distillation'", "twice"]),
    "agent for other actions": (["--env", "pendulum-physics"], ["'dqn'", "discrete", "continuous"]),
    "steps that tasks cannot share": (["--tasks", "3"], ["3 tasks", "200"]),
    "steps that environments cannot share": (["--n-envs", "3"], ["n_envs=3", "100"]),
    "no tasks": (["--tasks", "0"], ["at least one task", "0"]),
    "less than no tasks": (["--tasks=-2"], ["at least one task", "-2"]),
    "less than no test tasks": (["--curriculum", "random", "--tasks=-2"], ["at least one task", "-2"]),
    "negative steps": (["--steps=-4"], ["steps", "at least 1", "-4"]),
    "negative seed": (["--seed=-1"], ["seed", "-1"]),
    "no environments": (["--n-envs", "0"], ["n_envs must be at least 1"]),
    "no evaluation": (["--eval-every", "0"], ["eval_every must be at least 1"]),
    "no evaluation episodes": (["--eval-episodes=-1"], ["eval_episodes must be at least 1"]),
    "visible task in a hidden scenario": (
        ["--visibility", "none", "--observe-task", "one-hot"],
        ["one-hot", "visibility"],
    ),
    "one-hot with a teacher": (["--curriculum", "random", "--observe-task", "one-hot"], ["one-hot", "vector"]),
    "curriculum beside condensed": (["--scenario", "condensed", "--curriculum", "random"], ["--curriculum"]),
    "tasks beside single": (["--scenario", "single", "--tasks", "2"], ["--tasks", "'single'"]),
    "unknown scenario option": (
        ["--scenario", "dispersed", "--scenario-options", "cycle=2"],
        ["'cycle'", "did you mean 'cycles'"],
    ),
    "option of another scenario": (
        ["--scenario", "dispersed", "--scenario-options", "n_active=2"],
        ["'n_active'", "'dispersed'", "cycles"],
    ),
    "scenario option that has a flag": (["--scenario-options", "n_tasks=3"], ["'n_tasks'", "use --tasks"]),
    "scenario option of another type": (
        ["--scenario", "dispersed", "--scenario-options", "cycles=often"],
        ["cycles", "'often'"],
    ),
    "scenario option out of range": (
        ["--scenario", "recurring", "--scenario-options", "n_active=0"],
        ["n_active", "at least 1"],
    ),
    "scenario that is no function": (["--scenario", "plug:nothing"], ["plug:nothing", "function", "None"]),
    "scenario that gives none": (["--scenario", "plug:NoTeacher"], ["plug:NoTeacher", "Scenario"]),
    "plug-in that does not import": (
        ["--curriculum", "no_such_module:Teacher"],
        ["no_such_module", "does not import"],
    ),
    "plug-in without its class": (["--curriculum", "plug:Taecher"], ["'Taecher'", "did you mean 'Teacher'"]),
    "plug-in that is no teacher": (["--curriculum", "plug:NoTeacher"], ["subclass of", "Teacher"]),
    "plug-in that is no component": (["--components", "plug:NoTeacher"], ["subclass of Component"]),
    "plug-in that is no environment": (["--env", "plug:NoTeacher"], ["subclass of", "TaskEnv"]),
    "plug-in that is no agent": (["--agent", "plug:NoTeacher"], ["LifelongAgent", "NoTeacher"]),
    "plug-in that is no class": (["--agent", "plug:nothing"], ["LifelongAgent"]),
    "plug-in that needs an argument": (["--components", "plug:Needy"], ["plug:Needy", "n_states"]),
    "plug-in that forgets an argument": (
        ["--components", "plug:Forgetful"],
        ["Forgetful", "must store its argument 'n_states'"],
    ),
    "plug-in that does not parse": (["--curriculum", "broken:Teacher"], ["broken:Teacher", "SyntaxError"]),
}

PLUG = """
from lifelong_rl.agents.component import Component
from lifelong_rl.teachers import Teacher

nothing = None

class NoTeacher:
    def __init__(self, family, n_tasks, steps):
        pass

class Needy(Component):
    def __init__(self, n_states):
        self.n_states = n_states

class Forgetful(Component):
    def __init__(self, n_states=3):
        pass
"""


@pytest.mark.parametrize("case", BAD_ARGUMENTS)
def test_bad_arguments_are_one_clear_error_and_leave_no_folder(case, place, capsys):
    (place / "plug.py").write_text(PLUG)
    (place / "broken.py").write_text("def f(:\n")
    others, words = BAD_ARGUMENTS[case]
    assert_refused(train_arguments(*others), capsys, *words)
    assert not (place / "runs").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["learning_rte=0.1"], ["'learning_rte'", "did you mean 'learning_rate'"]),
        (["seed=3"], ["'seed'"]),
        (["components=[]"], ["'components'"]),
        (["buffer_size=large"], ["buffer_size", "large"]),
        (["learning_rate=fast"], ["learning_rate", "fast"]),
        (["policy_kwargs=3"], ["policy_kwargs", "3"]),
        (["policy_kwargs=3", "policy_kwargs.net_arch=[3]"], ["policy_kwargs"]),
        (["policy_kwargs.net_arc=[3]"], ["net_arc"]),
        (["policy_kwargs.activation_fn=ReLU"], ["activation_fn"]),
    ],
)
def test_bad_agent_options_are_one_clear_error_and_leave_no_folder(options, words, place, capsys):
    assert_refused(["train", "--tasks", "2", "--steps", "200", "--agent-options", *options], capsys, *words)
    assert not (place / "runs").exists()


SCENARIO = """
family = "point-goal"
evaluation_tasks = 2

[[blocks]]
steps = 60
task = { goal_x = 0.5, goal_y = 0.5 }
name = "corner"

[[blocks]]
steps = 60
teacher = "alp-gmm"
teacher_options = { fit_every = 20, max_gaussians = 2 }
bounds = { goal_x = [0.0, 1.0], goal_y = 0.25 }
"""

BAD_SCENARIOS = {
    "syntax": (SCENARIO + "\nblocks = [", ["not valid TOML"]),
    "not even text": (b"\xff\xfe", ["scenario.toml"]),
    "no family": (SCENARIO.replace("family", "# family"), ["missing: family"]),
    "no blocks": ('family = "point-goal"', ["missing: blocks"]),
    "empty blocks": ('family = "point-goal"\nblocks = []', ["at least one block"]),
    "no steps": (SCENARIO.replace("steps = 60\ntask", "task"), ["missing: steps"]),
    "misspelt key": (SCENARIO.replace("evaluation_tasks", "evaluation_task"), ["did you mean 'evaluation_tasks'"]),
    "misspelt block key": (SCENARIO.replace("teacher_options", "teacher_option"), ["did you mean 'teacher_options'"]),
    "unknown family": (SCENARIO.replace("point-goal", "point-gaol"), ["did you mean 'point-goal'"]),
    "unknown teacher": (SCENARIO.replace('"alp-gmm"', '"alpgmm"'), ["did you mean 'alp-gmm'"]),
    "unknown feature": (SCENARIO.replace("goal_x = 0.5", "gaol_x = 0.5"), ["did you mean 'goal_x'"]),
    "feature out of bounds": (SCENARIO.replace("goal_x = 0.5", "goal_x = 1.5"), ["'goal_x'", "[-1, 1]", "1.5"]),
    "feature of another type": (SCENARIO.replace("goal_x = 0.5", 'goal_x = "east"'), ["'goal_x'", "'east'"]),
    "feature not a number": (SCENARIO.replace("goal_x = 0.5", "goal_x = nan"), ["'goal_x'", "nan"]),
    "bounds out of bounds": (SCENARIO.replace("[0.0, 1.0]", "[0.0, 2.0]"), ["'goal_x'", "2.0"]),
    "bounds upside down": (SCENARIO.replace("[0.0, 1.0]", "[1.0, 0.0]"), ["'goal_x'", "low < high"]),
    "bounds of one number": (SCENARIO.replace("[0.0, 1.0]", "[1.0]"), ["'goal_x'", "(low, high)"]),
    "bounds no table": (
        SCENARIO.replace("bounds = { goal_x = [0.0, 1.0], goal_y = 0.25 }", "bounds = 3"),
        ["bounds"],
    ),
    "steps a text": (SCENARIO.replace("60\ntask", '"many"\ntask'), ["steps", "'many'"]),
    "steps no integer": (SCENARIO.replace("60\ntask", "60.0\ntask"), ["steps", "60.0"]),
    "no steps at all": (SCENARIO.replace("60\ntask", "0\ntask"), ["steps >= 1"]),
    "task no table": (SCENARIO.replace("{ goal_x = 0.5, goal_y = 0.5 }", "3"), ["'task'", "a table", "3"]),
    "task and teacher": (SCENARIO.replace('name = "corner"', 'teacher = "random"'), ["fixed task or a teacher"]),
    "neither": (SCENARIO.replace('teacher = "alp-gmm"', ""), ["fixed task or a teacher"]),
    "family a number": (SCENARIO.replace('"point-goal"', "3"), ["'family'", "a text"]),
    "blocks a number": ('family = "point-goal"\nblocks = 3', ["'blocks'", "a list"]),
    "block a number": ('family = "point-goal"\nblocks = [3]', ["'block'", "a table"]),
    "visibility": (SCENARIO.replace('name = "corner"', 'visibility = "all"'), ["visibility", "'all'"]),
    "observe_task": ('observe_task = "hot"\n' + SCENARIO, ["observe_task", "'hot'"]),
    "no evaluation tasks": (SCENARIO.replace("tasks = 2", "tasks = 0"), ["at least one evaluation task"]),
    "negative evaluation tasks": (SCENARIO.replace("tasks = 2", "tasks = -2"), ["at least one evaluation task"]),
    "evaluation tasks a text": (SCENARIO.replace("tasks = 2", 'tasks = "all"'), ["evaluation_tasks", "'all'"]),
    "evaluation task without task": (SCENARIO.replace("tasks = 2", "tasks = [{ goal_x = 0.1 }]"), ["task = {"]),
    "two names for one point": (
        SCENARIO.replace("tasks = 2", 'tasks = [{ name = "other", task = { goal_x = 0.5, goal_y = 0.5 } }]'),
        ["'corner'", "'other'", "same point"],
    ),
    "one name for two points": (
        SCENARIO.replace("tasks = 2", 'tasks = [{ name = "corner", task = { goal_x = 0.1 } }]'),
        ["two different tasks are called 'corner'"],
    ),
    "unknown env option": ("env_options = { speed = 3 }\n" + SCENARIO, ["'speed'"]),
    "one-hot with a teacher": ('observe_task = "one-hot"\n' + SCENARIO, ["one-hot", "vector"]),
    "teacher option": (SCENARIO.replace("fit_every = 20", "fit_every = 0"), ["fit_every", "at least 1"]),
}


@pytest.mark.parametrize("case", BAD_SCENARIOS)
def test_a_bad_scenario_file_is_one_clear_error_and_leaves_no_folder(case, place, capsys):
    text, words = BAD_SCENARIOS[case]
    (place / "scenario.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert_refused(["train", "--scenario", "scenario.toml", "--agent-options", *TINY], capsys, *words)
    assert not (place / "runs").exists()


@pytest.mark.parametrize(
    "flags", [["--tasks", "3"], ["--env-options", "a=1"], ["--teacher-options", "a=1"], ["--scenario-options", "a=1"]]
)
def test_a_flag_that_a_scenario_file_overrules_is_refused(flags, place, capsys):
    (place / "scenario.toml").write_text(SCENARIO)
    assert_refused(["train", "--scenario", "scenario.toml", *flags], capsys, flags[0])


def test_a_scenario_file_trains_and_is_reported(place, capsys):
    (place / "scenario.toml").write_text(SCENARIO)
    arguments = ["train", "--scenario", "scenario.toml", "--eval-episodes", "1", "--quiet", "--agent-options", *TINY]
    assert main(arguments) == 0
    run = place / "runs" / "point-goal" / "dqn-alp-gmm-s0"
    blocks = json.loads((run / "config.json").read_text())["scenario"]["blocks"]
    assert [block["steps"] for block in blocks] == [60, 60]
    episodes = [json.loads(line) for line in (run / "episodes.jsonl").read_text().splitlines()]
    assert {e["task"] for e in episodes if e["block"] == 0} == {"corner"}
    drawn = [e["params"] for e in episodes if e["block"] == 1]
    assert drawn and all(0.0 <= p["goal_x"] <= 1.0 and p["goal_y"] == 0.25 for p in drawn)
    evaluated = {json.loads(line)["task"] for line in (run / "evaluations.jsonl").read_text().splitlines()}
    assert evaluated == {"east", "west"}
    assert "dqn on point-goal (alp-gmm)" in capsys.readouterr().out
    # the same again: refused, with what to do, and nothing lost
    before = (run / "episodes.jsonl").read_bytes()
    assert_refused(
        arguments, capsys, "exists and is not empty", f"lifelong-rl resume {Path('runs', *run.parts[-2:])}"
    )
    assert (run / "episodes.jsonl").read_bytes() == before


# Bad folders


def test_folders_that_hold_no_run_are_refused(place, capsys):
    (place / "empty").mkdir()
    (place / "file").write_text("")
    assert_refused(["resume", "nowhere"], capsys, "nowhere is not a run folder")
    assert_refused(["resume", "empty"], capsys, "empty is not a run folder")
    assert_refused(["train", "--scenario", "nothing.toml"], capsys, "nothing.toml does not exist")
    assert_refused(["report", "nowhere"], capsys, "nowhere does not exist")
    assert_refused(["report", "empty"], capsys, "no run folder")
    assert_refused(train_arguments("--runs", "file"), capsys, "file")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"version": 1}',
        '{"version": 1, "scenario": 3, "agent": {}}',
        '{"version": 1, "scenario": {"name": "s", "family": "point-goal", "blocks": [{"steps": 3, "task": {}}]}}',
        '{"version": 99}',
    ],
)
def test_a_damaged_configuration_is_one_clear_error(text, place, capsys):
    (place / "run").mkdir()
    (place / "run" / "config.json").write_text(text)
    (place / "run" / "evaluations.jsonl").write_text("")
    assert_refused(["resume", "run"], capsys, "run")
    assert_refused(["report", "run"], capsys, "run")


# An environment that breaks while it is trained on

SICK = """
import math
import numpy as np
from lifelong_rl.envs.point_goal import PointGoal

class Sick(PointGoal):
    n_steps = 0
    def advance(self, action):
        observation, reward, ended = super().advance(action)
        Sick.n_steps += 1
        return observation, WHAT, ended
"""


def test_an_environment_that_breaks_stops_the_run_and_once_mended_it_goes_on(place, capsys):
    (place / "sick.py").write_text(SICK.replace("WHAT", "math.nan if Sick.n_steps > 150 else reward"))
    assert_refused(
        train_arguments("--env", "sick:Sick", "--checkpoint-every", "40"),
        capsys,
        "environment 0 gave a reward that is not finite (nan)",
        "playing task 'west'",
        "resume",
    )
    run = place / "runs" / "Sick" / "dqn-condensed-s0"
    assert (run / "episodes.jsonl").read_text().count("\n") >= 3
    del sys.modules["sick"]
    (place / "sick.py").write_text(SICK.replace("WHAT", "reward") + "\n# mended\n")
    assert main(["resume", str(run), "--quiet"]) == 0
    del sys.modules["sick"]
    assert main(train_arguments("--env", "sick:Sick", "--checkpoint-every", "40", "--name", "healthy")) == 0
    healthy = place / "runs" / "healthy" / "dqn-condensed-s0"
    for name in ("episodes.jsonl", "evaluations.jsonl"):
        assert (run / name).read_bytes() == (healthy / name).read_bytes()


# A teacher of one's own

TEACHER = '''
import numpy as np
from lifelong_rl.teachers import Teacher

class Hardest(Teacher):
    """Goes on from the tasks with the lowest scores."""

    def __init__(self, spread: float = 0.1):
        self.spread = spread

    def reset(self, space, rng):
        super().reset(space, rng)
        self._worst = np.full(space.dimension, 0.5)

    def sample(self, n=1):
        noise = self.rng.normal(0, self.spread, (n, self.space.dimension))
        return np.clip(self._worst + noise, 0, 1)

    def update(self, tasks, outcomes):
        self._worst = tasks[outcomes.scores.argmin()]

    def state_dict(self):
        return {**super().state_dict(), "worst": self._worst.copy()}

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self._worst = state["worst"]
'''


def test_a_teacher_of_ones_own_trains_and_resumes(place, monkeypatch):
    (place / "hardest.py").write_text(TEACHER)
    own = ["--curriculum", "hardest:Hardest", "--teacher-options", "spread=0.2"]
    assert main(train_arguments(*own, "--checkpoint-every", "60")) == 0
    run = place / "runs" / "point-goal" / "dqn-Hardest-s0"
    block = json.loads((run / "config.json").read_text())["scenario"]["blocks"][0]
    assert (block["teacher"], block["teacher_options"]) == ("hardest:Hardest", {"spread": 0.2})
    whole = [(run / name).read_bytes() for name in ("episodes.jsonl", "evaluations.jsonl")]
    (run / "checkpoints" / f"{200:012d}" / "run.npz").unlink()  # back to the one before
    assert main(["resume", str(run), "--quiet"]) == 0
    assert [(run / name).read_bytes() for name in ("episodes.jsonl", "evaluations.jsonl")] == whole
