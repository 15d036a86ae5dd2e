#!/usr/bin/env bash
# Random days on the floor beside its reference model, an hour each: worlds of 5 to 100 agents in 1 to 20 queues, every rule looked
# at after each step, on all processors.
#
#   days.sh [DAYS]      default 10000
#
# Fails with the seed of the first day that breaks a rule; HATIF_FLOOR_SEEDS=SEED..SEED+1 with the same test plays it again.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH="$PWD/target/tools/bin:$HOME/.cargo/bin:$PATH"
days=${1:-10000}
bundle=100

tests=$(cargo test --release --lib --no-run 2>&1 | tee >(cat >&2) | sed -n 's/.*Executable.*(\(.*\))$/\1/p')
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
export tests logs bundle days
play() {
    local to=$(($1 + bundle < days ? $1 + bundle : days)) log=$logs/$1
    if HATIF_FLOOR_SEEDS=$1..$to "$tests" --exact acd::tests::random::days::f02_random_days_break_no_rule --nocapture >"$log" 2>&1; then
        echo "days $1 to $((to - 1)): no rule broken"
        rm "$log"
    else
        echo "$(grep '^seed ' "$log" | tail -1) broke a rule: $(grep -A1 panicked "$log" | tr '\n' ' ')"
        return 255
    fi
}
export -f play
if seq 0 "$bundle" $((days - 1)) | xargs -P "$(nproc)" -I{} bash -c 'play {}'; then
    echo "$days days: no rule broken"
else
    exit 1
fi
