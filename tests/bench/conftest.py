import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # bench_toys must be importable by name, by processes too
