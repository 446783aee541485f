"""TensorBoard's picture of a run, and the report: every tag is there, on the axis of environment steps."""

import json

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from lifelong_rl.envs import FAMILIES
from lifelong_rl.evaluation import FAMILIES as METRIC_FAMILIES
from lifelong_rl.scenarios import condensed, curriculum
from lifelong_rl.teachers import ALPGMM
from lifelong_rl.tracking.recorder import Recorder, as_tag, cut_events
from lifelong_rl.tracking.run_folder import RunFolder
from lifelong_rl.training.config import AgentConfig, RunConfig
from lifelong_rl.training.trainer import resume, train

AGENT = AgentConfig("dqn", options={"policy_kwargs": {"net_arch": [16]}, "learning_starts": 30, "batch_size": 16})
PNG = b"\x89PNG"


def run(path, scenario):
    config = RunConfig(scenario, AGENT, n_envs=2, eval_every=100, eval_episodes=1, log_every=50, checkpoint_every=150)
    return train(config, path, show_progress=False)


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    return run(tmp_path_factory.mktemp("stream") / "run", condensed("point-goal", n_tasks=2, steps=400))


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    teacher = ALPGMM(fit_every=20, max_gaussians=2)
    return run(tmp_path_factory.mktemp("taught") / "run", curriculum("point-goal", teacher=teacher, steps=300))


