"""Returns of rolled-out candidates: exact sums, ends of episodes, exploding predictions, lower precision."""

import pytest
import torch

from lifelong_rl.agents.hypernet.rollout import PredictionLimits, Rollout, rollout_returns


def drift(observations, actions):
    return observations + actions


def paid_by_place(observations, actions, following):
    return following[..., 0], torch.zeros(following.shape[:-1], dtype=torch.bool)


def ends_above_3(observations, actions, following):
    return observations[..., 0], following[..., 0] > 3


START = torch.tensor([[0.0], [10.0]])
ACTIONS = torch.tensor([[[1.0, 1.0, 1.0], [2.0, 0.0, -1.0]], [[0.0, 0.0, 0.0], [-1.0, -2.0, 1.0]]]).unsqueeze(-1)


def test_returns_are_the_discounted_sums_of_rewards():
    assert rollout_returns(drift, paid_by_place, START, ACTIONS).tolist() == [[6, 5], [30, 24]]
    halved = rollout_returns(drift, paid_by_place, START, ACTIONS, discount=0.5)
    assert halved.tolist() == [[1 + 1 + 0.75, 2 + 1 + 0.25], [17.5, 9 + 3.5 + 2]]


def test_the_reward_sees_the_observation_before_and_after_and_the_action():
    seen = []

    def reward(observations, actions, following):
        seen.append((observations.clone(), actions.clone(), following.clone()))
        return paid_by_place(observations, actions, following)

    Rollout(drift, reward, limits=wide()).returns(START, ACTIONS)
    ((before, action, after),) = seen  # one call for all steps
    assert before.shape == (3, 2, 2, 1) and torch.equal(action, ACTIONS.movedim(2, 0))
    assert torch.equal(before + action, after) and torch.equal(before[1:], after[:-1])
    assert torch.equal(before[0], START[:, None].expand(2, 2, 1))


def test_after_the_end_of_an_episode_no_reward_counts():
    actions = torch.tensor([[[2.0, 2.0, 5.0, 5.0], [1.0, 1.0, 1.0, 1.0]]]).unsqueeze(-1)
    # the first moves to 2 and ends at 4, with the reward of being at 2; the second is at 0, 1, 2 and 3
    assert rollout_returns(drift, ends_above_3, START[:1], actions).tolist() == [[2, 6]]


def test_predictions_after_the_end_may_be_no_numbers_at_all():
    def step(observations, actions):
        return torch.where(observations > 3, torch.nan, observations + actions)

    actions = torch.full((1, 1, 4, 1), 2.0)
    rollout = Rollout(step, ends_above_3, limits=wide())
    assert rollout.returns(START[:1], actions).tolist() == [[2]] and rollout.n_clipped == 0


def wide():
    return PredictionLimits(torch.tensor([-100.0]), torch.tensor([100.0]))


def test_exploding_predictions_are_clipped_and_counted():
    def step(observations, actions):
        return observations * 1e20 + actions

    limits = PredictionLimits(torch.tensor([-2.0]), torch.tensor([5.0]))
    rollout = Rollout(step, paid_by_place, limits=limits)
    actions = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [-1.0, 0.0, 0.0]]]).unsqueeze(-1)
    assert rollout.returns(START[:1], actions).tolist() == [[11, 0, -5]]
    assert (rollout.n_predictions, rollout.n_clipped) == (9, 4)
    rollout.returns(START[:1], actions)
    assert (rollout.n_predictions, rollout.n_clipped) == (18, 8)


def test_limits_in_double_precision_clip_a_model_in_single():
    limits = PredictionLimits(torch.tensor([-1.0], dtype=torch.float64), torch.tensor([2.0], dtype=torch.float64))
    returns = rollout_returns(drift, paid_by_place, START, ACTIONS, limits=limits)
    assert returns.dtype == torch.float32 and returns[0, 0] == 1 + 2 + 2


def test_a_prediction_that_is_no_number_spoils_its_own_candidate_only_and_is_counted():
    def step(observations, actions):
        return torch.where(actions < 0, torch.nan, observations + actions)

    rollout = Rollout(step, paid_by_place, limits=wide())
    returns = rollout.returns(START, ACTIONS)
    assert torch.isnan(returns).tolist() == [[False, True], [False, True]] and returns[0, 0] == 6
    assert rollout.n_clipped == 1 + 3


def test_limits_lie_a_multiple_of_the_datas_range_around_its_middle():
    limits = PredictionLimits.around(torch.tensor([0.0, 2.0, 4000.0]), torch.tensor([4.0, 2.0, 4000.0]), 3.0)
    assert limits.low.tolist() == pytest.approx([-4, 2 - 6e-3, 4000 - 12])
    assert limits.high.tolist() == pytest.approx([8, 2 + 6e-3, 4000 + 12])


def test_a_model_may_write_its_predictions_into_memory_of_its_own():
    memory = torch.empty(2, 2, 1)

    def step(observations, actions):
        return torch.add(observations, actions, out=memory)

    assert Rollout(step, paid_by_place, limits=wide()).returns(START, ACTIONS).tolist() == [[6, 5], [30, 24]]


def test_the_memory_of_a_rollout_is_kept_from_call_to_call_and_follows_the_shape():
    seen = []

    def reward(observations, actions, following):
        seen.append(following.data_ptr())
        return paid_by_place(observations, actions, following)

    rollout = Rollout(drift, reward, limits=wide())
    for _ in range(2):
        rollout.returns(START, ACTIONS)
    assert seen[0] == seen[1]
    assert rollout.returns(START[:1], ACTIONS[:1, :1]).tolist() == [[6]]
    assert rollout.returns(START[:1].double(), ACTIONS[:1, :1].double()).dtype == torch.float64


def test_lower_precision_is_that_of_the_model_alone():
    matrix = torch.tensor([[1.001]])
    kinds = []

    def step(observations, actions):
        predicted = torch.nn.functional.linear(observations, matrix)
        kinds.append(predicted.dtype)
        return predicted

    start, actions = torch.tensor([[1.0]]), torch.zeros(1, 1, 1, 1)
    exact = rollout_returns(step, paid_by_place, start, actions)
    low = rollout_returns(step, paid_by_place, start, actions, precision=torch.bfloat16)
    assert kinds == [torch.float32, torch.bfloat16]
    assert exact.item() == pytest.approx(1.001) and low.item() == 1.0 and low.dtype == torch.float32


def test_nothing_is_recorded_for_a_gradient():
    weight = torch.nn.Parameter(torch.ones(1))
    returns = rollout_returns(lambda obs, act: obs * weight, paid_by_place, START, ACTIONS)
    assert not returns.requires_grad


@pytest.mark.parametrize("discount", [0.0, 1.1, float("nan")])
def test_a_discount_out_of_its_range_is_refused(discount):
    with pytest.raises(ValueError, match="discount above 0 and at most 1"):
        Rollout(drift, paid_by_place, discount)


def test_limits_without_room_between_them_are_refused():
    with pytest.raises(ValueError, match="low <= high in every dimension"):
        PredictionLimits(torch.tensor([1.0]), torch.tensor([0.0]))
    with pytest.raises(ValueError, match="multiple of at least 1"):
        PredictionLimits.around(torch.zeros(1), torch.ones(1), 0.5)
