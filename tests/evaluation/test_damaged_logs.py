"""Whatever happens to a file: a clear error that names it, or what it truly held; never another number."""

import gzip
import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lifelong_rl.evaluation import (
    EvaluationLog,
    TrainingLog,
    read_csv,
    read_progress,
    read_training_csv,
    to_line,
)


def evaluation_line(step, block, at, task):
    episodes = {"returns": [step + 0.5, -2.25], "scores": [0.25, step / 64], "successes": [True, False]}
    point = {"step": step, "block": block, "at": at, "trained": "ab"[block], "task": task}
    return to_line(point | episodes | {"lengths": [7, 11], "extra": {"loss": 0.125}})


POINTS = [(0, 0, "start"), (16, 0, "during"), (32, 0, "end"), (64, 1, "end")]

FILES = {
    "evaluations.jsonl": "".join(evaluation_line(*point, task) for point in POINTS for task in "ab"),
    "episodes.jsonl": "".join(
        to_line(
            {"step": 10 * i, "block": i // 4, "task": "ab"[i // 4], "return": i / 8, "score": i / 16, "env": i % 2}
        ).replace("}", ', "length": 10, "success": true}')
        for i in range(1, 7)
    ),
    "log.csv": "step,block,task,score\n"
    + "".join(
        f"{step},{-(at == 'start') or block},{task},{step / 64}\n" for step, block, at in POINTS for task in "ab"
    ),
    "training.csv": "step,block,task,return\n"
    + "".join(f"{10 * i},{i // 4},{'ab'[i // 4]},{i / 8}\n" for i in range(1, 7)),
    "progress.tsv": "total_env_steps\ttest/stochastic/0/a/success\ttest/stochastic/1/b/success\ttrain/active_env\n"
    + "".join(f"{16 * i}\t{i / 16}\t{i / 32}\t{i // 3}\n" for i in range(1, 5)),
}

READERS = {
    "evaluations.jsonl": EvaluationLog.read,
    "episodes.jsonl": TrainingLog.read,
    "log.csv": read_csv,
    "training.csv": read_training_csv,
    "progress.tsv": read_progress,
}


def entries(log):
    """Give what a log holds, an evaluated task or a training episode each, as plain values."""
    if isinstance(log, TrainingLog):
        values = [column.tolist() for column in log.values.values()]
        rows = zip(log.steps.tolist(), log.blocks.tolist(), log.task_index.tolist(), *values, strict=True)
        return [(step, block, log.tasks[task], *numbers) for step, block, task, *numbers in rows]
    ends = log.n_episodes.cumsum().tolist()
    found = []
    for i, end in enumerate(ends):
        point, task = log.points[log.point_index[i]], log.tasks[log.task_index[i]]
        begin = end - int(log.n_episodes[i])
        numbers = [tuple(column[begin:end].tolist()) for column in log.episodes.values()]
        found.append((point.step, point.block, task, *numbers))
    return found


def numbers_of(found):
    """Give every number with its step and block, whatever the task."""
    pairs = [
        (entry[:2], numbers if isinstance(numbers, tuple) else (numbers,)) for entry in found for numbers in entry[3:]
    ]
    return sorted((*point, number) for point, numbers in pairs for number in numbers)


def read(tmp_path, name, data):
    path = tmp_path / name
    path.write_bytes(data)
    return READERS[name](path)


@pytest.fixture(params=FILES)
def name(request):
    return request.param


@pytest.fixture
def data(name):
    return FILES[name].encode()


def test_the_whole_files_are_read(tmp_path, name, data):
    assert len(entries(read(tmp_path, name, data))) == (6 if name in ("episodes.jsonl", "training.csv") else 8)


def test_a_file_cut_at_any_byte_gives_its_first_entries_or_an_error_that_names_it(tmp_path, caplog, name, data):
    caplog.set_level(logging.ERROR)  # a warning a cut
    true = entries(read(tmp_path, name, data))
    n_read = 0
    for n_kept in range(len(data)):
        try:
            log = read(tmp_path, name, data[:n_kept])
        except ValueError as error:
            assert name in str(error)
        else:
            n_read += 1
            assert entries(log) == true[: len(log)]
            if isinstance(log, EvaluationLog) and data[:n_kept][-1:] != b"\n" and name != "evaluations.jsonl":
                assert log.points[-1].at != "end"
    assert n_read > len(data) / 4


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_with_one_other_byte_gives_at_most_one_other_line_or_an_error_that_names_it(tmp_path, data):
    name = data.draw(st.sampled_from(list(FILES)))
    whole = FILES[name].encode()
    place = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.sampled_from(b'0123456789.-+eE,;\t\n\r" _{}[]:abn\x00\xff\xc3') | st.integers(0, 255))
    check_one_other_byte(tmp_path, name, whole, place, byte)


