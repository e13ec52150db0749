#!/usr/bin/env bash
# Makes the wheel out of an archive of package.sh: the same program and plugins, beside the Python module.
#
#   packaging/wheel.sh ARCHIVE.tar.gz [PLATFORM]
#
# PLATFORM is the wheel's tag, manylinux_2_28 of the archive's machine by default; symbols.py checks that it is
# true. Needs `pip install build hatchling`; nothing is fetched.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
archive=$(realpath "$1")
name=$(basename "$archive" .tar.gz)
machine=$(sed 's/.*-\([a-z0-9_]*\)-unknown-linux-gnu$/\1/' <<<"$name")
platform=${2:-manylinux_2_28_$machine}
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
tar -C "$tree" -xf "$archive"
export INFERBENCH_ARCHIVE=$tree/$name INFERBENCH_PLATFORM=$platform
if [[ $platform =~ ^manylinux_([0-9]+)_([0-9]+)_ ]]; then
    python3 "$here/symbols.py" "${BASH_REMATCH[1]}.${BASH_REMATCH[2]}" "$tree/$name"/{bin,lib/inferbench/plugins}/*
fi
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(stat -c %Y "$tree/$name/bin/inferbench")}
export SOURCE_DATE_EPOCH
python3 -m build --no-isolation --wheel --outdir "$(dirname "$archive")" "$here/python"
