# The commands that CI runs; `just` lists them. Each runs on its own.

# The list of commands.
default:
    @just --list --unsorted

# All that needs no GPU, engine or model, in the order of CI.
all: format test lint outside-plugins quickstart package docs book prose unused licences msrv

# Formatting; `cargo fmt --all` mends it.
format:
    cargo fmt --all --check

# The tests, by the README's own command.
test:
    cargo build --workspace && cargo test --workspace

# Rooms and crates import only what the table allows; part of `test`.
architecture:
    cargo test -p inferbench-architecture-test

# Lints; a warning fails.
lint:
    cargo clippy --workspace --all-targets -- -D warnings

# Plugins built outside the workspace: the examples, what `plugins new` writes, two to be refused.
outside-plugins:
    cargo test -p inferbench --test outside_plugin -- --ignored

# The README's first command; then every plugin must be loaded.
quickstart results="target/quickstart":
    cargo build --release
    rm -rf {{ results }}
    ./target/release/inferbench run configs/quickstart.yaml --output {{ results }}
    test "$(./target/release/inferbench plugins --json | grep -c '"state": "ok"')" -eq "$(ls plugins | wc -l)"

# Archive and wheel of the release build: the wheel is installed and run; needs `just quickstart` before.
package:
    packaging/test.sh target/release

# The Helm chart: linted, held against `inferbench kubernetes` and the schema of Kubernetes; needs helm.
deploy:
    #!/usr/bin/env bash
    set -euo pipefail
    chart=deploy/helm/inferbench
    values=(--set-file config=deploy/chat.yaml --set image=i --set claim=c --set merge=true)
    helm lint --quiet "$chart" "${values[@]}"
    cargo test -p inferbench --test deploy -- --ignored
    if command -v kubernetes-validate >/dev/null; then
        rendered=$(mktemp --suffix=.yaml)
        helm template chat "$chart" "${values[@]}" > "$rendered"
        kubernetes-validate --strict "$rendered"
        rm "$rendered"
    fi

# The code's own documentation; a broken link fails.
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --workspace

# The book with its search, into docs/book.
book:
    mdbook build docs
    ls docs/book/searchindex*.js >/dev/null

# The texts' sentences: words, numbers, length; the rules are in docs/prose. `just prose --quiet`: errors alone.
prose *flags:
    npm ci --prefix docs/prose --no-audit --no-fund
    cd docs/prose && npx --no-install textlint {{ flags }} --format unix ../../*.md '../src/**/*.md' '../../plugins/*/README.md'

# Dependencies that nothing uses.
unused:
    cargo shear

# Licences, sources and bans of the dependency tree.
licences:
    cargo deny check licenses bans sources

# The oldest Rust that Cargo.toml and the README promise builds everything.
msrv:
    #!/usr/bin/env bash
    set -euo pipefail
    promised=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
    used=$(rustc --version | cut -d ' ' -f 2)
    grep -q "Rust $promised or newer" README.md
    case "$used" in
        "$promised" | "$promised".*) echo "built with Rust $used: the oldest that is promised" ;;
        *) cargo "+$promised" check --workspace --all-targets ;;
    esac

# A run of the quickstart on this machine for the samples and the picture in the texts; needs Chromium and Pillow.
record:
    cargo build --release
    docs/record.sh target/release
    just bless
    docs/picture.sh target/release

# Writes the generated pages, samples, schemas and tables anew, where a test says that they are out of date.
bless:
    cargo build --workspace
    INFERBENCH_BLESS=1 cargo test -p inferbench --test reference
    INFERBENCH_BLESS=1 cargo test -p inferbench-architecture-test

# Real vLLM and `generate`: INFERBENCH_TEST_VLLM, INFERBENCH_TEST_HF_PYTHON and INFERBENCH_TEST_MODEL name them.
# llama.cpp and `transformers serve`, too, where INFERBENCH_TEST_LLAMA and INFERBENCH_TEST_GGUF are set.
real-engines:
    cargo test -p inferbench-hf -- --ignored
    cargo test -p inferbench --test real_engines vllm_and_hf -- --ignored --nocapture
    test -z "${INFERBENCH_TEST_LLAMA:-}" || cargo test -p inferbench --test real_engines llamacpp -- --ignored --nocapture

# Two versions of one engine, through uv on the PATH.
two-versions:
    cargo test -p inferbench --test ways hf_in_two_versions -- --ignored --nocapture

# Shards, and jobs that go wrong, on a real Slurm: sbatch on the PATH, SLURM_CONF.
slurm:
    cargo test -p inferbench --test slurm -- --ignored --nocapture

# Engines in containers, through podman with the image localhost/hostlike:1.
containers:
    cargo test -p inferbench --test ways containers -- --ignored --nocapture
