"""Memory tasks ask about bits that the agent saw earlier: known answers score one, guesses nothing."""

import numpy as np
import pytest
from stable_baselines3 import DQN

from lifelong_rl.envs import make
from lifelong_rl.envs.memory import MOST, NDelayedMatch, NParity

FAMILIES = [NParity, NDelayedMatch]


def play(env, choose, seed=0, **task):
    """Play one episode with answers from ``choose(bits so far, n asked)``; gives the rewards and the last info."""
    observation, _ = env.reset(seed=seed, options={"task": task})
    bits, rewards = [], []
    while True:
        bits.append(int(observation[0] > 0))
        asked = 2 + int(np.argmax(observation[-31:]))
        observation, reward, _, truncated, info = env.step(choose(bits, asked))
        rewards.append(reward)
        if truncated:
            return rewards, info


def parity(bits, n):
    return sum(bits[-n:]) % 2


def delayed_match(bits, n):
    return int(len(bits) >= n and bits[-1] == bits[-n])


KNOWING = {NParity: parity, NDelayedMatch: delayed_match}


def test_right_answers_by_hand():
    assert [NParity().right_answer(bits) for bits in ([0, 0], [1, 0], [1, 1], [1, 1, 1])] == [0, 1, 0, 1]
    assert [NDelayedMatch().right_answer(bits) for bits in ([0, 0], [1, 0], [0, 1, 1], [1, 0, 1])] == [1, 0, 0, 1]


@pytest.mark.parametrize("multi_head", [0, 1])
@pytest.mark.parametrize("n", [2, 5, MOST])
@pytest.mark.parametrize("family", FAMILIES)
def test_who_remembers_the_stream_is_always_right(family, n, multi_head):
    rewards, info = play(family(), KNOWING[family], n=n, multi_head=multi_head)

    assert info["accuracy"] == info["score"] == 1.0 and info["success"]
    assert set(info["accuracy_by_n"].values()) == {1.0}
    if not multi_head:
        assert rewards == [0.0] * (n - 1) + [1.0] * (64 - (n - 1))
        assert set(info["accuracy_by_n"]) == {str(n)}


@pytest.mark.parametrize("family", FAMILIES)
def test_who_is_always_wrong_scores_nothing(family):
    rewards, info = play(family(), lambda bits, n: 1 - KNOWING[family](bits, n), n=3)

    assert sum(rewards) == info["accuracy"] == info["score"] == 0.0 and not info["success"]


@pytest.mark.parametrize("family", FAMILIES)
def test_no_answer_from_the_bit_now_is_right_more_often_than_half_of_the_time(family):
    env = family(max_episode_steps=10_000)
    policies = [(lambda bits, n: 0), (lambda bits, n: 1), (lambda bits, n: bits[-1]), (lambda bits, n: 1 - bits[-1])]
    for seed, choose in enumerate(policies):
        _, info = play(env, choose, seed, n=3)
        assert info["accuracy"] == pytest.approx(0.5, abs=0.02)  # four standard deviations
        assert info["score"] < 0.04


def test_a_share_of_right_answers_is_placed_between_guessing_and_knowing():
    env = NParity(max_episode_steps=101)
    times = iter(range(101))
    rewards, info = play(env, lambda bits, n: parity(bits, n) ^ (next(times) % 10 == 9), n=2)

    assert sum(rewards) == 90
    assert info["accuracy"] == pytest.approx(0.9) and info["score"] == pytest.approx(0.8) and not info["success"]


def test_success_begins_at_95_in_a_hundred():
    for n_wrong, success in ((5, True), (6, False)):
        answers = iter([1] + [0] * n_wrong + [1] * 200)
        rewards, info = play(
            NParity(max_episode_steps=101), lambda bits, n, a=answers: parity(bits, n) ^ (next(a) == 0), n=2
        )
        assert (sum(rewards), info["success"]) == (100 - n_wrong, success)


@pytest.mark.parametrize(("multi_head", "numbers"), [(0, "5"), (1, "2345")])
def test_questions_are_about_n_alone_or_all_numbers_up_to_it(multi_head, numbers):
    env = NParity()
    asked = set()
    for seed in range(20):
        _, info = play(env, parity, seed, n=5, multi_head=multi_head)
        asked |= set(info["accuracy_by_n"])
    assert asked == set(numbers)


@pytest.mark.parametrize("family", FAMILIES)
def test_almost_every_point_of_the_space_is_a_task_of_its_own(family):
    space = family.task_space
    points = [{"n": n, "multi_head": multi} for n in range(2, MOST + 1) for multi in (0, 1)]
    assert space.dimension == 2
    assert len({task.values for task in space.decode_many(space.sample(2000, np.random.default_rng(0)))}) == 62
    env = family()
    played = set()
    for point in points:
        observations = [env.reset(seed=0, options={"task": point})[0]] + [env.step(0)[0] for _ in range(63)]
        played.add(np.stack(observations).tobytes())
    assert len(played) == 61  # both settings of n = 2 ask for two bits


