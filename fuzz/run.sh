#!/bin/sh
# Builds the fuzz targets with plain cargo on stable Rust and runs them.
#
#   fuzz/run.sh                 every target for 60 s each
#   fuzz/run.sh TARGET...       these targets
#   FUZZ_SECONDS=600 fuzz/run.sh vrrp_packet
#   fuzz/run.sh --smoke         every target over its corpus, then a fixed number of runs from a
#                               fixed seed: the same each time
#
# New inputs are kept in fuzz/work, crashes in fuzz/artifacts; fuzz/corpus is only read.
# Needs a C++ compiler. The same layout works with cargo-fuzz on nightly.
set -eu
cd "$(dirname "$0")"
smoke=
if [ "${1-}" = --smoke ]; then
    smoke=1
    shift
fi
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module \
-Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares \
-Ccodegen-units=1 -Cdebug-assertions"
# With an explicit target, build scripts are not instrumented.
if [ $# -eq 0 ]; then
    for file in fuzz_targets/*.rs; do
        set -- "$@" "$(basename "$file" .rs)"
    done
fi
build=""
for target in "$@"; do
    build="$build --bin $target"
done
# shellcheck disable=SC2086  # a list of words
cargo build --quiet --release --locked --target "$host" $build
for target in "$@"; do
    mkdir -p "work/$target" "artifacts/$target" "corpus/$target"
    echo "== $target"
    if [ "$smoke" ]; then
        found=$(mktemp -d)
        "${CARGO_TARGET_DIR:-target}/$host/release/$target" -seed=1 -runs=20000 -timeout=10 \
            -artifact_prefix="artifacts/$target/" "$found" "corpus/$target" ||
            { rm -rf "$found"; exit 1; }
        rm -rf "$found"
        continue
    fi
    "${CARGO_TARGET_DIR:-target}/$host/release/$target" \
        -max_total_time="${FUZZ_SECONDS:-60}" -timeout=10 -print_final_stats=1 \
        -artifact_prefix="artifacts/$target/" "work/$target" "corpus/$target"
done