def events(folder):
    accumulator = EventAccumulator(str(folder.path), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    accumulator.Reload()
    return accumulator


def test_a_streams_curves_are_there(stream):
    tags = set(events(stream).Tags()["scalars"])
    assert {"rollout/ep_rew_mean", "rollout/ep_len_mean", "train/loss", "train/learning_rate"} <= tags
    for task in ("east", "west"):
        assert {f"eval/{task}/return", f"eval/{task}/success", f"eval/{task}/score"} <= tags
    metrics = json.loads((stream.path / "metrics.json").read_text())
    defined = {f"transfer/{m['family']}/{m['name']}" for m in metrics if m["value"] is not None}
    assert {"transfer/gem/backward_transfer", "transfer/gem/average_accuracy"} <= defined
    assert defined == {tag for tag in tags if tag.startswith("transfer/")}


def test_a_teachers_curves_and_figure_are_there(taught):
    found = events(taught)
    tags = set(found.Tags()["scalars"])
    assert {f"teacher/{name}" for name in ("entropy", "coverage", "mean_alp", "random_share")} <= tags
    assert set(found.Tags()["images"]) == {"teacher/task_distribution", "transfer/matrix"}
    steps = [image.step for image in found.Images("teacher/task_distribution")]
    assert steps == [104, 200, 300]  # whole rollouts of eight steps
    assert found.Images("transfer/matrix")[0].encoded_image_string.startswith(PNG)


def test_a_stream_has_its_matrix_after_each_block_and_no_teacher(stream):
    found = events(stream)
    assert [image.step for image in found.Images("transfer/matrix")] == [200, 400]
    assert not any(
        tag.startswith("teacher/") for tags in (found.Tags()["scalars"], found.Tags()["images"]) for tag in tags
    )


def test_the_axis_is_the_total_of_environment_steps(stream):
    found = events(stream)
    assert [point.step for point in found.Scalars("eval/east/score")] == [0, 104, 200, 304, 400]
    rollout = [point.step for point in found.Scalars("rollout/ep_rew_mean")]
    assert rollout == sorted(set(rollout)) and rollout[-1] == 400 and len(rollout) >= 6
    logged = [json.loads(line) for line in stream.evaluations_path.read_text().splitlines()]
    scores = [record["scores"][0] for record in logged if record["task"] == "east"]
    assert [point.value for point in found.Scalars("eval/east/score")] == pytest.approx(scores, rel=1e-6)


def test_the_hyperparameters_the_configuration_and_one_chart_of_all_tasks_are_there(stream):
    found = events(stream)
    plugins = found.summary_metadata
    names = {metadata.plugin_data.plugin_name for metadata in plugins.values()}
    assert {"hparams", "custom_scalars", "text"} <= names
    assert "_hparams_/experiment" in plugins and "_hparams_/session_start_info" in plugins
    layout = found.Tensors("custom_scalars__config__")[0].tensor_proto.string_val[0]
    assert b"eval/.*/score" in layout
    text = found.Tensors("config/text_summary")[0].tensor_proto.string_val[0].decode()
    assert '"point-goal"' in text


def test_the_hparams_tab_names_every_metric_by_the_tag_of_its_curve(stream, taught):
    """TensorBoard shows the columns that one run asks for, so all runs must ask for the same."""
    columns = []
    for folder in (stream, taught):
        content = HParamsPluginData.FromString(
            events(folder).summary_metadata["_hparams_/experiment"].plugin_data.content
        )
        metrics = {info.name.tag for info in content.experiment.metric_infos}
        settings = {info.name for info in content.experiment.hparam_infos}
        columns.append((metrics, settings))
        defined = {tag for tag in events(folder).Tags()["scalars"] if tag.startswith("transfer/")}
        assert defined <= metrics
    assert columns[0] == columns[1]
    assert {"agent", "components", "teacher", "scenario", "seed", "steps", "settings"} <= columns[0][1]
    roots = {tag.split("/")[0] for tag in events(stream).Tags()["scalars"]}
    assert roots <= {"eval", "rollout", "train", "time", "transfer", "components"}


def test_a_resumed_run_is_one_curve_with_its_hyperparameters_once(stream):
    before = {tag: events(stream).Scalars(tag) for tag in events(stream).Tags()["scalars"]}
    resume(stream.path, show_progress=False)
    found = events(stream)
    assert set(found.Tags()["scalars"]) == set(before)
    for tag, points in before.items():
        assert [(p.step, p.value) for p in found.Scalars(tag)] == [(p.step, p.value) for p in points]


@pytest.mark.parametrize("kind", ["stream", "taught"])
def test_metrics_and_pictures_are_written(kind, request):
    folder = request.getfixturevalue(kind)
    metrics = json.loads((folder.path / "metrics.json").read_text())
    assert {metric["family"] for metric in metrics} == set(METRIC_FAMILIES)
    for metric in metrics:
        assert (metric["value"] is None) == bool(metric["reason"])
    pictures = {path.name: path.read_bytes() for path in folder.report_path.iterdir()}
    expected = {"task_curves.png", "transfer_matrix.png"} | ({"task_distribution.png"} if kind == "taught" else set())
    assert set(pictures) == expected
    assert all(picture.startswith(PNG) for picture in pictures.values())


def test_the_folder_holds_what_repeats_the_run(stream):
    config = RunFolder.open(stream.path).config
    assert config["scenario"]["family"] in FAMILIES
    assert set(config["provenance"]) == {"python", "packages", "commit"}
    assert RunConfig.from_json(config).to_json() == {k: v for k, v in config.items() if k != "provenance"}


def test_events_after_a_checkpoint_are_cut_and_new_files_removed(tmp_path):
    recorder = Recorder(tmp_path)
    recorder.scalars({"a": 1.0}, 1)
    sizes = recorder.sizes()
    recorder.scalars({"a": 2.0}, 2)
    recorder.close()
    (tmp_path / "events.out.tfevents.9999999999.later").write_bytes(b"later")
    cut_events(tmp_path, sizes)
    assert [(p.step, p.value) for p in events(RunFolder(tmp_path)).Scalars("a")] == [(1, 1.0)]
    assert {path.name: path.stat().st_size for path in tmp_path.iterdir()} == sizes


def test_a_name_that_tensorboard_does_not_allow_is_replaced():
    assert as_tag("eval/my task (1): é/score") == "eval/my_task__1___é/score"
