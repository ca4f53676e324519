#!/usr/bin/env bash
# Holds every crate against packaging/deny.toml: licenses, sources, versions, and, as far as they can be known here, security
# advisories. Needs no network. For the advisories: `cargo install --locked cargo-deny`, and once in a while, with a network,
# `cargo deny fetch db`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cargo test --quiet --all-features --test suite dependencies::
if ! cargo deny --version >/dev/null 2>&1; then
    echo "Advisories were not looked at: cargo-deny is not installed"
    exit
fi
deny=(cargo deny --offline --all-features check --config packaging/deny.toml --hide-inclusion-graph)
# cargo-deny does not look at what only tests need, the test above does.
allowed=(--allow unnecessary-skip --allow license-not-encountered)
"${deny[@]}" "${allowed[@]}" licenses bans sources
if compgen -G "${CARGO_HOME:-$HOME/.cargo}/advisory-dbs/*" >/dev/null; then
    "${deny[@]}" advisories
else
    echo "Advisories were not looked at: there is no database, cargo deny fetch db gets it"
fi
