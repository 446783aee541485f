"""The curriculum wrapper: exact continuation, bounded memory, and refusal of numbers that are not finite."""

import logging

import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv
from training_toys import Faulty, Moody, Payday, Recorded, random_actions

from lifelong_rl.envs import TaskEnv, family, make_vec
from lifelong_rl.envs.batched.sb3 import BatchedVecEnv
from lifelong_rl.envs.state import state_from_bytes, state_to_bytes
from lifelong_rl.training import curriculum as curriculum_module
from lifelong_rl.training.curriculum import Curriculum, NonFiniteError
from lifelong_rl.training.sources import FixedTask

SPACE = Payday.task_space


def fresh(family="training_toys:Payday", n_envs=2, seed=5):
    return Curriculum(make_vec(family, n_envs), np.random.default_rng(seed))


def play(curriculum, actions):
    """Give all that a learner sees: observations, rewards and ends of each step."""
    return [tuple(part.copy() for part in curriculum.step(action)[:3]) for action in actions]


def assert_same_bits(one, other):
    assert len(one) == len(other)
    for step, (ours, theirs) in enumerate(zip(one, other, strict=True)):
        for a, b in zip(ours, theirs, strict=True):
            assert a.dtype == b.dtype and a.tobytes() == b.tobytes(), f"step {step}"


def continued(state, resumed, actions, source):
    saved = state_from_bytes(state_to_bytes(state))
    observations = resumed.load_state_dict(saved, source)
    assert observations.tobytes() == saved["episodes"]["observations"].tobytes()
    return play(resumed, actions), resumed.take_finished()


def assert_continues_identically(curriculum, resume_in, source, new_source, n_steps, moments):
    """Play once through; then continue from each of the moments in other environments, and compare."""
    actions = random_actions(curriculum.action_space, n_steps, curriculum.num_envs, seed=8)
    curriculum.start_block(source)
    states, seen = {}, []
    for k, action in enumerate(actions):
        if k in moments:
            states[k] = curriculum.state_dict()
        seen += play(curriculum, [action])
    episodes = curriculum.take_finished()
    for k, state in states.items():
        resumed, finished = continued(state, resume_in(), actions[k:], new_source())
        assert_same_bits(resumed, seen[k:])
        assert finished == [e for e in episodes if e.step > k * curriculum.num_envs]


@pytest.mark.parametrize("reseed_after", [4, 25, 1000])
@pytest.mark.parametrize("n_envs", [1, 3])
def test_fresh_environments_continue_identically_from_any_moment(reseed_after, n_envs, monkeypatch):
    monkeypatch.setattr(curriculum_module, "RESEED_AFTER", reseed_after)
    moments = {0, 1, 2, *np.random.default_rng(n_envs).integers(150, size=25).tolist()}
    assert_continues_identically(
        fresh(n_envs=n_envs),
        lambda: fresh(n_envs=n_envs, seed=77),
        Recorded(SPACE),
        lambda: Recorded(SPACE, seed=77),
        n_steps=150,
        moments=moments,
    )


@pytest.mark.parametrize("family_name", ["cartpole-physics", "pendulum-physics"])
def test_instances_over_arrays_continue_identically_from_any_moment(family_name, monkeypatch):
    monkeypatch.setattr(curriculum_module, "RESEED_AFTER", 25)
    space = family(family_name).task_space

    def made(seed):
        return Curriculum(make_vec(family_name, 3, max_episode_steps=30), np.random.default_rng(seed))

    assert type(made(0).venv) is BatchedVecEnv
    assert_continues_identically(
        made(5),
        lambda: made(77),
        Recorded(space),
        lambda: Recorded(space, seed=77),
        n_steps=120,
        moments={0, 1, 2, 29, 30, 31, 60, 97, 119},
    )


@pytest.mark.parametrize("ending", ["terminal", "time limit"])
def test_a_fixed_task_continues_identically_across_reseeding(ending, monkeypatch):
    monkeypatch.setattr(curriculum_module, "RESEED_AFTER", 10)
    task = SPACE.task({"pay": 2.0, "length": 4, "ending": ending})
    assert_continues_identically(
        fresh(),
        lambda: fresh(seed=77),
        FixedTask(task),
        lambda: FixedTask(task),
        n_steps=80,
        moments=set(range(0, 80, 7)),
    )


def test_environments_in_processes_continue_identically(three_processes, monkeypatch):
    monkeypatch.setattr(curriculum_module, "RESEED_AFTER", 15)
    assert_continues_identically(
        Curriculum(three_processes, np.random.default_rng(5)),
        lambda: Curriculum(three_processes, np.random.default_rng(6)),
        Recorded(SPACE),
        lambda: Recorded(SPACE, seed=77),
        n_steps=60,
        moments={0, 1, 20, 41, 59},
    )


