# Everyday commands: `just --list`. A shorter way to type what CONTRIBUTING.md has; nothing here or in CI depends on just.

# Shows this list
default:
    @just --list --unsorted

# What has to pass before a merge: format, lints, documentation, fuzz targets, every test
[group('before a merge')]
ci:
    .ci/run

# Every test, also those against real servers; `just test --test servers push::` runs some of them
[group('before a merge')]
test *arguments:
    tests/run {{ arguments }}

# The tests of one crate, which compile little: `just crate registry`
[group('while changing')]
crate name *arguments:
    cargo test --package tagwright-{{ name }} {{ arguments }}

# Formats, and tells what the lints say
[group('while changing')]
lint:
    cargo fmt --all
    cargo clippy --locked --workspace --all-targets --all-features -- -D warnings

# Builds the documentation of every crate and opens it
[group('while changing')]
doc:
    cargo doc --locked --workspace --no-deps --document-private-items --open

# Looks at snapshots that changed, one by one; needs cargo-insta
[group('while changing')]
snapshots:
    cargo insta review

# The whole job on an embedded registry and Git remotes
[group('while changing')]
demo:
    cargo run --locked --release -- demo

# The benchmarks, or one, or a part of it: `just bench git -- cycle`; read benches/README.md first
[group('now and then')]
bench name='' *arguments:
    cargo bench --locked {{ if name == '' { '' } else { '--bench ' + name } }} {{ arguments }}

# The trials, with what each of them counted: `just trials kill`
[group('now and then')]
trials *filter:
    cargo test --locked --test trials -- --nocapture {{ filter }}

# Makes the seeds of the fuzz targets from fixtures/; needs jq
[group('now and then')]
fuzz-seeds:
    fuzz/seed

# One fuzz target for so many seconds; needs nightly and cargo-fuzz: `just fuzz edit 600`
[group('now and then')]
fuzz target seconds='60':
    cargo +nightly fuzz run -s none {{ target }} -- -max_total_time={{ seconds }} -timeout=25 -rss_limit_mb=2048 -max_len=4096

# Licences, sources and advisories of the dependencies; needs cargo-deny
[group('now and then')]
deny:
    cargo deny check

# What the dependencies cost to build: target/cargo-timings/cargo-timing.html
[group('now and then')]
timings:
    cargo build --locked --release --timings
