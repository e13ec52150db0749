#!/usr/bin/env bash
# Makes the archive of a release: program, simulator, plugins, man pages, completions, configs, examples,
# licences and the list of what is inside. The same commit gives the same bytes.
#
#   packaging/package.sh                          builds for glibc 2.28 with zig, then packs
#   packaging/package.sh --built target/release   packs what is built already, for this machine's glibc
#
# Needs cargo-zigbuild and zig for a build (`pip install cargo-zigbuild ziglang`), Python 3.11, GNU tar.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")

glibc=2.28
profile=dist
built=
out=$root/target/packages
target=$(rustc -vV | sed -n 's/^host: //p')
while [ $# -gt 0 ]; do
    case $1 in
        --built) built=$(cd "$2" && pwd); shift 2 ;;
        --out) out=$2; shift 2 ;;
        --profile) profile=$2; shift 2 ;;
        *) echo "package.sh: unknown argument $1: allowed are --built DIR, --out DIR, --profile NAME" >&2; exit 2 ;;
    esac
done
cd "$root"

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -1)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
INFERBENCH_COMMIT=${INFERBENCH_COMMIT:-$(git describe --always --dirty --abbrev=12 --exclude '*')}
export SOURCE_DATE_EPOCH INFERBENCH_COMMIT
umask 022

build() {
    # No path of this machine is in the result.
    local cargo_home=${CARGO_HOME:-$HOME/.cargo}
    RUSTFLAGS="--remap-path-prefix=$root=/inferbench --remap-path-prefix=$cargo_home=/cargo" \
        CFLAGS="-ffile-prefix-map=$cargo_home=/cargo" CARGO_INCREMENTAL=0 \
        cargo zigbuild --locked --profile "$profile" --target "$target.$glibc"
    built=$root/target/$target/$profile
    python3 "$here/symbols.py" "$glibc" "$built"/{inferbench,inferbench-sim} "$built"/libinferbench_*.so
}
[ -n "$built" ] || build

name=inferbench-$version-$target
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
top=$tree/$name
share=$top/share
install -d "$top"/{bin,lib/inferbench/plugins} "$share"/man/man1 "$share"/doc/inferbench "$share"/inferbench \
    "$share"/bash-completion/completions "$share"/zsh/site-functions "$share"/fish/vendor_completions.d
install -m 755 "$built"/{inferbench,inferbench-sim} "$top/bin"
for manifest in plugins/*/Cargo.toml; do
    plugin=$(basename "$(dirname "$manifest")")
    install -m 755 "$built/libinferbench_${plugin//-/_}.so" "$top/lib/inferbench/plugins"
done
"$top/bin/inferbench" man-pages "$share/man/man1"
"$top/bin/inferbench" completions bash >"$share/bash-completion/completions/inferbench"
"$top/bin/inferbench" completions zsh >"$share/zsh/site-functions/_inferbench"
"$top/bin/inferbench" completions fish >"$share/fish/vendor_completions.d/inferbench.fish"
git ls-files -z configs examples | xargs -0 cp --parents -t "$share/inferbench"
cp LICENSE README.md CHANGELOG.md "$share/doc/inferbench"
python3 "$here/dependencies.py" "$target" "$share/doc/inferbench"
chmod -R u=rwX,go=rX "$top"

mkdir -p "$out"
archive=$out/$name.tar.gz
tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --format=gnu \
    -C "$tree" -c "$name" | gzip -n -9 >"$archive"
(cd "$out" && sha256sum "$name.tar.gz" | tee "$name.tar.gz.sha256")