def test_processes_give_the_same_steps_as_environments_in_this_process(three_processes):
    actions = random_actions(spaces.Discrete(3), 80, 3)
    seen = []
    for curriculum in (Curriculum(three_processes, np.random.default_rng(5)), fresh(n_envs=3)):
        curriculum.start_block(Recorded(SPACE))
        seen.append((play(curriculum, actions), curriculum.take_finished()))
    assert_same_bits(seen[0][0], seen[1][0])
    assert seen[0][1] == seen[1][1]


def test_a_saved_state_does_not_change_when_the_environments_go_on(monkeypatch):
    monkeypatch.setattr(curriculum_module, "RESEED_AFTER", 5)
    curriculum = fresh()
    actions = random_actions(curriculum.action_space, 60, 2)
    curriculum.start_block(Recorded(SPACE))
    play(curriculum, actions[:21])
    state = curriculum.state_dict()
    before = state_to_bytes(state)
    play(curriculum, actions[21:])
    assert state_to_bytes(state) == before


def test_continuing_twice_from_one_state_is_the_same_as_once():
    actions = random_actions(spaces.Discrete(3), 90, 2)
    curriculum = fresh()
    curriculum.start_block(Recorded(SPACE))
    play(curriculum, actions[:30])
    middle = fresh(seed=7)
    middle.load_state_dict(curriculum.state_dict(), Recorded(SPACE))
    play(middle, actions[30:50])
    last = fresh(seed=8)
    last.load_state_dict(middle.state_dict(), Recorded(SPACE))
    assert_same_bits(play(last, actions[50:]), play(curriculum, actions[30:])[20:])


def test_blocks_after_a_continuation_start_alike():
    actions = random_actions(spaces.Discrete(3), 40, 2)
    curriculum, resumed = fresh(), fresh(seed=77)
    curriculum.start_block(Recorded(SPACE))
    play(curriculum, actions[:15])
    resumed.load_state_dict(curriculum.state_dict(has_episodes=False), None)
    for one in (curriculum, resumed):
        one.take_finished()
        one.start_block(Recorded(SPACE, seed=3))
    assert_same_bits(play(curriculum, actions), play(resumed, actions))
    assert curriculum.take_finished() == resumed.take_finished()


def test_the_log_of_actions_stays_bounded(monkeypatch):
    monkeypatch.setattr(curriculum_module, "RESEED_AFTER", 50)
    curriculum = fresh(n_envs=3)
    curriculum.start_block(Recorded(SPACE))
    longest = 0
    for action in random_actions(curriculum.action_space, 2000, 3):
        curriculum.step(action)
        longest = max(longest, len(curriculum._actions))
    n_saved = len(curriculum.state_dict()["episodes"]["actions"])
    n_tasks = sum(map(len, curriculum._tasks))
    # between anchors of an environment lie 50 steps and at most two episodes; dropping waits for 50 more
    assert longest <= 50 + 2 * 6 + 50 + 6
    assert n_saved <= 50 + 2 * 6
    assert n_tasks <= 3 * (50 + 2 * 6)


def test_an_environment_that_is_not_deterministic_is_warned_of_and_the_run_goes_on(caplog):
    actions = random_actions(spaces.Discrete(3), 60, 2)
    curriculum, resumed = fresh("training_toys:Moody"), fresh("training_toys:Moody")
    curriculum.start_block(Recorded(Moody.task_space))
    play(curriculum, actions[:21])
    with caplog.at_level(logging.WARNING):
        resumed.load_state_dict(curriculum.state_dict(), Recorded(Moody.task_space))
    assert "did not come back to the same observations" in caplog.text
    play(resumed, actions[21:])
    assert resumed.take_finished()


def test_a_deterministic_environment_is_not_warned_of(caplog):
    curriculum, resumed = fresh(), fresh(seed=77)
    curriculum.start_block(Recorded(SPACE))
    play(curriculum, random_actions(spaces.Discrete(3), 21, 2))
    resumed.load_state_dict(curriculum.state_dict(), Recorded(SPACE))
    assert caplog.text == ""


# Numbers that are not finite


def faulty(fault, n_envs=3):
    curriculum = Curriculum(make_vec("training_toys:Faulty", n_envs), np.random.default_rng(0))
    healthy, sick = (Faulty.task_space.task({"fault": f}) for f in ("nothing", fault))

    class SecondIsSick(FixedTask):
        is_fixed = False

        def next(self, n, step):
            return [healthy, sick, healthy][:n] if n > 1 else [self.task]

    return curriculum, SecondIsSick(healthy), sick


