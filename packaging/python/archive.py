"""Puts what an archive of `packaging/package.sh` holds into the wheel, each file where pip installs it."""

import os
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VARIABLE = "INFERBENCH_ARCHIVE"


class ArchiveHook(BuildHookInterface):
    PLUGIN_NAME = "custom"

    def initialize(self, version, build_data):
        if version == "editable":
            return
        top = os.environ.get(VARIABLE)
        if not top:
            raise SystemExit(f"{VARIABLE} names no unpacked archive: build the wheel with packaging/wheel.sh")
        top = Path(top)
        for program in (top / "bin").iterdir():
            build_data["shared_scripts"][str(program)] = program.name
        for folder in ["lib/inferbench/plugins", "share"]:
            build_data["shared_data"][str(top / folder)] = folder
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{os.environ['INFERBENCH_PLATFORM']}"
