"""What a run costs is counted as it goes, and goes on where the checkpoint left it."""

import time

import pytest
from training_toys import Interrupter, logs, spin, tiny

from lifelong_rl.envs.factory import family
from lifelong_rl.scenarios import Block, Scenario
from lifelong_rl.tracking.costs import PHASES, Costs, PartMemory
from lifelong_rl.tracking.run_folder import RunFolder
from lifelong_rl.training.meter import Meter
from lifelong_rl.training.trainer import RunInterrupted, resume, train

EAST, NORTH = family("point-goal").standard_tasks(4)[:2]
TWO_TASKS = Scenario("two", "point-goal", (Block(150, EAST), Block(150, NORTH)), (EAST, NORTH))
TAUGHT = Scenario("taught", "point-goal", (Block(300, teacher="training_toys:Idler"),), (EAST,))
N_NUMBERS = family("point-goal")().observation_space.shape[0]
REPLAY = ("reservoir-replay", {"n_per_task": 60})


# The meter


def test_each_moment_belongs_to_one_phase():
    start, cpu_start = time.perf_counter(), time.process_time()
    meter = Meter()
    with meter.during("training"):
        spin(0.02)
        with meter.during("evaluation"):
            spin(0.03)
    costs = meter.read(None, 7)
    elapsed, cpu_elapsed = time.perf_counter() - start, time.process_time() - cpu_start
    assert costs.steps == 7
    assert costs.cpu_seconds["training"] >= 0.02 and costs.cpu_seconds["evaluation"] >= 0.03
    assert costs.cpu_seconds["teacher"] == costs.cpu_seconds["checkpoints"] == 0
    assert 0.05 <= costs.total_wall_seconds <= elapsed
    assert 0.05 <= costs.total_cpu_seconds <= cpu_elapsed


def test_a_phase_ends_where_what_was_counted_fails():
    meter = Meter()
    with pytest.raises(ZeroDivisionError), meter.during("training"):
        _ = 1 / 0
    before = meter.read(None, 0)
    spin(0.01)
    after = meter.read(None, 0)
    assert after.wall_seconds["training"] == before.wall_seconds["training"]
    assert after.wall_seconds["other"] >= before.wall_seconds["other"] + 0.01


def test_the_teachers_part_is_taken_out_of_the_training():
    meter = Meter()
    meter.move_to_teacher(2.0, 0.5)
    costs = meter.read(None, 0)
    assert (costs.wall_seconds["training"], costs.wall_seconds["teacher"]) == (-2.0, 2.0)
    assert (costs.cpu_seconds["training"], costs.cpu_seconds["teacher"]) == (-0.5, 0.5)


def test_a_resumed_meter_adds_to_what_there_was():
    earlier = Costs(
        steps=100,
        updates=3,
        wall_seconds=dict.fromkeys(PHASES, 10.0),
        cpu_seconds=dict.fromkeys(PHASES, 5.0),
        peak_bytes=2**60,
        memory=(PartMemory("networks", "weights", 1),),
        n_resumes=2,
    )
    meter = Meter()
    meter.continue_from(earlier)
    costs = meter.read(None, 100)
    assert all(costs.wall_seconds[phase] >= 10 and costs.cpu_seconds[phase] >= 5 for phase in PHASES)
    assert costs.wall_seconds["training"] == 10  # the time since belongs to "other"
    assert (costs.peak_bytes, costs.n_resumes) == (2**60, 3)
    assert costs.memory == () and costs.updates is None  # an agent that says neither
    meter.continue_from(None)
    assert meter.read(None, 100).n_resumes == 4


# Runs


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("costs") / "run"
    return train(tiny(TWO_TASKS, components=[REPLAY]), path, show_progress=False)


def test_a_run_writes_what_it_cost(run):
    costs = run.costs
    assert costs.steps == 300
    assert costs.updates == 2 * 31  # after the steps 32, 36, ..., 148 of a block, and at its end
    assert all(costs.wall_seconds[phase] > 0 for phase in PHASES if phase != "teacher")
    assert all(costs.cpu_seconds[phase] > 0 for phase in PHASES if phase != "teacher")
    assert costs.wall_seconds["teacher"] == costs.cpu_seconds["teacher"] == 0
    assert costs.n_resumes == 0
    assert costs.peak_bytes is None or costs.peak_bytes > 10**7


def test_a_run_writes_what_its_agent_holds(run):
    ledger = run.costs.ledger("replay")
    by_part = {entry.component: entry for entry in ledger.entries}
    row = 2 * 4 * N_NUMBERS + 8 + 4 + 1  # two observations, an action of 8 bytes, a reward and a flag
    assert by_part["ReservoirReplay"].n_bytes == 2 * 60 * row
    assert by_part["replay buffer"].n_bytes > 1000 * row
    assert by_part["networks"].kind == "weights" and by_part["networks"].n_bytes > 0
    assert ledger.total("replay") == sum(held.n_bytes for held in run.costs.memory)


def test_the_teachers_time_is_told_from_the_training(tmp_path):
    costs = train(tiny(TAUGHT), tmp_path / "run", show_progress=False).costs
    n_episodes = len((tmp_path / "run" / "episodes.jsonl").read_text().splitlines())
    assert n_episodes > 1
    assert costs.cpu_seconds["teacher"] >= 0.001 * n_episodes  # Idler's sample() takes that long
    assert costs.cpu_seconds["training"] > 0


def test_a_stopped_and_resumed_run_adds_up_and_its_logs_are_those_of_the_whole_run(tmp_path, monkeypatch):
    def config(at):
        return tiny(TWO_TASKS, components=[("training_toys:Interrupter", {"at": at})], checkpoint_every=50)

    whole = train(config(0), tmp_path / "whole", show_progress=False)
    monkeypatch.setattr(Interrupter, "is_armed", True)
    with pytest.raises(RunInterrupted):
        train(config(120), tmp_path / "stopped", show_progress=False)
    stopped = RunFolder.open(tmp_path / "stopped")
    before = stopped.costs
    resume(tmp_path / "stopped", show_progress=False)
    after = stopped.costs
    assert before.steps < 300 and before.n_resumes == 0
    assert (after.steps, after.updates, after.n_resumes) == (300, whole.costs.updates, 1)
    for phase in ("training", "evaluation", "other"):  # the checkpoint itself is written after it was counted
        assert after.cpu_seconds[phase] > before.cpu_seconds[phase] > 0
        assert after.wall_seconds[phase] > before.wall_seconds[phase] > 0
    assert after.memory == whole.costs.memory
    assert logs(tmp_path / "stopped") == logs(tmp_path / "whole")


def test_a_checkpoint_without_costs_is_resumed_and_counts_from_there(tmp_path, monkeypatch):
    config = tiny(TWO_TASKS, components=[("training_toys:Interrupter", {"at": 120})], checkpoint_every=50)
    monkeypatch.setattr(Costs, "to_json", lambda self: {})
    monkeypatch.setattr(Interrupter, "is_armed", True)
    with pytest.raises(RunInterrupted):
        train(config, tmp_path / "run", show_progress=False)
    monkeypatch.undo()
    assert resume(tmp_path / "run", show_progress=False).costs.n_resumes == 1


def test_costs_that_were_lost_are_no_reason_not_to_resume(run):
    (run.path / "costs.json").write_text("{")
    resume(run.path, show_progress=False)
    assert run.costs.steps == 300
    assert run.costs.n_resumes == 1
