"""Every finished episode is credited to the task that was really played."""

import copy

import numpy as np
import pytest
from training_toys import Diary, Payday, Recorded, random_actions

from lifelong_rl.envs import make_vec
from lifelong_rl.envs.state import state_from_bytes, state_to_bytes
from lifelong_rl.training.curriculum import Curriculum
from lifelong_rl.training.sources import FixedTask, TaughtTasks

SPACE = Payday.task_space


class Bookkeeper:
    """Plays random actions and keeps its own books: what was paid from one first observation to the next."""

    def __init__(self, curriculum, seed=0):
        self.curriculum = curriculum
        self.n_played = 0
        self.seed = seed
        self.seen = []

    def start(self, source):
        observations = self.curriculum.start_block(source)
        self.pays = observations[:, 0].tolist()
        self.paid = [[] for _ in self.pays]

    def play(self, n_steps):
        curriculum = self.curriculum
        actions = random_actions(curriculum.action_space, 1000, curriculum.num_envs, self.seed)
        for action in actions[self.n_played : self.n_played + n_steps]:
            observations, rewards, dones, infos = curriculum.step(action)
            self.n_played += 1
            for i, info in enumerate(infos):
                self.paid[i].append(float(rewards[i]))
                if dones[i]:
                    assert info["terminal_observation"][0] == np.float32(self.pays[i])
                    step = self.n_played * curriculum.num_envs
                    self.seen.append((step, i, self.pays[i], self.paid[i], not info["TimeLimit.truncated"]))
                    self.pays[i], self.paid[i] = float(observations[i, 0]), []

    def assert_credited(self, episodes):
        assert len(episodes) == len(self.seen) > 0
        for episode, (step, env, pay, paid, is_terminal) in zip(episodes, self.seen, strict=True):
            params = episode.task.params
            assert (episode.step, episode.env) == (step, env)
            assert np.float32(params["pay"]) == np.float32(pay)
            assert len(paid) == params["length"] == episode.length
            assert episode.episode_return == pytest.approx(sum(paid), rel=1e-5)
            assert episode.episode_return == pytest.approx(params["pay"] * params["length"])
            assert episode.score == (params["pay"] + 8.0) / 16.0
            assert episode.success == is_terminal == (params["ending"] == "terminal")


def vector_environment(n_envs, request):
    return (
        request.getfixturevalue("three_processes")
        if n_envs == "processes"
        else make_vec("training_toys:Payday", n_envs)
    )


@pytest.mark.parametrize("n_envs", [1, 3, 5, "processes"])
def test_returns_are_credited_to_the_task_that_was_played(n_envs, request):
    curriculum = Curriculum(vector_environment(n_envs, request), np.random.default_rng(1))
    books = Bookkeeper(curriculum)
    books.start(Recorded(SPACE))
    books.play(120)
    episodes = curriculum.take_finished()
    books.assert_credited(episodes)
    assert {e.success for e in episodes} == {True, False}, "both endings occur"
    assert {e.length for e in episodes} == {1, 2, 3, 4, 5, 6}


@pytest.mark.parametrize("n_envs", [1, 3, "processes"])
def test_a_teacher_hears_of_exactly_the_tasks_it_gave_in_the_order_in_which_they_ended(n_envs, request):
    curriculum = Curriculum(vector_environment(n_envs, request), np.random.default_rng(1))
    source = Recorded(SPACE)
    books = Bookkeeper(curriculum)
    books.start(source)
    books.play(100)
    episodes = curriculum.take_finished()
    heard = [(e.task, e.episode_return, e.length, e.score, e.success) for e in episodes]
    assert source.heard == heard
    waiting = list(source.given)
    for task, *_ in source.heard:
        waiting.remove(task)  # each was given, and not heard of before
    assert len(waiting) == 2 * curriculum.num_envs, "one under way and one queued in each environment"


def test_one_task_is_queued_ahead_in_each_environment_and_the_next_is_chosen_after_the_outcome():
    curriculum = Curriculum(make_vec("training_toys:Payday", 2), np.random.default_rng(1))
    source = Recorded(SPACE)
    books = Bookkeeper(curriculum)
    books.start(source)
    assert source.calls == ["next 2", "next 2"]
    books.play(60)
    told = source.calls[2:]
    assert told[::2] == [call.replace("next", "update") for call in told[1::2]]
    assert all(call.startswith("update") for call in told[::2])
    per_env = [[e.task for e in curriculum.finished if e.env == i] for i in (0, 1)]
    assert [tasks[0] for tasks in per_env] == source.given[:2]
    assert [tasks[1] for tasks in per_env] == source.given[2:4]


@pytest.mark.parametrize("n_envs", [1, 3, "processes"])
def test_an_episode_cut_short_by_the_next_block_is_credited_to_nobody(n_envs, request):
    curriculum = Curriculum(vector_environment(n_envs, request), np.random.default_rng(2))
    books = Bookkeeper(curriculum)
    first, fixed = Recorded(SPACE), SPACE.task({"pay": 7.5, "length": 5, "ending": "time limit"})
    books.start(first)
    books.play(31)
    books.start(FixedTask(fixed))
    books.play(13)  # two episodes of five steps, and three of the next
    n_fixed = 2 * curriculum.num_envs
    second = Recorded(SPACE, seed=3)
    books.start(second)
    books.play(40)
    episodes = curriculum.take_finished()
    books.assert_credited(episodes)
    tasks = [episode.task for episode in episodes]
    n_first, n_second = len(first.heard), len(second.heard)
    assert tasks == [t for t, *_ in first.heard] + [fixed] * n_fixed + [t for t, *_ in second.heard]
    assert len(tasks) == n_first + n_fixed + n_second
    assert curriculum.take_finished() == []


@pytest.mark.parametrize("n_envs", [1, 3, "processes"])
@pytest.mark.parametrize("n_before", [1, 17, 18, 19, 50])
def test_a_stop_in_the_middle_of_an_episode_changes_no_credit(n_envs, n_before, request):
    curriculum = Curriculum(vector_environment(n_envs, request), np.random.default_rng(2))
    books = Bookkeeper(curriculum)
    books.start(Recorded(SPACE))
    books.play(n_before)
    saved = state_from_bytes(state_to_bytes(curriculum.state_dict()))
    finished, seen, pays, paid = (
        curriculum.take_finished(),
        list(books.seen),
        books.pays[:],
        copy.deepcopy(books.paid),
    )
    resumed = Curriculum(vector_environment(n_envs, request), np.random.default_rng(99))
    resumed_books = Bookkeeper(resumed)
    resumed_books.seen, resumed_books.pays, resumed_books.paid = seen, pays, paid
    resumed_books.n_played = n_before
    resumed.load_state_dict(saved, Recorded(SPACE, seed=99))
    resumed_books.play(60)
    resumed_books.assert_credited(finished + resumed.take_finished())


def test_a_task_is_not_copied_when_infos_are():
    task = SPACE.decode(np.array([0.3, 0.4, 0.9]))
    assert copy.deepcopy({"task": task})["task"] is task
    curriculum = Curriculum(make_vec("training_toys:Payday", 1), np.random.default_rng(2))
    source = TaughtTasks(Diary(), SPACE, np.random.default_rng(0), "diary")
    given = []
    draw = source.next
    source.next = lambda n, step: given.extend(draw(n, step)) or given[-n:]
    books = Bookkeeper(curriculum)
    books.start(source)
    books.play(30)
    for episode, task in zip(curriculum.finished, given, strict=False):
        assert episode.task is task
