#!/usr/bin/env bash
# Measures, and writes the tables and the plot of tests/results/scale.md: about half an hour on a machine with two
# cores that does nothing else. Arguments are names of benchmarks (tests/bench/scale.rs lists them); without one,
# all of them and the listened connections of tests/suite/soak_listen.rs.
#
# --smoke runs every benchmark for a moment in the debug build, which asserts that the counts add up, and changes
# nothing. The test run (tests/run.sh) does the same.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

tests/run.sh --setup
if [ "${1:-}" = --smoke ]; then
    exec cargo test --features peer-tests --bench scale
fi
cargo bench --features peer-tests --bench scale --no-run
if [ $# -eq 0 ] || [ "$1" = listened ]; then
    mkdir -p target/bench
    SOAK_SECONDS=${SOAK_SECONDS:-600} SOAK_METERS=${SOAK_METERS:-100} SOAK_ALONE=1 \
        cargo test --release --features wire-tests --test suite soak_listen -- --nocapture | tee target/bench/soak_listen.log
    # From the line that names the machine to the last one of the figures, with the meters' own lines left out.
    sed -n '/^[0-9]* cores/,/of CPU per 1,000 frames/p' target/bench/soak_listen.log | grep -v '^meter [0-9]' \
        >target/bench/soak_listen.txt
fi
cargo bench --features peer-tests --bench scale -- "$@"
