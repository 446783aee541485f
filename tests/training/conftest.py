import sys
from pathlib import Path

import pytest

from lifelong_rl.envs import make_vec

sys.path.insert(0, str(Path(__file__).parent))  # training_toys must be importable by name, by processes too


@pytest.fixture(scope="session")
def three_processes():
    """Three environments of the family Payday in processes of their own, shared since each takes seconds to start."""
    venv = make_vec("training_toys:Payday", 3, parallel=True)
    yield venv
    if not venv.closed:
        venv.close()
