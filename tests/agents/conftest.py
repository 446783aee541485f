import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # agent_toys must be importable by name: agents are saved with it
