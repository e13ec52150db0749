"""What `load` gives of run folders that are made here, and of one that an older program wrote."""

import gzip
import json
import math
import os
from pathlib import Path

import pytest

import inferbench

STORED = Path(__file__).resolve().parents[3] / "cli/tests/old_runs"

CELL = {
    "backend": "a",
    "block": 0,
    "level": {"kind": "concurrency", "value": 4},
    "ttft_ms": {"mean": 20.0, "p50": 18.5},
    "goodput": None,
}
OPEN = {**CELL, "level": {"kind": "request_rate", "value": "inf"}, "ttft_ms": None}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"schema_version": 3, "exit_state": "done"}))
    (tmp_path / "cells.json").write_text(json.dumps({"schema_version": 3, "cells": [CELL, OPEN]}))
    (tmp_path / "requests.jsonl").write_text('{"index": 0, "ttft_ms": 18.5}\n{"index": 1, "ttft_ms": null}\n')
    return tmp_path


def test_cells_and_requests_are_the_dicts_of_the_files(folder):
    run = inferbench.load(folder)
    assert run.cells == [CELL, OPEN]
    assert run.requests == [{"index": 0, "ttft_ms": 18.5}, {"index": 1, "ttft_ms": None}]
    assert run.manifest["exit_state"] == "done"


def test_packed_parts_come_before_the_plain_file_in_the_order_of_their_numbers(folder):
    for number, packed in [(1, True), (2, False), (10, True)]:
        line = json.dumps({"t_ns": number}) + "\n"
        if packed:
            with gzip.open(folder / f"gpu.{number:04}.jsonl.gz", "wt") as file:
                file.write(line)
        else:
            (folder / f"gpu.{number:04}.jsonl").write_text(line)
    (folder / "gpu.0002.jsonl.gz").write_bytes(b"cut off")
    (folder / "gpu.jsonl").write_text('{"t_ns": 11}\n')
    assert [row["t_ns"] for row in inferbench.load(folder).lines("gpu")] == [1, 2, 10, 11]
    assert inferbench.load(folder).lines("host") == []


def test_a_packed_file_of_requests_is_read(folder):
    plain = folder / "requests.jsonl"
    (folder / "requests.jsonl.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    assert [row["index"] for row in inferbench.load(folder).requests] == [0, 1]


def test_only_a_last_line_that_was_cut_off_is_skipped(folder):
    file = folder / "requests.jsonl"
    file.write_text('{"index": 0}\n{"ind')
    assert inferbench.load(folder).requests == [{"index": 0}]
    file.write_text('{"index": 0}\n{"ind\n{"index": 2}\n')
    with pytest.raises(inferbench.RunError, match=r"requests\.jsonl:2: is no JSON"):
        inferbench.load(folder).requests


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ({"schema_version": 3, "exit_state": "running"}, "is not finished"),
        ({"schema_version": 4, "exit_state": "done"}, "has schema_version 4, this module reads up to 3"),
        ({"exit_state": "done"}, "has schema_version None"),
        ({"schema_version": 0, "exit_state": "done"}, "has schema_version 0"),
        ({"schema_version": True, "exit_state": "done"}, "has schema_version True"),
        ({"schema_version": [3], "exit_state": "done"}, "has schema_version"),
        ([3], r"run\.json: holds no run"),
    ],
)
def test_what_is_no_finished_run_is_refused(folder, manifest, words):
    (folder / "run.json").write_text(json.dumps(manifest))
    with pytest.raises(inferbench.RunError, match=words):
        inferbench.load(folder)


def test_a_folder_without_run_or_cells_says_what_to_do(folder):
    (folder / "cells.json").unlink()
    with pytest.raises(inferbench.RunError, match="inferbench report"):
        inferbench.load(folder).cells
    (folder / "run.json").unlink()
    with pytest.raises(inferbench.RunError, match="is no run folder"):
        inferbench.load(folder)


def check_frame(frame, column):
    assert column(frame, "ttft_ms_p50")[0] == 18.5
    assert column(frame, "level_kind") == ["concurrency", "request_rate"]
    assert column(frame, "level_value") == [4.0, math.inf]
    assert sorted(frame.columns) == [
        "backend",
        "block",
        "goodput",
        "level_kind",
        "level_value",
        "ttft_ms_mean",
        "ttft_ms_p50",
    ]


def test_a_frame_of_pandas_has_a_column_for_each_figure(folder):
    pytest.importorskip("pandas")
    frame = inferbench.load(folder).cells.to_pandas()
    check_frame(frame, lambda frame, name: list(frame[name]))
    assert frame["ttft_ms_p50"].isna().tolist() == [False, True]


def test_a_frame_of_polars_has_a_column_for_each_figure(folder):
    pytest.importorskip("polars")
    frame = inferbench.load(folder).cells.to_polars()
    check_frame(frame, lambda frame, name: frame[name].to_list())
    assert frame["ttft_ms_p50"].to_list() == [18.5, None]


def test_what_is_no_folder_is_refused(folder):
    with pytest.raises(inferbench.RunError, match="is no run folder"):
        inferbench.load(folder / "nothing")
    with pytest.raises(inferbench.RunError, match="is no run folder"):
        inferbench.load(folder / "run.json")


# Requests that each folder holds, counted with zcat and wc.
@pytest.mark.parametrize(("name", "requests"), [("real", 92), ("simulated", 294), ("slower", 294)])
def test_a_run_of_an_older_program_is_read(name, requests):
    run = inferbench.load(STORED / name)
    assert run.manifest["schema_version"] == 1
    assert len(run.requests) == requests
    assert {row["status"] for row in run.requests} <= {"ok", "failed"}
    assert run.lines("host")[0]["t_ns"] > 0
    with pytest.raises(inferbench.RunError, match="inferbench report"):
        run.cells


def _packed(text):
    return gzip.compress(text.encode())


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("run.json", b"[]", "holds no run"),
        ("run.json", b"\xff{}", "is no JSON"),
        ("run.json", b"[" * 100_000, "is no JSON"),
        ("cells.json", b"{}", "holds no `cells`"),
        ("cells.json", b'{"cells": [1]}', "holds no `cells`"),
        ("requests.jsonl", b'{"a": "\xff"}\n', "requests.jsonl:1: is no JSON"),
        ("requests.jsonl", b'{"a": 1}\n[]\n', "requests.jsonl:2: must be an object"),
        ("gpu.0001.jsonl.gz", _packed('{"a": 1}\n')[:-6], "cannot be read after line 1"),
        ("gpu.0001.jsonl.gz", b"no gzip", "cannot be read after line 0"),
    ],
)
def test_whatever_is_damaged_is_one_kind_of_error_that_names_the_file(folder, name, content, words):
    (folder / name).write_bytes(content)
    with pytest.raises(inferbench.RunError) as raised:
        run = inferbench.load(folder)
        assert run.cells
        assert run.requests
        run.lines("gpu")
    assert name in str(raised.value)
    assert words in str(raised.value)


def test_a_pipe_in_place_of_a_file_is_refused_and_not_waited_for(folder):
    (folder / "cells.json").unlink()
    os.mkfifo(folder / "cells.json")
    with pytest.raises(inferbench.RunError, match="cells.json: is no file"):
        assert inferbench.load(folder).cells