@pytest.mark.parametrize("multi_head", [0, 1])
def test_a_question_is_paid_once_as_many_bits_were_shown_as_it_is_about(multi_head):
    env = NParity()
    for seed in range(10):
        observation, _ = env.reset(seed=seed, options={"task": {"n": 20, "multi_head": multi_head}})
        bits = []
        for n_shown in range(1, 65):
            bits.append(int(observation[0] > 0))
            asked = 2 + int(np.argmax(observation[-31:]))
            observation, reward, *_ = env.step(parity(bits, asked))
            assert reward == (n_shown >= asked)


def test_the_stream_of_a_seed_is_the_same_in_every_task():
    streams = []
    for task in ({"n": 2}, {"n": 9}, {"n": 9, "multi_head": 1}):
        env = NParity()
        observation, _ = env.reset(seed=4, options={"task": task})
        bits = [observation[0]]
        for _ in range(64):
            bits.append(env.step(0)[0][0])
        streams.append(bits)
    assert streams[0] == streams[1] == streams[2]
    assert 20 < sum(bit == 1.0 for bit in streams[0]) < 45


def test_history_shows_earlier_bits_latest_first_and_zeros_before_the_stream():
    env = NParity(history=2, show_n=False)
    observations = [env.reset(seed=0)[0]] + [env.step(0)[0] for _ in range(5)]
    bits = [observation[0] for observation in observations]

    assert set(bits) == {-1.0, 1.0}
    assert observations[0].tolist() == [bits[0], 0.0, 0.0]
    assert observations[1].tolist() == [bits[1], bits[0], 0.0]
    assert observations[5].tolist() == [bits[5], bits[4], bits[3]]


def test_the_number_of_bits_asked_for_is_shown_or_hidden():
    shown, hidden = NParity(), NParity(show_n=False)
    observation, _ = shown.reset(seed=0, options={"task": {"n": 7}})

    assert observation.shape == (32,) and observation[1:].tolist() == [float(n == 7) for n in range(2, 33)]
    assert hidden.reset(seed=0)[0].shape == (1,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"history": -1}, "history, the earlier bits to show, must lie in 0 .. 31, found -1"),
        ({"history": 32}, "found 32"),
        ({"max_episode_steps": 31}, "max_episode_steps must be at least 32"),
        ({"actions": "continuous"}, "offers the action kinds 'discrete'"),
        ({"histroy": 2}, "did you mean 'history'"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make("n-parity", **options)


@pytest.mark.parametrize("action", [2, -1, 0.5, float("nan"), [0, 1]])
def test_an_answer_that_is_none_is_refused(action):
    env = make("n-delayed-match")
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"a discrete action must lie in 0 \.\. 1"):
        env.step(action)


def test_the_standard_tasks_move_n_up_and_then_ask_for_all():
    names = [task.name for task in NParity.standard_tasks(61)]

    assert names[:3] == ["single-2", "single-3", "single-4"] and names[30:32] == ["single-32", "multi-3"]
    assert NParity.standard_tasks(33)[-1].params == {"n": 4, "multi_head": 1}
    assert len({task.values for task in NParity.standard_tasks(61)}) == 61
    with pytest.raises(ValueError, match="1 to 61 standard tasks, found n=62"):
        NDelayedMatch.standard_tasks(62)


def test_a_picture_shows_the_stream_and_the_answers():
    env = make("n-parity", render_mode="rgb_array")
    pictures = []
    for n in (2, 6):
        env.reset(seed=0, options={"task": {"n": n}})
        for answer in (0, 1, 0, 1, 0, 1, 1, 0):
            pictures.append(env.render())
            env.step(answer)
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)


def learned_accuracy(family, history):
    """Train DQN on n = 2; give its share of right answers over ten new episodes."""
    env = family(history=history, show_n=False)
    learner = DQN(
        "MlpPolicy",
        env,
        learning_rate=1e-2,
        gamma=0.0,  # an answer changes nothing later
        learning_starts=64,
        train_freq=4,
        target_update_interval=50,
        buffer_size=2000,
        policy_kwargs={"net_arch": [16]},
        seed=0,
        device="cpu",
    )
    learner.learn(1500)
    shares = []
    for seed in range(10):
        observation, _ = env.reset(seed=100 + seed)
        truncated = False
        while not truncated:
            observation, _, _, truncated, info = env.step(learner.predict(observation, deterministic=True)[0])
        shares.append(info["accuracy"])
    return np.mean(shares)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_learner_without_memory_masters_what_it_is_shown_and_guesses_the_rest(family):
    assert learned_accuracy(family, history=1) == 1.0
    assert learned_accuracy(family, history=0) == pytest.approx(0.5, abs=0.08)  # four standard deviations
