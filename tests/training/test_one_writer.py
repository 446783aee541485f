import pickle
from dataclasses import replace

import pytest
from stable_baselines3.common.callbacks import BaseCallback

from lifelong_rl.scenarios import condensed
from lifelong_rl.tracking.run_folder import RunFolder
from lifelong_rl.training.config import AgentConfig, RunConfig
from lifelong_rl.training.trainer import resume, train

CONFIG = RunConfig(
    condensed("point-goal", n_tasks=2, steps=200),
    AgentConfig("dqn", options={"policy_kwargs": {"net_arch": [16]}, "learning_starts": 50, "buffer_size": 500}),
    eval_episodes=1,
)


class Counting(BaseCallback):
    n_steps = 0

    def _on_step(self) -> bool:
        self.n_steps += 1
        return True


def test_a_second_process_in_one_folder_is_refused_and_harms_nothing(tmp_path):
    folder = train(CONFIG, tmp_path / "run", show_progress=False)
    before = folder.episodes_path.read_bytes()
    first = RunFolder.open(folder.path)
    first.lock()
    with pytest.raises(ValueError, match="another process is training"):
        resume(folder.path, show_progress=False)
    first.unlock()
    resume(folder.path, show_progress=False)
    assert folder.episodes_path.read_bytes() == before


def test_a_finished_run_can_be_sent_to_another_process(tmp_path):
    folder = train(CONFIG, tmp_path / "run", show_progress=False)
    assert pickle.loads(pickle.dumps(folder)).path == folder.path


def test_a_stable_baselines_callback_sees_every_step_and_changes_nothing(tmp_path):
    bare = train(CONFIG, tmp_path / "bare", show_progress=False)
    callback = Counting()
    seen = train(replace(CONFIG, log_every=77), tmp_path / "seen", show_progress=False, callback=callback)
    assert callback.n_steps == 200
    assert seen.episodes_path.read_bytes() == bare.episodes_path.read_bytes()
