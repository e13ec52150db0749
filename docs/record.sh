#!/usr/bin/env bash
# Runs the quickstart on this machine and keeps its facts with the tests, from which the samples and the
# picture in the texts are made. A run with a measurement that cannot be trusted is not kept.
#
#   docs/record.sh target/release
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
built=$(cd "$1" && pwd)
kept=$root/cli/tests/recorded/quickstart
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$built/inferbench" run "$root/configs/quickstart.yaml" --output "$work" | tee "$work/printed"
if grep -q '^critical:' "$work/printed"; then
    echo "not kept: the machine was too busy; try again" >&2
    exit 1
fi
mkdir -p "$kept"
cp "$work"/quickstart-*/run.json "$kept"
for file in requests host gpu server_metrics; do
    gzip -9nc "$work"/quickstart-*/"$file.jsonl" >"$kept/$file.jsonl.gz"
done
chmod 644 "$kept"/*
