#!/usr/bin/env bash
# Packs a build that is there already, and tries what came of it: the archive is the same twice, the wheel
# brings program, plugins and module into an empty environment, and the module reads a run.
#
#   packaging/test.sh target/release
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
built=$(cd "$1" && pwd)
for script in "$here"/*.sh; do bash -n "$script"; done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/tools"
"$work/tools/bin/pip" install -q build hatchling pytest pandas polars
export PATH=$work/tools/bin:$PATH
(cd "$here/python" && python3 -m pytest -q -p no:cacheprovider)

"$here/package.sh" --built "$built" --out "$work/one"
"$here/package.sh" --built "$built" --out "$work/two"
cmp "$work"/one/*.tar.gz "$work"/two/*.tar.gz

"$here/wheel.sh" "$work"/one/*.tar.gz "linux_$(uname -m)"
python3 -m venv "$work/user"
"$work/user/bin/pip" install -q --no-index --find-links "$work/one" inferbench
cd "$work"
export XDG_CACHE_HOME=$work/cache
user/bin/inferbench --version
user/bin/inferbench config quickstart >quickstart.yaml
user/bin/inferbench validate quickstart.yaml >/dev/null
sed -i -e 's/^repeats: 3/repeats: 1/' -e 's/concurrency: \[1, 4, 8\]/concurrency: [4]/' quickstart.yaml
user/bin/inferbench run -q quickstart.yaml --output results >/dev/null
# What `cargo install` would make: the program alone, and the script after it.
"$here/install-plugins.sh" "$work/cargo"
install -m 755 "$built/inferbench" "$work/cargo/bin"
for program in user/bin/inferbench cargo/bin/inferbench; do
    loaded=$("$program" plugins --json | grep -c '"state": "ok"')
    test "$loaded" -eq "$(find "$root/plugins" -mindepth 2 -maxdepth 2 -name Cargo.toml | wc -l)"
done
user/bin/python - results/* <<'PYTHON'
import sys
import inferbench

run = inferbench.load(sys.argv[1])
assert len(run.cells) == 2, run.cells
assert sum(row["phase"] == "measured" for row in run.requests) == 2 * 44
print("the wheel's run:", run)
PYTHON
