import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # scenario_toys must be importable by name
