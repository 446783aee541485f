"""The toy grid has the rules of its paper, and ALP-GMM masters far more of it than random tasks do."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "teachers_toy.py"


@pytest.fixture(scope="module")
def toy():
    spec = importlib.util.spec_from_file_location("teachers_toy_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def visit(grid, cell, n=1):
    for _ in range(n):
        score = grid.play((np.array(cell) + 0.5) / grid.n_cells)
    return score


def test_the_origin_cell_learns_at_once_and_the_others_do_not(toy):
    grid = toy.ToyGrid()

    assert visit(grid, (0, 0)) == 0.01
    assert visit(grid, (0, 1)) == 0.0


@pytest.mark.parametrize("cell", [(0, 1), (1, 0), (1, 1)])
def test_a_competence_of_75_unlocks_the_next_cells(toy, cell):
    grid = toy.ToyGrid()
    visit(grid, (0, 0), 74)
    assert visit(grid, cell) == 0.0
    visit(grid, (0, 0))

    assert visit(grid, cell) == 0.01
    assert visit(grid, (0, 2)) == 0.0


def test_mastery_asks_for_more_than_75_and_competence_ends_at_100(toy):
    grid = toy.ToyGrid()
    visit(grid, (0, 0), 75)
    assert grid.mastery == 0.0
    visit(grid, (0, 0))
    assert grid.mastery == 1.0

    assert visit(grid, (0, 0), 50) == 1.0


def test_a_perfect_teacher_needs_76_visits_a_cell(toy):
    grid = toy.ToyGrid(n_cells=4)
    for cell in np.ndindex(4, 4):
        visit(grid, cell, 76)

    assert grid.mastery == 100.0


def test_further_axes_mean_nothing(toy):
    grid = toy.ToyGrid()

    assert grid.play(np.array([0.01, 0.01, 0.9, 0.9])) == 0.01


def test_seeds_are_read_from_text(toy):
    assert toy.seeds_from_text("0..3") == [0, 1, 2, 3]
    assert toy.seeds_from_text("0,5") == [0, 5]


def test_alp_gmm_masters_more_of_the_grid_than_random_tasks_do():
    def mastery(teacher):
        command = [sys.executable, str(SCRIPT), "--teacher", teacher, "--episodes", "5000", "--seeds", "0", "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)["mastery_mean"]

    random, adaptive = mastery("random"), mastery("alp-gmm")

    assert random <= 2.0
    assert adaptive >= random + 5.0
