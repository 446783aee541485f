"""The house rules that no single room can check: floors, imports, and what the wheel holds."""

import ast
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAPPED_ROOMS = ("envs", "teachers", "agents")
FLOORS = {
    "envs": 0,
    "teachers": 1,
    "agents": 1,
    "lifelong_rl/scenarios": 2,
    "lifelong_rl/evaluation": 2,
    "lifelong_rl/tracking": 3,
    "lifelong_rl/training": 3,
    "lifelong_rl/bench": 3,
    "lifelong_rl/cli_options.py": 4,
    "lifelong_rl/cli_environments.py": 4,
    "lifelong_rl/cli_teachers.py": 4,
    "lifelong_rl/cli.py": 4,
}
SIDE_BY_SIDE = {("teachers", "agents"), ("agents", "teachers")}  # one floor, and they do not know each other


def sources() -> list[Path]:
    folders = [ROOT / room for room in (*MAPPED_ROOMS, "lifelong_rl")]
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def room_of(path: Path) -> str | None:
    relative = path.relative_to(ROOT).as_posix()
    return next((room for room in FLOORS if relative == room or relative.startswith(f"{room}/")), None)


def imported_rooms(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import, which static tools cannot follow here"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    rooms = set()
    for name in names:
        parts = name.split(".")
        if parts[0] == "lifelong_rl" and len(parts) > 1:
            inside = parts[1] if parts[1] in MAPPED_ROOMS else f"lifelong_rl/{parts[1]}"
            rooms |= {inside} & FLOORS.keys() or ({f"{inside}.py"} & FLOORS.keys())
    return rooms


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_go_down_only(path):
    room = room_of(path)
    if room is None:
        return  # lifelong_rl/__init__.py names what all rooms offer
    for other in imported_rooms(path):
        assert FLOORS[other] <= FLOORS[room], f"{path} on floor {FLOORS[room]} imports {other}"
        assert (room, other) not in SIDE_BY_SIDE, f"{path} imports {other}, which it must not know"


def test_every_source_belongs_to_a_floor():
    homeless = [path for path in sources() if room_of(path) is None]
    assert homeless == [ROOT / "lifelong_rl" / "__init__.py"]


def test_every_folder_with_sources_is_a_package():
    assert all((path.parent / "__init__.py").is_file() for path in sources())


def test_importing_everything_leaves_no_bare_room_behind_and_imports_by_full_name(tmp_path):
    modules = [module_name(path) for path in sources()]
    code = (
        f"import importlib, sys\nfor name in {modules!r}: importlib.import_module(name)\n"
        f"bare = [room for room in {MAPPED_ROOMS!r} if room in sys.modules]\nassert not bare, bare\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


@pytest.mark.parametrize("package", ["lifelong_rl", "lifelong_rl.envs", "lifelong_rl.teachers", "lifelong_rl.cli"])
def test_a_light_import_does_not_import_torch(package, tmp_path):
    code = f"import sys, {package}\nassert 'torch' not in sys.modules and 'stable_baselines3' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    name = ".".join(parts if parts[0] == "lifelong_rl" else ("lifelong_rl", *parts))
    return name.removesuffix(".__init__")


GLOBAL_DRAW = re.compile(
    r"(np\.random|numpy\.random|random)\.(seed|random|rand|randn|randint|choice|uniform|normal|gauss|shuffle|"
    r"permutation|sample|random_sample|standard_normal)|torch\.(manual_seed|rand|randn|randint|randperm)"
)


def test_the_library_draws_from_no_global_generator_and_prints_nothing():
    offences = []
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            call = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if GLOBAL_DRAW.fullmatch(call) or (call == "print" and not path.name.startswith("cli")):
                offences.append(f"{path.relative_to(ROOT)}:{node.lineno} {call}")
    assert not offences


def test_the_wheel_holds_every_source_and_nothing_else(tmp_path):
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    copy = tmp_path / "source"
    copied = [*sources(), ROOT / "pyproject.toml", ROOT / "setup.py", ROOT / "README.md", ROOT / "LICENSE"]
    for path in [*copied, ROOT / "lifelong_rl" / "py.typed"]:
        target = copy / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    subprocess.run([*command, "-w", str(tmp_path), str(copy)], check=True, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = {module_file(path) for path in sources()} | {"lifelong_rl/py.typed"}
    assert found == expected


def module_file(path: Path) -> str:
    relative = path.relative_to(ROOT)
    return (relative if relative.parts[0] == "lifelong_rl" else Path("lifelong_rl") / relative).as_posix()
