import importlib.util

import torch

torch.set_num_threads(1)

collect_ignore = [] if importlib.util.find_spec("metaworld") else ["meta_world"]  # `make test-metaworld` runs them
