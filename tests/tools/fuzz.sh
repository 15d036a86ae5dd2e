#!/usr/bin/env bash
# Runs one fuzz target for a bounded time: one process, lowest priority. New inputs go to tests/fuzz/corpus/TARGET as the
# smallest set that still covers all; what broke stays in tests/fuzz/artifacts and the exit code is 1.
#
#   fuzz.sh TARGET [SECONDS]     default 1200; TARGET: message uri sdp digest stream websocket endpoint rtp srtp demux, or all
#
# Needs cargo-fuzz (`cargo install cargo-fuzz --locked`); the stable compiler is told to take its flags.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH="$PWD/target/tools/bin:$HOME/.cargo/bin:$PATH" RUSTC_BOOTSTRAP=1
[ $# -ge 1 ] || { sed -n '5p' "$0" >&2; exit 2; }
seconds=${2:-1200}
# What a corpus may hold in the repository, in bytes and in files: the seeds come first, then the smallest finds.
most=60000 most_files=200

command -v cargo-fuzz >/dev/null 2>&1 || cargo install cargo-fuzz --locked --quiet --root target/tools
targets=$1
[ "$targets" != all ] || targets=$(sed -n 's/^name = "\([a-z]*\)"$/\1/p' tests/fuzz/Cargo.toml)
nice -n 19 cargo fuzz build --fuzz-dir tests/fuzz
broken=0
for target in $targets; do
    work=tests/fuzz/target/corpus/$target
    mkdir -p "$work" "tests/fuzz/artifacts/$target"
    log=$work.log
    # RLIMIT_CPU would count less than the clock at this priority: the time is that of the clock.
    if nice -n 19 cargo fuzz run --fuzz-dir tests/fuzz "$target" "$work" "tests/fuzz/corpus/$target" -- \
        -fork=0 -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 >"$log" 2>&1; then
        outcome='nothing found'
    else
        outcome="BROKEN: see $log and tests/fuzz/artifacts/$target" broken=1
    fi
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -1)
    # The smallest set that covers what all cover, then as much of it as fits.
    least=$work.least
    rm -rf "$least" && mkdir -p "$least"
    nice -n 19 cargo fuzz run --fuzz-dir tests/fuzz "$target" "$least" "tests/fuzz/corpus/$target" "$work" -- -merge=1 >>"$log" 2>&1 || true
    size=$(cat "tests/fuzz/corpus/$target"/* | wc -c)
    files=$(find "tests/fuzz/corpus/$target" -type f | wc -l)
    while read -r bytes file; do
        [ $((size + bytes)) -le $most ] && [ "$files" -lt $most_files ] || break
        size=$((size + bytes)) files=$((files + 1))
        cp "$file" "tests/fuzz/corpus/$target/$(sha1sum "$file" | cut -c1-12)"
    done < <(find "$least" -type f -printf '%s %p\n' | sort -n)
    printf '%-9s %10s executions in %s s, commit %s: %s\n' "$target" "${executions:-?}" "$seconds" \
        "$(git rev-parse --short HEAD)" "$outcome"
done
[ $broken -eq 0 ]
