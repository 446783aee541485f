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
    run = ensure_trained(RunConfig(scenario, AgentConfig("hypercrl"), seed=0), Path("runs/hypercrl"))
    for entry in run.log().evaluations:
        print(f"step {entry.step:6,} {entry.task:6} return {sum(entry.returns) / len(entry.returns):8.1f}")
    for metric in score(run.log(), families=["gem", "cw"]):
        print(f"{metric.family}/{metric.name}: {metric.value if metric.value is not None else metric.reason}")
