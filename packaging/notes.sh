#!/usr/bin/env bash
# Prints a version's part of CHANGELOG.md, the release's notes. Refuses a version that is not that of Cargo.toml.
#
#   packaging/notes.sh 0.1.0
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -1)
if [ "$1" != "$version" ]; then
    echo "notes.sh: the tag says $1, Cargo.toml has version $version: tag v$version" >&2
    exit 2
fi
notes=$(awk -v head="## $1" 'index($0, "## ") == 1 { on = ($0 == head || index($0, head " ") == 1); next } on' CHANGELOG.md)
if [ -z "$notes" ]; then
    echo "notes.sh: CHANGELOG.md has no part \"## $1\"" >&2
    exit 2
fi
echo "$notes"
