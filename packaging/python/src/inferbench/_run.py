"""The files of a run folder."""

import gzip
import json
import re
import zlib
from functools import cached_property
from pathlib import Path

from inferbench._frames import Rows

NEWEST_SCHEMA = 3


class RunError(Exception):
    """A folder that holds no finished run, or a file of it that cannot be read."""


class Run:
    """A finished run. Its files are read when they are first asked for."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.manifest = _manifest(self.folder)

    def __repr__(self):
        return f"Run({str(self.folder)!r})"

    @cached_property
    def cells(self):
        """One dict for each cell, with every metric: the rows of `cells.json`."""
        file = self.folder / "cells.json"
        if not file.exists():
            raise RunError(f"{self.folder}: has no cells.json: make it with `inferbench report {self.folder}`")
        table = _json(file)
        cells = table.get("cells") if isinstance(table, dict) else None
        if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
            raise RunError(
                f"{file}: holds no `cells`, a list of objects: make it again with `inferbench report {self.folder}`"
            )
        return Rows(cells)

    @cached_property
    def requests(self):
        """One dict for each request, in the order of `requests.jsonl`."""
        return self.lines("requests")

    def lines(self, name):
        """The lines of a file of facts: `requests`, `gpu`, `host` or `server_metrics`, packed parts first."""
        files = _parts(self.folder, name)
        if name == "requests" and not files:
            raise RunError(f"{self.folder}: has no requests.jsonl")
        return Rows(line for file in files for line in _json_lines(file))


def load(folder):
    """Opens the folder of a finished run.

    Raises `RunError` if it is none, if the run goes on, or if a newer InferBench wrote it.
    """
    return Run(folder)


def _manifest(folder):
    file = folder / "run.json"
    if not file.exists():
        raise RunError(f"{folder}: is no run folder: it has no run.json")
    manifest = _json(file)
    if not isinstance(manifest, dict):
        raise RunError(f"{file}: holds no run: it must be an object")
    schema = manifest.get("schema_version")
    if schema not in range(1, NEWEST_SCHEMA + 1) or isinstance(schema, bool):
        raise RunError(f"{file}: has schema_version {schema}, this module reads up to {NEWEST_SCHEMA}: upgrade it")
    if manifest.get("exit_state") == "running":
        raise RunError(
            f"{folder}: is not finished: it runs still, or was cut off; `inferbench run CONFIG --resume {folder}` goes on"
        )
    return manifest


def _parts(folder, name):
    """Files of one kind in the order in which they were written."""
    numbered = re.compile(rf"{re.escape(name)}\.(\d+)\.jsonl(\.gz)?")
    parts = {}
    for file in sorted(folder.iterdir()):
        match = numbered.fullmatch(file.name)
        # A part that was cut off while it was packed lies there plain, too: that one is whole.
        if match:
            number = int(match[1])
            if number not in parts or parts[number].suffix == ".gz":
                parts[number] = file
    last = [folder / f"{name}.jsonl", folder / f"{name}.jsonl.gz"]
    present = [file for file in last if file.exists()]
    return [parts[number] for number in sorted(parts)] + present[:1]


# What `json`, `gzip` and the decoder raise of bytes that are damaged; of files, `OSError`.
_NOT_READ = (ValueError, RecursionError, EOFError, zlib.error, OSError)


def _must_be_file(file):
    # Opening a pipe to which nobody writes would wait without end.
    if file.exists() and not file.is_file():
        raise RunError(f"{file}: is no file")


def _json(file):
    _must_be_file(file)
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except _NOT_READ as error:
        raise RunError(f"{file}: is no JSON: {error}") from error


def _json_lines(file):
    _must_be_file(file)
    opened = gzip.open if file.suffix == ".gz" else open
    number = 0
    try:
        with opened(file, "rb") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    row = json.loads(line.decode("utf-8"))
                except (ValueError, RecursionError) as error:
                    # The last line of a run that was killed.
                    if not line.endswith(b"\n"):
                        return
                    raise RunError(f"{file}:{number}: is no JSON: {error}") from error
                if not isinstance(row, dict):
                    raise RunError(f"{file}:{number}: must be an object")
                yield row
    except _NOT_READ as error:
        raise RunError(f"{file}: cannot be read after line {number}: {error}") from error
