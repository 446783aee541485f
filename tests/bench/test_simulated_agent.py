"""The simulated learner trains on the toy grid through the ordinary trainer, and resumes exactly."""

import json

import numpy as np
import pytest
from stable_baselines3.common.callbacks import BaseCallback

from lifelong_rl.agents.base import UNTRAINED
from lifelong_rl.agents.simulated_agent import SimulatedLearner
from lifelong_rl.bench.settings import setting_of
from lifelong_rl.bench.teachers import TEACHER, run_teacher
from lifelong_rl.envs import make_vec
from lifelong_rl.envs.toy_grid import ToyGrid
from lifelong_rl.evaluation.evaluator import Evaluator
from lifelong_rl.scenarios import curriculum
from lifelong_rl.teachers import make_teacher
from lifelong_rl.training.config import AgentConfig, RunConfig
from lifelong_rl.training.curriculum import Curriculum
from lifelong_rl.training.sources import TaughtTasks
from lifelong_rl.training.trainer import resume, train


def learner(n_envs=1, **options):
    return SimulatedLearner(make_vec("toy-grid", n_envs), seed=0, **options)


class Stopping(BaseCallback):
    """Ends training after some steps."""

    def __init__(self, n_steps):
        super().__init__()
        self.n_steps = n_steps

    def _on_step(self):
        assert self.training_env is self.model.get_env()
        return self.num_timesteps < self.n_steps


def test_training_visits_cells_and_acting_does_not():
    agent = learner()
    agent.env.env_method("queue_task", [0.05, 0.05])
    agent.learn_steps(30)
    actions, _ = agent.predict(np.array([[0.05, 0.05], [0.5, 0.5]], dtype=np.float32))

    np.testing.assert_allclose(actions, [[0.3], [0.0]], rtol=1e-6)
    assert agent.learner.n_episodes == agent.num_timesteps == 30
    assert actions.dtype == np.float32


def test_the_score_of_a_training_episode_is_the_competence_after_it():
    agent = learner()
    agent.env.env_method("queue_task", [0.05, 0.05])
    scores = []
    agent.learn_steps(3, lambda given, _: scores.append(agent.env.buf_rews[0].item()))

    assert scores == pytest.approx([0.01, 0.02, 0.03])


def test_what_must_not_be_trained_on_teaches_nothing():
    agent = learner()
    step = agent.env.step_wait

    def step_and_mark():
        observations, rewards, dones, infos = step()
        infos[0][UNTRAINED] = True
        return observations, rewards, dones, infos

    agent.env.step_wait = step_and_mark
    agent.env.env_method("queue_task", [0.05, 0.05])
    agent.learn_steps(5)

    assert agent.learner.competence.max() == 0
    assert agent.learner.n_episodes == 5


def test_an_episode_is_appraised_by_the_learners_expectation():
    agent = learner()
    agent.env.env_method("queue_task", [0.05, 0.05])
    agent.learn_steps(50)
    point = np.array([[0.05, 0.05]] * 2, dtype=np.float32)
    said = agent.appraise(point, np.array([0.51]), is_terminal=True)

    assert said.keys() == agent.gives
    assert said["value"] == pytest.approx(0.41, abs=0.02)
    assert said["positive_value_loss"] == pytest.approx(0.1, abs=0.02)


def test_the_evaluators_success_rate_over_the_cells_is_the_mastery():
    agent = learner()
    agent.env.env_method("queue_task", [0.05, 0.05])
    agent.learn_steps(80)
    agent.env.env_method("queue_task", [0.05, 0.15])
    agent.env.reset()
    agent.continue_from(agent.env.reset(), is_episode_start=True)
    agent.learn_steps(77)
    results = Evaluator(ToyGrid, ToyGrid.standard_tasks(100), n_episodes=1).evaluate(agent)

    assert sum(result.successes[0] for result in results) == agent.learner.mastery == 2.0
    assert agent.diagnose({}) == {"mastery": 2.0}


def test_a_callback_stops_training():
    agent = learner(n_envs=2)
    agent.learn_steps(20, Stopping(6))

    assert agent.num_timesteps == 6


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_dims": 3}, "n_dims must be at most the 2 axes"),
        ({"components": ["ewc"]}, "takes no components"),
        ({"decay": 2.0}, "decay"),
    ],
)
def test_what_makes_no_agent_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        learner(**options)


def test_other_families_are_refused():
    with pytest.raises(ValueError, match="toy-grid families only"):
        SimulatedLearner(make_vec("point-goal", 1, actions="continuous"), seed=0)


def test_a_number_of_steps_that_environments_cannot_share_is_refused():
    with pytest.raises(ValueError, match="multiple of the 2 environments, found 3"):
        learner(n_envs=2).learn_steps(3)


# Through the trainer


def configuration(n_envs):
    scenario = curriculum("toy-grid", teacher="random", steps=1200, n_test_tasks=4)
    agent = AgentConfig("simulated", options={"n_cells": 2, "decay": 0.1})
    return RunConfig(scenario, agent, n_envs=n_envs, eval_every=600, eval_episodes=1, checkpoint_every=250)


class Interrupting:
    """Fails once, after some steps."""

    def __init__(self, at):
        self.at = at

    def __call__(self, given, _):
        if given["self"].num_timesteps >= self.at:
            raise RuntimeError("pulled the plug")


@pytest.mark.parametrize("n_envs", [1, 4])
def test_a_run_that_is_cut_and_resumed_ends_as_one_never_stopped(n_envs, tmp_path):
    config = configuration(n_envs)
    whole = train(config, tmp_path / "whole", show_progress=False)
    with pytest.raises(RuntimeError, match="pulled the plug"):
        train(config, tmp_path / "cut", show_progress=False, callback=Interrupting(at=800))
    cut = resume(tmp_path / "cut", show_progress=False)

    for name in ("episodes.jsonl", "evaluations.jsonl", "metrics.json"):
        assert (whole.path / name).read_bytes() == (cut.path / name).read_bytes()
    evaluated = [json.loads(line) for line in (whole.path / "evaluations.jsonl").read_text().splitlines()]
    assert evaluated[-1]["extra"]["mastery"] > 0


def test_a_curriculum_over_the_environment_is_the_direct_loop():
    """Exactly so for a teacher that hears nothing; others draw each task one episode ahead here."""
    curriculum = Curriculum(make_vec("toy-grid", 1), np.random.default_rng(0))
    teacher_rng = np.random.default_rng(np.random.SeedSequence(5, spawn_key=(TEACHER,)))
    source = TaughtTasks(make_teacher("random"), ToyGrid.task_space, teacher_rng, "random")
    observations = curriculum.start_block(source)
    agent = SimulatedLearner(curriculum, seed=0, n_cells=4)
    agent.continue_from(observations, is_episode_start=True)
    agent.learn_steps(6000)
    episodes = curriculum.take_finished()
    direct = run_teacher("random", setting_of("2d4", 6000), 5, is_traced=True)

    np.testing.assert_allclose([e.task.unit for e in episodes], direct.trace.points, atol=1e-7)
    np.testing.assert_allclose([e.score for e in episodes], direct.trace.scores, atol=1e-6)
    assert agent.learner.mastery == direct.mastery > 20
