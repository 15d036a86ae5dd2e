#!/usr/bin/env bash
# Starts the demo tenant with busy robots, takes /metrics, and lets promtool judge its names and types. What only a centre
# with a trunk serves comes from a second one.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH="$PWD/target/tools/bin:$HOME/.cargo/bin:$PATH"

# With a test, so that features are those of `cargo test` and nothing is built twice.
cargo build --quiet --bin hatif --test tidy
data=$(mktemp -d)
pid=
trunked=
finish() {
    for one in $pid $trunked; do kill -KILL "$one" 2>/dev/null || true; done
    rm -rf "$data"
}
trap finish EXIT

target/debug/hatif serve --dev --json --demo-calls 60 --data-dir "$data/hatif" \
    --sip-port 25060 --http-port 28080 --rtp-ports 25100-25299 >"$data/out" 2>"$data/err" &
pid=$!
for _ in $(seq 300); do
    [ -s "$data/out" ] && break
    kill -0 "$pid" 2>/dev/null || { cat "$data/err" >&2; echo 'hatif did not start' >&2; exit 1; }
    sleep 0.1
done
url=$(sed -n '1s/.*"metrics":"\([^"]*\)".*/\1/p' "$data/out")
[ -n "$url" ] || { cat "$data/out" "$data/err" >&2; echo 'no "metrics" in the first line' >&2; exit 1; }
sleep 10 # some calls
curl -fsS --max-time 10 "$url" >"$data/metrics"
promtool check metrics <"$data/metrics"
grep -q '^hatif_build_info' "$data/metrics" || { echo 'no hatif_build_info' >&2; exit 1; }
for zero in hatif_agent_state_repaired_total hatif_panics_total; do
    if grep -E "^$zero(\{[^}]*\})? " "$data/metrics" | grep -qv ' 0$'; then
        grep "^$zero" "$data/metrics" >&2
        echo "$zero must stay 0" >&2
        exit 1
    fi
done
cat >"$data/trunk.toml" <<TOML
[sip]
listen = ["udp:127.0.0.1:25062"]
domain = "127.0.0.1"
[http]
listen = "127.0.0.1:28082"
[media]
address = "127.0.0.1"
ports = "25300-25399"
[ivr]
flows = "$PWD/tests/sip/flows"
prompts = "$data/hatif/prompts"
[[trunk]]
name = "carrier"
hosts = ["127.0.0.9"]
TOML
target/debug/hatif serve --config "$data/trunk.toml" --data-dir "$data/trunked" >"$data/trunk.out" 2>&1 &
trunked=$!
for _ in $(seq 300); do
    curl -fsS --max-time 5 http://127.0.0.1:28082/metrics >"$data/trunk.metrics" 2>/dev/null && break
    kill -0 "$trunked" 2>/dev/null || { cat "$data/trunk.out" >&2; echo 'hatif with a trunk did not start' >&2; exit 1; }
    sleep 0.1
done
promtool check metrics <"$data/trunk.metrics"
kill -KILL "$trunked"
grep -q '^hatif_trunk_up{' "$data/trunk.metrics" || { echo 'no hatif_trunk_up' >&2; exit 1; }
# An alert on a metric that does not exist never fires; what counts nothing yet is described.
unserved=0
for name in $(grep -o 'hatif_[a-z_]*' docker/prometheus/rules.yml | sort -u); do
    grep -Eq "^(# TYPE )?$name[{ ]" "$data/metrics" "$data/trunk.metrics" || { echo "rules.yml names $name, which is not served" >&2; unserved=1; }
done
[ $unserved -eq 0 ]
echo "$(grep -c '^hatif_' "$data/metrics") series, $(grep -c '^# TYPE hatif_' "$data/metrics") families"
kill -TERM "$pid"
for _ in $(seq 100); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
done
kill -KILL "$pid" 2>/dev/null || true
wait "$pid" 2>/dev/null || true
pid=
