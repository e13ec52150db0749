#!/usr/bin/env bash
# Makes the container image out of an archive of package.sh, with podman or docker.
#
#   packaging/image.sh ARCHIVE.tar.gz [TAG]
#
# BASE names another base image: one with glibc 2.28 or newer and root certificates. BUILDER is podman or docker;
# podman if it is there.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
archive=$(realpath "$1")
tag=${2:-inferbench}
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
tar -C "$context" --strip-components=1 --no-same-owner -xf "$archive"
base=()
[ -z "${BASE:-}" ] || base=(--build-arg "BASE=$BASE")
builder=${BUILDER:-$(command -v podman >/dev/null && echo podman || echo docker)}
form=()
# Docker's form has the health check.
[ "$builder" != podman ] || form=(--format docker)
"$builder" build "${form[@]}" "${base[@]}" -t "$tag" -f "$here/Containerfile" "$context"
