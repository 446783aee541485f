"""What a teacher does is seen live and from the run folder alone, whatever teacher it is."""

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lifelong_rl.envs import Feature, TaskSpace
from lifelong_rl.scenarios import Block, Scenario
from lifelong_rl.teachers import ALPGMM, Outcomes, Teacher
from lifelong_rl.tracking.report import report_run
from lifelong_rl.tracking.teaching import (
    drawn_statistics,
    load_teacher,
    teacher_figure,
    teacher_figures,
    teacher_statistics,
)
from lifelong_rl.training.config import AgentConfig, RunConfig
from lifelong_rl.training.trainer import train

SPACE = TaskSpace(
    "mixed",
    [
        Feature.real("mass", 1.0, 100.0, 10.0, log=True, unit="kg"),
        Feature.integer("legs", 2, 5, 2),
        Feature.category("floor", ["ice", "mud"], "ice"),
    ],
)


class Corner(Teacher):
    """Draws near the origin, and says nothing of itself."""

    def sample(self, n=1):
        return 0.1 * self.rng.random((n, self.space.dimension))

    def update(self, tasks, outcomes):
        self.checked(tasks, outcomes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run of two taught blocks with another one between them."""
    blocks = (
        Block(200, teacher="alp-gmm", teacher_options={"fit_every": 5, "max_gaussians": 2}),
        Block(50, teacher="random", bounds={"goal_x": [0.0, 1.0], "start_x": 0.0}),
        Block(150, teacher=f"{__name__}:Corner"),
    )
    point_goal = Scenario.from_json(
        {"name": "taught", "family": "point-goal", "blocks": [block.to_json() for block in blocks]}
        | {"evaluation_tasks": 1}
    )
    agent = AgentConfig("dqn", options={"policy_kwargs": {"net_arch": [8]}, "learning_starts": 10_000})
    config = RunConfig(point_goal, agent, eval_every=100, eval_episodes=1, log_every=50)
    return train(config, tmp_path_factory.mktemp("taught") / "run", show_progress=False)


class Raving(Corner):
    """Says of itself what is no number, and of its draws what is no density."""

    def diagnostics(self):
        return {"mood": float("nan")}

    def density(self, points):
        return np.full(3, np.nan)


LINE = TaskSpace("line", [Feature.real("x", 0.0, 1.0, 0.5)])


def bound(teacher):
    teacher.reset(LINE, np.random.default_rng(0))
    return teacher


def test_mean_alp_is_that_of_the_recent_tasks_whatever_teacher_drew_them():
    points = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.12, 0.48, 0.5])[:, None]
    scores = [0.0, 0.2, 0.0, 0.0, 0.0, 0.5, 0.6, 0.1, 0.1]
    numbers = teacher_statistics(bound(Corner()), "m:Corner", LINE, points, scores)
    # the seventh is nearest to 0.1, the eighth to 0.5, the ninth to 0.5 again
    assert numbers["mean_alp"] == pytest.approx((0.4 + 0.4 + 0.4) / 3)
    assert "mean_alp" not in teacher_statistics(bound(Corner()), "m:Corner", LINE, points[:6], scores[:6])


def test_a_teachers_own_mean_alp_counts():
    teacher = bound(ALPGMM(fit_every=100))
    own = teacher.diagnostics().get("mean_alp")
    assert own is None
    teacher.update(np.linspace(0, 1, 20)[:, None], Outcomes.from_scores(np.zeros(20)))
    numbers = teacher_statistics(teacher, "alp-gmm", LINE, np.linspace(0, 1, 20)[:, None], np.linspace(0, 1, 20))
    assert numbers["mean_alp"] == 0.0


def test_diagnostics_and_densities_that_are_none_are_told_with_the_teachers_name():
    with pytest.raises(ValueError, match="the teacher 'm:Raving' failed at diagnostics: 'mood' is nan, not a finite"):
        teacher_statistics(bound(Raving()), "m:Raving", LINE, np.empty((0, 1)), [])
    with pytest.raises(ValueError, match=r"Raving' failed at density: a density of .* points is that many finite"):
        teacher_figure(bound(Raving()), LINE, np.full((3, 1), 0.5), [0.0, 0.5, 1.0])


def test_statistics_are_in_the_units_of_the_features():
    statistics = drawn_statistics(np.array([[0.0, 0.1, 0.1], [1.0, 0.9, 0.9]]), SPACE)

    assert statistics["mass_mean"] == pytest.approx(50.5)
    assert statistics["legs_mean"] == pytest.approx(3.5)
    assert "floor_mean" not in statistics
    assert statistics["recent_coverage"] == pytest.approx(2 / (10 * 4 * 2))  # legs have 4 values, floors 2


def test_tasks_in_cells_of_their_own_are_even_and_one_task_again_and_again_is_not():
    spread = SPACE.grid(3)

    assert drawn_statistics(spread, SPACE)["recent_entropy"] == pytest.approx(1.0)
    assert drawn_statistics(np.repeat(spread[:1], 9, axis=0), SPACE)["recent_entropy"] == 0.0
    assert drawn_statistics(np.empty((0, 3)), SPACE) == {}


def test_a_teacher_that_says_nothing_of_itself_still_has_curves(folder):
    events = EventAccumulator(str(folder.path), size_guidance={"scalars": 0})
    events.Reload()
    last = {tag: events.Scalars(tag)[-1] for tag in events.Tags()["scalars"]}

    assert last["teacher/recent_coverage"].step == 400
    assert -1.0 < last["teacher/goal_x_mean"].value < -0.8  # a tenth of [-1, 1]
    assert last["time/teacher_us_per_episode"].value > 0.0


def test_the_teacher_of_a_block_is_loaded_as_it_ended(folder):
    episodes = [episode for episode in folder.episodes() if episode["block"] == 0]

    teacher = load_teacher(folder, 0)

    assert isinstance(teacher, ALPGMM)
    assert teacher.state_dict()["n_episodes"] == len(episodes) > 10
    assert len(teacher.gaussians().means) > 0
    assert load_teacher(folder, 1).space.names == ("goal_x", "goal_y", "start_y", "start_x")


def test_a_block_without_a_teacher_is_refused(folder):
    with pytest.raises(ValueError, match=r"block 3 of the run .* has no teacher"):
        load_teacher(folder, 3)


def test_each_taught_block_has_its_figure_also_after_the_state_is_lost(folder):
    names = {"task_distribution-1", "task_distribution-2", "task_distribution-3"}
    assert teacher_figures(folder).keys() == names

    folder.teacher_path(1).unlink()
    assert load_teacher(folder, 1) is None
    report_run(folder)
    assert {path.stem for path in folder.report_path.glob("task_distribution*.png")} == names
