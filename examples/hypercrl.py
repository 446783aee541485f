"""HyperCRL on two pendulums in sequence: plan in each task's model, and keep the first while learning the second."""

import argparse
from pathlib import Path

from lifelong_rl import AgentConfig, RunConfig, ensure_trained, score
from lifelong_rl.scenarios import make_scenario

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps-per-task", type=int, default=1_500)
    steps = parser.parse_args().steps_per_task
    tasks = [{"name": "earth", "task": {"g": 10.0}}, {"name": "moon", "task": {"g": 2.0}}]
    scenario = make_scenario("condensed", "pendulum-physics", tasks=tasks, steps=2 * steps, observe_task="none")
    config = RunConfig(scenario, AgentConfig("hypercrl"), seed=0, eval_every=steps, eval_episodes=3)
    run = ensure_trained(config, Path("runs/hypercrl"))
    print(run.evaluation_log().matrix("return"))  # a row an evaluated block, a column a task
    for metric in score(run.evaluation_log(), families=["gem", "cw"]):
        print(f"{metric.family}/{metric.name}: {metric.value if metric.value is not None else metric.reason}")
