"""Rows as plain dicts, and as the frames of pandas and polars."""

import math


class Rows(list):
    """A list of dicts that becomes a frame where pandas or polars is installed.

    In a frame a nested field has the names on the way to it, joined by `_`: `ttft_ms_p50`, `level_value`.
    """

    def to_pandas(self):
        """A `pandas.DataFrame`; needs pandas."""
        import pandas

        return pandas.DataFrame(self._flat())

    def to_polars(self):
        """A `polars.DataFrame`; needs polars."""
        import polars

        return polars.DataFrame(self._flat(), infer_schema_length=None, strict=False)

    def _flat(self):
        """Every row has every column: one that is missing in a row is unknown there."""
        rows = [dict(_leaves("", row)) for row in self]
        groups = {name for row in self for name in _groups("", row)}
        # A whole group that is unknown in one row is unknown in each of its columns.
        columns = dict.fromkeys(name for row in rows for name in row if name not in groups)
        return [{name: row.get(name) for name in columns} for row in rows]


def _inner(name, value):
    """The fields of a dict by the names of their columns."""
    return {f"{name}_{key}" if name else key: inner for key, inner in value.items()}


def _groups(name, value):
    """Names of fields that hold fields."""
    if isinstance(value, dict) and value:
        yield name
        for inner, held in _inner(name, value).items():
            yield from _groups(inner, held)


def _leaves(name, value):
    if isinstance(value, dict) and value:
        for inner, held in _inner(name, value).items():
            yield from _leaves(inner, held)
    elif name == "level_value":
        # The rate of all requests at once is written as "inf".
        yield name, math.inf if value == "inf" else float(value)
    else:
        yield name, value
