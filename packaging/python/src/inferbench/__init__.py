"""Reads what a run of InferBench has left: its cells and its requests.

    run = inferbench.load("results/chat-20261129T120000Z")
    run.cells[0]["ttft_ms"]["p50"]
    run.requests.to_pandas()

Fields are those of the files, by the book's page of the run folder. An unknown value is `None`.
"""

from inferbench._frames import Rows
from inferbench._run import Run, RunError, load

__all__ = ["Rows", "Run", "RunError", "load"]
