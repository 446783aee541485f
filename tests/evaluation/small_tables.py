"""A table of scores as people have them, and writing one to a file."""

from pathlib import Path

SMALL = """step,block,task,score
0,-1,a,0.1
0,-1,b,0.2
10,0,a,0.3
10,0,b,0.4
20,1,a,0.5
20,1,b,0.6
"""


def table(tmp_path: Path, text: str, name: str = "log.csv") -> Path:
    """Write a text to a file in a folder, and give its path."""
    path = tmp_path / name
    path.write_bytes(text.encode())
    return path
