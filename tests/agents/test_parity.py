import pytest
import torch
from agent_toys import KINDS, LIFELONG, assert_same_numbers, make_agent, make_bare, make_env, numbers

from lifelong_rl.agents import TaskInfo


@pytest.mark.parametrize("kind", KINDS)
def test_an_agent_without_components_trains_bit_for_bit_like_the_bare_learner(kind):
    seldom = {"n_steps": 200, "batch_size": 50} if kind == "ppo" else {"train_freq": 40}
    bare = make_bare(kind, **seldom).learn(2000)
    ours = make_agent(kind, **seldom)
    start = numbers(ours)
    ours.learn(2000)

    assert_same_numbers(bare, ours)
    moved = [name for name, tensor in numbers(ours).items() if name in start and not torch.equal(start[name], tensor)]
    assert moved


def check_parity(kind, n_envs=1, policy="MlpPolicy", env_kwargs=None, **kwargs):
    env_kwargs = env_kwargs or {}
    # One after the other: SB3 seeds the global generators when a learner is made.
    bare = make_bare(kind, make_env(kind, n_envs, **env_kwargs), policy, **kwargs).learn(200)
    ours = make_agent(kind, make_env(kind, n_envs, **env_kwargs), policy, **kwargs).learn(200)
    assert_same_numbers(bare, ours)


def test_n_step_returns_keep_parity():
    check_parity("dqn", n_steps=3)


@pytest.mark.parametrize("kind", ["sac", "ppo"])
def test_dictionary_observations_keep_parity(kind):
    check_parity(kind, policy="MultiInputPolicy", env_kwargs={"observation": "dict"})


@pytest.mark.parametrize("kind", KINDS)
def test_two_environments_keep_parity(kind):
    check_parity(kind, n_envs=2)


def test_discrete_observations_and_actions_keep_parity():
    check_parity("ppo", env_kwargs={"observation": "discrete", "action": "discrete"})


@pytest.mark.parametrize(
    "policy_kwargs",
    [
        {"optimizer_class": torch.optim.Adam},
        {"optimizer_kwargs": {"weight_decay": 0.1}},
        {"optimizer_class": torch.optim.SGD},
    ],
    ids=["adam-named", "adam-with-options", "sgd"],
)
def test_the_users_own_optimiser_settings_keep_parity(policy_kwargs):
    check_parity("ppo", policy_kwargs=policy_kwargs)


def test_settings_that_two_agents_share_stay_as_the_user_wrote_them():
    shared = {"net_arch": [16]}

    for kind in ("dqn", "ppo"):
        LIFELONG[kind]("MlpPolicy", make_env("dqn"), policy_kwargs=shared)

    assert shared == {"net_arch": [16]}


@pytest.mark.parametrize("kind", KINDS)
def test_training_in_strides_equals_training_at_once(kind):
    at_once = make_agent(kind)
    at_once.begin_task(TaskInfo(budget=192))
    at_once.learn(192, reset_num_timesteps=False)

    in_strides = make_agent(kind)
    in_strides.begin_task(TaskInfo(budget=192))
    for _ in range(192 // in_strides.stride):
        in_strides.learn_steps(in_strides.stride)

    assert_same_numbers(at_once, in_strides)


def test_n_step_returns_of_dictionary_observations_are_refused():
    with pytest.raises(ValueError, match="n_steps=1, found 3"):
        make_agent("sac", make_env("sac", observation="dict"), "MultiInputPolicy", n_steps=3)
