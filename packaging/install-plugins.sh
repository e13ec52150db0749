#!/usr/bin/env bash
# The second half of `cargo install --path cli`, which installs programs only: builds the simulator and the
# plugins, and puts them where the installed program finds them.
#
#   packaging/install-plugins.sh          into cargo's folder, ~/.cargo
#   packaging/install-plugins.sh FOLDER   into FOLDER, for `cargo install --root FOLDER`
set -euo pipefail
to=${1:-${CARGO_INSTALL_ROOT:-${CARGO_HOME:-$HOME/.cargo}}}
cd "$(dirname "$0")/.."
cargo build --release --locked
built=${CARGO_TARGET_DIR:-target}/release
install -d "$to/bin" "$to/lib/inferbench/plugins"
install -m 755 "$built/inferbench-sim" "$to/bin"
for manifest in plugins/*/Cargo.toml; do
    plugin=$(basename "$(dirname "$manifest")")
    install -m 755 "$built/libinferbench_${plugin//-/_}.so" "$to/lib/inferbench/plugins"
done
echo "installed into $to/bin and $to/lib/inferbench/plugins"
