import subprocess
import sys

import numpy as np
import pytest
from matplotlib.patches import Ellipse

from lifelong_rl.envs.space import Feature, TaskSpace
from lifelong_rl.evaluation import EvaluationLog
from lifelong_rl.tracking.figures import Stretch, score_curves, task_curves, transfer_matrix
from lifelong_rl.tracking.task_distributions import task_distribution

PLANE = TaskSpace(
    "tracks",
    [
        Feature.real("height", 0, 4, 0, unit="m"),
        Feature.real("spacing", 0.1, 10, 1, log=True),
        Feature.integer("legs", 2, 6, 2),
    ],
)
LINE = TaskSpace("cart", [Feature.real("gravity", 1, 20, 9.8, unit="m/s²")])


def drawn(figure):
    """Render the figure as TensorBoard would; warnings are errors in the tests."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())
    assert pixels.std() > 0
    return figure.axes[0]


def texts(axes):
    return [text.get_text() for text in axes.texts]


def two_block_log():
    points = [(0, 0, "start", "a"), (10, 0, "during", "a"), (20, 0, "end", "a"), (40, 1, "end", None)]
    episodes = {"returns": [-3.0], "scores": [0.4], "successes": [False], "lengths": [9]}
    return EvaluationLog.from_records(
        {"step": step, "block": block, "at": at, "trained": trained, "task": task} | episodes
        for step, block, at, trained in points
        for task in ("a", "b")
    )


def test_the_matrix_has_one_number_a_cell_and_names_on_both_axes():
    matrix = np.ma.masked_invalid([[0.1, np.nan], [0.86, 0.25]])
    axes = drawn(transfer_matrix(matrix, ["a", "b"], ["before training", "after a"], trained=[None, "a"]))
    assert texts(axes) == ["0.10", "n/a", "0.86", "0.25"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["before training", "after a"]
    assert len(axes.patches) == 1


def test_the_matrix_of_scores_is_coloured_from_zero_to_one():
    assert drawn(transfer_matrix([[0.4, 0.5]], ["a", "b"], ["after a"])).images[0].get_clim() == (0, 1)


@pytest.mark.parametrize("table", [[[-350.0, 20.5]], [[7.0, 7.0]], [[np.nan, np.nan]]])
def test_the_matrix_of_returns_takes_any_range(table):
    low, high = drawn(transfer_matrix(table, ["a", "b"], ["after a"], measured="return")).images[0].get_clim()
    assert low < high


def test_many_tasks_after_few_blocks_stand_one_below_the_other():
    names = [f"task-{i}" for i in range(9)]
    figure = transfer_matrix(np.arange(18).reshape(2, 9) / 18, names, ["before", "after"], trained=[None, "task-3"])
    axes = drawn(figure)
    assert [label.get_text() for label in axes.get_yticklabels()] == names
    assert texts(axes)[:2] == ["0.00", "0.50"]
    (frame,) = axes.patches
    assert (frame.get_x(), frame.get_y()) == pytest.approx((0.54, 2.56))


def test_a_band_lies_around_its_line_and_has_its_gaps():
    low, high = np.array([[0.0], [np.nan], [0.2]]), np.array([[0.2], [np.nan], [0.4]])
    axes = drawn(score_curves([0, 10, 20], [[0.1], [0.2], [0.3]], ["a"], band=(low, high)))
    (band,) = axes.collections
    assert band.get_datalim(axes.transData).y0 == 0.0 and band.get_datalim(axes.transData).y1 == 0.4
    with pytest.raises(ValueError, match=r"shape \(3, 1\), found \(2, 1\)"):
        score_curves([0, 10, 20], [[0.1], [0.2], [0.3]], ["a"], band=(low[:2], high))


def test_dollar_signs_and_underscores_in_names_are_no_formulas_and_no_secrets():
    figure = score_curves([0, 10], [[0.1, 0.2], [0.3, 0.4]], ["a$b$c", "_x"])
    drawn(figure)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [r"a\$b\$c", "_x"]


def test_a_matrix_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"shape \(1, 2\), found \(1, 3\)"):
        transfer_matrix([[0.1, 0.2, 0.3]], ["a", "b"], ["after a"])


def test_all_tasks_are_lines_of_one_chart_with_its_blocks_named():
    figure = task_curves(two_block_log())
    axes = drawn(figure)
    assert axes.get_legend_handles_labels()[1] == ["a", "b"]
    assert axes.get_xlabel() == "environment steps"
    assert axes.get_ylabel() == "mean score"
    assert texts(axes) == ["a", "changing tasks"]
    assert texts(drawn(task_curves(two_block_log(), kinds=["task", "drift"]))) == ["a", "drift"]


def test_the_curve_of_returns_says_so():
    assert drawn(task_curves(two_block_log(), value="return")).get_ylabel() == "mean return"


def test_a_log_before_training_can_be_drawn():
    log = two_block_log().upto(1)
    assert texts(drawn(task_curves(log))) == []


def test_a_missing_evaluation_is_a_gap_in_the_line():
    axes = drawn(score_curves([0, 10, 20], [[0.1], [np.nan], [0.3]], ["a"], blocks=[Stretch(0, 20, "a")]))
    assert np.ma.getmaskarray(axes.lines[0].get_ydata()).tolist() == [False, True, False]


def test_many_tasks_have_lines_that_differ():
    names = [f"task-{i}" for i in range(20)]
    blocks = [Stretch(i * 10, i * 10 + 10, name) for i, name in enumerate(names)]
    scores = np.linspace(0, 1, 21)[:, None] * np.linspace(0.5, 1, 20)
    axes = drawn(score_curves(np.arange(21) * 10, scores, names, blocks=blocks))
    looks = {(line.get_color(), line.get_linestyle()) for line in axes.lines if line.get_label() in names}
    assert len(looks) == 20


def test_the_distribution_has_its_axes_in_the_units_of_the_features():
    points = np.random.default_rng(0).random((30, 3))
    axes = drawn(task_distribution(points, np.linspace(0, 1, 30), PLANE))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("height [m]", "spacing (log scale)")
    labels = dict(zip([label.get_text() for label in axes.get_xticklabels()], axes.get_xticks(), strict=True))
    assert labels["2"] == 0.5
    logs = dict(zip([label.get_text() for label in axes.get_yticklabels()], axes.get_yticks(), strict=True))
    assert logs["1"] == pytest.approx(0.5)
    assert "2 of 3 features" in axes.get_title()


def test_the_distribution_draws_the_last_points_only():
    points = np.vstack([np.zeros((5, 3)), np.ones((7, 3))])
    axes = drawn(task_distribution(points, None, PLANE, n_last=7))
    assert axes.collections[0].get_offsets().tolist() == [[1, 1]] * 7


def test_a_gaussian_is_an_ellipse_at_two_standard_deviations_of_the_drawn_features():
    covariance = np.diag([0.01, 0.5, 0.0004])
    figure = task_distribution(
        np.full((3, 3), 0.5),
        [0.1, 0.2, 0.3],
        PLANE,
        gaussians=[([0.5, 0.9, 0.2], covariance)],
        density=lambda points: points[:, 0],
        features=("height", "legs"),
    )
    axes = drawn(figure)
    (ellipse,) = [patch for patch in axes.patches if isinstance(patch, Ellipse)]
    assert ellipse.get_center() == pytest.approx((0.5, 0.2))
    assert sorted([ellipse.width, ellipse.height]) == pytest.approx([0.08, 0.4])
    assert axes.get_ylabel() == "legs"


def test_a_space_with_one_feature_gives_a_histogram_that_counts_every_task():
    points = np.random.default_rng(0).random((50, 1))
    figure = task_distribution(points, -points[:, 0], LINE, gaussians=[([0.5], [[0.01]])], density=lambda p: p[:, 0])
    axes = drawn(figure)
    assert sum(bar.get_height() for bar in axes.patches) == 50
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("gravity [m/s²]", "number of tasks")
    assert len(axes.lines) == 2


def test_categories_are_named_on_their_axis():
    space = TaskSpace("grid", [Feature.category("map", ("maze", "open"), "open"), Feature.integer("size", 5, 9, 5)])
    axes = drawn(task_distribution([[0.1, 0.2]], [0.5], space))
    assert [label.get_text() for label in axes.get_xticklabels()] == ["maze", "open"]


@pytest.mark.parametrize("space", [PLANE, LINE])
def test_a_distribution_without_tasks_yet_can_be_drawn(space):
    drawn(task_distribution(np.empty((0, space.dimension)), [], space))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scores": [0.1, float("nan")]}, "scores must be 2 finite numbers"),
        ({"scores": [0.1]}, "scores must be 2 finite numbers"),
        ({"features": ("height", "width")}, "height, spacing, legs, found 'width'"),
        ({"gaussians": [([0.5], [[0.1]])]}, "a Gaussian has a mean of shape"),
        ({"points": [[0.1, 0.2, 1.3]]}, r"must lie in \[0, 1\]"),
    ],
)
def test_a_wrong_argument_is_refused(options, message):
    arguments = {"points": [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], "scores": None, "space": PLANE} | options
    with pytest.raises(ValueError, match=message):
        task_distribution(**arguments)


def test_a_space_without_a_free_feature_is_refused():
    with pytest.raises(ValueError, match="no free feature"):
        task_distribution(np.empty((2, 0)), None, TaskSpace("fixed", []))


def test_drawing_touches_no_global_state_and_importing_no_matplotlib():
    code = (
        "import sys; from lifelong_rl.tracking import figures; print('matplotlib' in sys.modules); "
        "figures.transfer_matrix([[0.5]], ['a'], ['end']); print('matplotlib.pyplot' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["False", "False"]