def check_one_other_byte(tmp_path, name, whole, place, byte):
    true = entries(read(tmp_path, name, whole))
    try:
        log = read(tmp_path, name, whole[:place] + bytes([byte]) + whole[place + 1 :])
    except ValueError as error:
        assert name in str(error)
        return
    found = entries(log)
    in_header = name.endswith((".csv", ".tsv")) and place < whole.index(b"\n")
    if in_header:  # a task that is named in the header may have got another name, that of the other task too
        assert numbers_of(found) == numbers_of(true)
        return
    assert len(found) in (len(true), len(true) - 1, len(true) - (2 if name == "progress.tsv" else 1))
    n_other = len([entry for entry in found if entry not in true])
    assert n_other <= (2 if name == "progress.tsv" else 1)  # a line of progress.tsv has two entries


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: b"", "holds no|"),
        (lambda data: gzip.compress(data), "is compressed with gzip: unpack it first"),
        (lambda data: b"PK\x03\x04" + data, "is a zip archive: unpack it first"),
        (lambda data: data.decode().encode("utf-16"), "is UTF-16 text: save it as UTF-8"),
        (lambda data: data.replace(b"a", b"\xe4"), "line 1: not|line 2: not|lacks"),
        (lambda data: data + data, "go back|two places|must rise|must be a|must be an integer"),
        (lambda data: b"[" * 100_000 + b"\n" + data, "line 1|column"),
        (lambda data: b"\x00" * 4096 + b"\n" + data, "line 1|column|lacks"),
    ],
)
def test_damage_is_refused_with_the_name_of_the_file(tmp_path, name, data, damage, message):
    if name == "episodes.jsonl" and not damage(data):
        assert len(read(tmp_path, name, b"")) == 0
        return
    with pytest.raises(ValueError, match=message) as refusal:
        read(tmp_path, name, damage(data))
    assert name in str(refusal.value)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda data: b"\xef\xbb\xbf" + data, id="a byte order mark"),
        pytest.param(lambda data: data.replace(b"\n", b"\r\n"), id="line ends of Windows"),
    ],
)
def test_what_an_editor_adds_changes_nothing(tmp_path, name, data, change):
    assert entries(read(tmp_path, name, change(data))) == entries(read(tmp_path, name, data))


def test_a_folder_and_a_missing_file_are_refused(tmp_path, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match="does not exist"):
        READERS[name](tmp_path / name)
    (tmp_path / name).mkdir()
    with pytest.raises(ValueError, match=r"is a folder|does not exist"):
        READERS[name](tmp_path / name)


def test_a_line_that_stands_twice_is_refused_except_for_equal_training_episodes(tmp_path, name, data):
    lines = data.splitlines(keepends=True)
    twice = b"".join([*lines[:3], lines[2], *lines[3:]])
    if name == "training.csv":
        assert len(read(tmp_path, name, twice)) == 7
        return
    with pytest.raises(ValueError, match=r"line \d: .*(twice|ends at step|does not have 1 row|must rise)"):
        read(tmp_path, name, twice)


@pytest.mark.parametrize("name", ["evaluations.jsonl", "episodes.jsonl"])
def test_lines_that_lack_a_field_part_way_are_refused(tmp_path, name, data):
    lines = data.splitlines(keepends=True)
    field = b'"scores": [0.25, 0.25], ' if name == "evaluations.jsonl" else b'"score": 0.1875, '
    assert field in lines[2]
    lines[2] = lines[2].replace(field, b"")
    with pytest.raises(ValueError, match=r"line 3: missing scores?; .*are lines of two versions in one file"):
        read(tmp_path, name, b"".join(lines))


@pytest.mark.parametrize("name", ["evaluations.jsonl", "episodes.jsonl"])
@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"1e999", b"1" * 400, b"1" * 5000])
def test_a_number_that_is_none_is_refused(tmp_path, name, data, number):
    field = b"[16.5," if name == "evaluations.jsonl" else b'"return": 0.375'
    assert field in data
    with pytest.raises(ValueError, match=rf"{name}, line 3: "):
        read(tmp_path, name, data.replace(field, field.replace(b"16.5", number).replace(b"0.375", number)))


@pytest.mark.parametrize("name", ["evaluations.jsonl", "episodes.jsonl"])
def test_two_objects_on_a_line_and_an_empty_line_are_refused(tmp_path, name, data):
    for damaged in (data.replace(b"\n", b" ", 1), data.replace(b"\n", b"\n\r\n", 1), b"\n" + data):
        with pytest.raises(ValueError, match=r"line [12]: not a JSON object"):
            read(tmp_path, name, damaged)


@pytest.mark.parametrize("name", ["evaluations.jsonl", "episodes.jsonl"])
def test_text_that_is_not_utf_8_is_refused_in_a_field_that_is_ignored_too(tmp_path, name, data):
    damaged = data.replace(b"}\n", b', "note": "\xff"}\n')
    with pytest.raises(ValueError, match=r"line 1: not a JSON object"):
        read(tmp_path, name, damaged)


def test_a_file_without_line_ends_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch, name, data):
    monkeypatch.setattr("lifelong_rl.evaluation.lines.LONGEST_LINE", 60)
    monkeypatch.setattr("lifelong_rl.evaluation.lines.PART", 20)
    with pytest.raises(ValueError, match=r"line 1 has more than 60 bytes\. Is this a log"):
        read(tmp_path, name, data.replace(b"\n", b" "))


@pytest.mark.parametrize("part", [1, 7, 64])
def test_the_size_of_the_parts_makes_no_difference(tmp_path, monkeypatch, name, data, part):
    true = entries(read(tmp_path, name, data))
    monkeypatch.setattr("lifelong_rl.evaluation.lines.PART", part)
    assert entries(read(tmp_path, name, data + (b"\n\n" if name.endswith("sv") else b""))) == true
    lines = data.splitlines(keepends=True)
    with pytest.raises(ValueError, match=r"line 4"):
        read(tmp_path, name, b"".join([*lines[:3], b"x\n", *lines[3:]]))