@pytest.mark.parametrize(
    ("fault", "what", "step"),
    [
        ("nan observation", "an observation", 9),
        ("nan reward", "a reward", 9),
        ("inf reward", "a reward", 9),
        ("nan last observation", "a last observation", 15),
        ("score of 2", "the score 2.0", 15),
    ],
)
def test_a_number_that_is_not_finite_is_refused_with_environment_task_and_step(fault, what, step):
    curriculum, source, sick = faulty(fault)
    curriculum.start_block(source)
    with pytest.raises(NonFiniteError) as caught:
        play(curriculum, [np.zeros(3, int)] * 6)
    message = str(caught.value)
    assert "environment 1 " in message and what in message
    assert f"step {step}" in message and repr(sick.id) in message and fault in message


def test_a_first_observation_that_is_not_finite_is_refused():
    curriculum, source, _sick = faulty("nan first observation")
    with pytest.raises(NonFiniteError, match="environment 1 gave a first observation that is not finite"):
        curriculum.start_block(source)


def test_a_first_observation_inside_a_block_names_the_task_that_begins():
    curriculum = Curriculum(make_vec("training_toys:Faulty", 1), np.random.default_rng(0))
    healthy, sick = (Faulty.task_space.task({"fault": f}) for f in ("nothing", "nan first observation"))
    tasks = iter([healthy, sick, healthy, healthy])

    class InTurn(FixedTask):
        is_fixed = False

        def next(self, n, step):
            return [next(tasks) for _ in range(n)]

    curriculum.start_block(InTurn(healthy))
    with pytest.raises(
        NonFiniteError, match=f"observation that is not finite .* at step 5, playing task '{sick.id}'"
    ):
        play(curriculum, [np.zeros(1, int)] * 6)


@pytest.mark.parametrize("n_envs", [3, 60])
def test_huge_numbers_whose_sum_overflows_are_no_alarm(n_envs):
    curriculum = Curriculum(make_vec("training_toys:Faulty", n_envs), np.random.default_rng(0))
    curriculum.start_block(FixedTask(Faulty.task_space.task({"fault": "huge observation"})))
    steps = play(curriculum, [np.zeros(n_envs, int)] * 12)
    assert max(observations.max() for observations, *_ in steps) == np.float32(3e38)
    assert len(curriculum.finished) == 2 * n_envs


def test_one_number_among_many_that_is_not_finite_is_found():
    curriculum = Curriculum(make_vec("training_toys:Faulty", 60), np.random.default_rng(0))
    curriculum.start_block(FixedTask(Faulty.task_space.task({"fault": "nan observation"})))
    with pytest.raises(NonFiniteError, match="environment 0"):
        play(curriculum, [np.zeros(60, int)] * 3)


# Misuse


def test_a_step_before_any_block_is_refused():
    with pytest.raises(ValueError, match="start_block"):
        fresh().reset()


class DictEnv(Payday):
    def __init__(self):
        super().__init__()
        self.observation_space = spaces.Dict({"x": spaces.Box(-1, 1, (1,))})


def test_an_observation_of_several_arrays_is_refused():
    with pytest.raises(ValueError, match="observation is one array"):
        Curriculum(DummyVecEnv([DictEnv]), np.random.default_rng(0))


class Careless(Payday):
    def step(self, action):
        observation, reward, terminated, truncated, info = TaskEnv.step(self, action)
        info.pop("score", None)
        return observation, reward, terminated, truncated, info


def test_an_environment_whose_infos_lack_a_field_is_refused_by_its_name():
    curriculum = Curriculum(DummyVecEnv([Careless]), np.random.default_rng(0))
    curriculum.start_block(Recorded(SPACE))
    with pytest.raises(ValueError, match="lacks 'score'"):
        play(curriculum, [np.zeros(1, int)] * 7)


def test_a_crash_in_a_process_is_one_error_and_closing_does_not_hang():
    venv = make_vec("training_toys:Faulty", 1, parallel=True)
    curriculum = Curriculum(venv, np.random.default_rng(0))
    curriculum.start_block(FixedTask(Faulty.task_space.task({"fault": "crash"})))
    with pytest.raises(ChildProcessError, match="process of a training environment ended"):
        play(curriculum, [np.zeros(1, int)] * 6)
    curriculum.close()
    assert not any(process.is_alive() for process in venv.processes)


@pytest.mark.slow
def test_closing_in_the_middle_of_a_step_does_not_hang():
    venv = make_vec("training_toys:Payday", 1, parallel=True)
    curriculum = Curriculum(venv, np.random.default_rng(0))
    curriculum.start_block(Recorded(SPACE))
    curriculum.step_async(np.zeros(1, int))
    venv.remotes[0].recv()  # as a Ctrl-C between the answer and the end of the step leaves it
    curriculum.close()
    assert not venv.processes[0].is_alive()
