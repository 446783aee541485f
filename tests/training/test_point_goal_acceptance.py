"""Learning on PointGoal: what fine-tuning forgets, and what the two components keep of it."""

import pytest

from lifelong_rl.evaluation import EvaluationLog
from lifelong_rl.evaluation.metrics import score
from lifelong_rl.scenarios import condensed
from lifelong_rl.training.config import AgentConfig, RunConfig
from lifelong_rl.training.trainer import train

OPTIONS = {
    "learning_rate": 1e-3,
    "gamma": 0.9,
    "buffer_size": 5_000,
    "learning_starts": 300,
    "target_update_interval": 200,
    "exploration_fraction": 0.5,
}


@pytest.fixture(scope="module")
def logs(tmp_path_factory) -> dict[str, EvaluationLog]:
    found = {}
    for component in ("", "distillation", "reservoir-replay"):
        config = RunConfig(
            condensed("point-goal", n_tasks=4, steps=8_000),
            AgentConfig("dqn", options=OPTIONS, components=((component, {}),) if component else ()),
            seed=1,
            eval_every=2_000,
        )
        folder = train(config, tmp_path_factory.mktemp("runs") / "run", show_progress=False)
        found[component] = folder.evaluation_log()
    return found


def forgetting(log: EvaluationLog) -> float:
    (metric,) = [metric for metric in score(log, ["gem"]) if metric.name == "backward_transfer"]
    assert metric.value is not None
    return -metric.value


def learned(log: EvaluationLog) -> float:
    matrix = log.matrix()
    return sum(float(matrix[i + 1, i]) for i in range(len(log.tasks))) / len(log.tasks)


def test_fine_tuning_learns_every_task_and_forgets_more_than_half_of_it(logs):
    assert learned(logs[""]) > 0.75
    assert forgetting(logs[""]) > 0.5


def test_distillation_learns_as_much_and_forgets_little(logs):
    assert learned(logs["distillation"]) > 0.75
    assert forgetting(logs["distillation"]) < 0.15


def test_reservoir_replay_more_than_halves_forgetting(logs):
    assert learned(logs["reservoir-replay"]) > 0.75
    assert forgetting(logs["reservoir-replay"]) < 0.5 * forgetting(logs[""])
