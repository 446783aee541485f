"""What a run cost, as its folder holds it."""

import json

import pytest

from lifelong_rl.tracking.costs import PHASES, Costs, PartMemory
from lifelong_rl.tracking.run_folder import RunFolder


def costs(**changes):
    fields = {
        "steps": 300,
        "updates": 70,
        "wall_seconds": dict(zip(PHASES, (1.5, 0.5, 0.25, 0.125, 2.0), strict=True)),
        "cpu_seconds": dict(zip(PHASES, (1.0, 0.5, 0.25, 0.0, 1.0), strict=True)),
        "peak_bytes": 10**8,
        "memory": (PartMemory("networks", "weights", 400), PartMemory("ReservoirReplay", "buffer", 600)),
        "n_resumes": 1,
    }
    return Costs(**(fields | changes))


@pytest.fixture
def folder(tmp_path):
    return RunFolder.create(tmp_path / "run", {"version": 1})


def test_costs_come_back_from_their_folder_and_are_written_over(folder):
    folder.save_costs(costs())
    folder.save_costs(costs(steps=400, updates=None, peak_bytes=None))
    assert folder.costs == costs(steps=400, updates=None, peak_bytes=None)
    assert sorted(path.name for path in folder.path.iterdir()) == ["config.json", "costs.json"]


def test_a_run_without_costs_has_none(folder):
    assert folder.costs is None


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"steps": 1', "damaged"),
        ("[]", "damaged"),
        ('{"steps": 1}', "'memory'"),
        (json.dumps(costs().to_json() | {"colour": "red"}), "colour"),
        (json.dumps(costs().to_json() | {"wall_seconds": {"training": 1.0}}), "its phases are not training"),
        (json.dumps(costs().to_json() | {"memory": [3]}), "damaged"),
    ],
)
def test_a_damaged_file_is_one_clear_error(content, problem, folder):
    (folder.path / "costs.json").write_text(content)
    with pytest.raises(ValueError, match=r"costs\.json is damaged: .*writes it again when it is resumed") as caught:
        _ = folder.costs
    assert problem in str(caught.value)


def test_the_phases_add_up():
    assert costs().total_wall_seconds == 4.375
    assert costs().total_cpu_seconds == 2.75


def test_the_memory_of_several_runs_goes_into_one_ledger():
    ledger = costs().ledger("replay") + costs(memory=(PartMemory("EWC", "snapshot", 50),)).ledger("ewc")
    assert ledger.total("replay") == 1000
    assert ledger.by_kind("ewc") == {"weights": 0, "buffer": 0, "snapshot": 50, "statistics": 0}
