"""Refuses a program or library that needs a newer glibc than it is built for.

    symbols.py 2.28 FILE...
"""

import re
import subprocess
import sys


def number(version):
    return tuple(int(part) for part in version.split("."))


def newest(file):
    """The newest version of glibc that a symbol of the file asks for."""
    listed = subprocess.run(
        ["readelf", "--version-info", "--wide", file], check=True, capture_output=True, text=True
    )
    versions = re.findall(r"\bGLIBC_(\d+(?:\.\d+)+)", listed.stdout)
    return max(versions, key=number, default="0")


def main(allowed, files):
    too_new = 0
    for file in files:
        needs = newest(file)
        print(f"{file}: glibc {needs}")
        if number(needs) > number(allowed):
            too_new += 1
    if too_new:
        sys.exit(f"{too_new} of {len(files)} files need a newer glibc than {allowed}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
