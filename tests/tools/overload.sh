#!/usr/bin/env bash
# Goodput beyond capacity: the load generator of ../shared/bench offers more and more calls a second to the release
# binary, pinned to one core, until it falls behind; then twice the best. Ends with both and their ratio (bar 0.9).
#
#   overload.sh [CALLGEN]     default ../shared/bench/callgen/target/release/callgen; some minutes
set -euo pipefail
cd "$(dirname "$0")/../.."
callgen=${1:-../shared/bench/callgen/target/release/callgen}
hatif=target/release/hatif
seconds=8
[ -x "$callgen" ] || { echo "overload.sh: build the load generator first, or say where it is" >&2; exit 2; }
[ -x $hatif ] || { echo 'overload.sh: make release first' >&2; exit 2; }
ulimit -n "$(ulimit -Hn)"
folder=$(mktemp -d)
server=
trap 'kill $server 2>/dev/null || true; rm -rf "$folder"' EXIT
# No limit of a trunk or of a source: what holds is the load itself.
sed -e 's/^max_calls = .*/max_calls = 100000/' -e 's/^max_calls_per_second = .*/max_calls_per_second = 10000/' \
    -e "s|\.\./\.\./prompts|$PWD/prompts|" -e "s|^flows = .*|flows = \"$PWD/tests/load/flows\"|" tests/load/hatif.toml >"$folder/hatif.toml"
printf '\n[guard]\ncalls_per_second_per_known_source = 0\n' >>"$folder/hatif.toml"

# of FIELD: a number of the last result.
of() { python3 -c 'import json,sys
d = json.loads(open(sys.argv[1]).read())
for key in sys.argv[2].split("."): d = d[key]
print(d)' "$folder/result" "$1"; }

# offer RATE: a fresh server, so many calls a second of 100 ms; calls a second that were set up and ended well.
offer() {
    taskset -c 0 $hatif serve --config "$folder/hatif.toml" --data-dir "$folder/data-$1" >"$folder/log" 2>&1 &
    server=$!
    for _ in $(seq 50); do kill -0 $server 2>/dev/null || { cat "$folder/log" >&2; exit 1; }; curl -sf -o "$folder/metrics" http://127.0.0.1:9464/metrics && break; sleep 0.1; done
    taskset -c 1 timeout 90 "$callgen" --target 127.0.0.1:5060 --watch-pid $server --ext 1000 --rate "$1" \
        --hold 100 --settle 3 --duration $seconds >"$folder/result" 2>>"$folder/log"
    rm -f "$folder/metrics"
    curl -sf -m 20 -o "$folder/metrics" http://127.0.0.1:9464/metrics || { echo 'overload.sh: no metrics' >&2; exit 1; }
    refused=$(awk '/^hatif_sip_guard_total.*refuse.*age/ { s += $2 } END { print s + 0 }' "$folder/metrics")
    dropped=$(awk '/^hatif_sip_guard_total.*drop.*age/ { s += $2 } END { print s + 0 }' "$folder/metrics")
    good=$(of answered_per_s)
    started=$(awk -v n="$(of calls.win_started)" -v s=$seconds 'BEGIN { printf "%d", n / s }')
    [ $((started * 100)) -ge $(($1 * 95)) ] || { echo "overload.sh: the generator only offered $started of $1" >&2; exit 1; }
    printf '| %s | %.0f | %s | %s | %.0f | %.0f |\n' "$1" "$good" "$refused" "$dropped" "$(of switch.cpu_pct)" "$(of generator.cpu_pct)"
    kill -9 $server && wait $server 2>/dev/null || true
    server=
    rm -rf "$folder/data-$1"
}

echo '| offered/s | done/s | 503 for age | dropped for age | Hatif CPU % | generator CPU % |'
echo '| --- | --- | --- | --- | --- | --- |'
best=0
rate=1000
while [ $rate -le 12000 ]; do
    offer $rate
    best=$(awk -v a="$best" -v b="$good" 'BEGIN { print (b > a) ? b : a }')
    awk -v good="$good" -v rate=$rate 'BEGIN { exit !(good < 0.9 * rate) }' && break
    rate=$((rate * 5 / 4))
done
offer "$(awk -v best="$best" 'BEGIN { printf "%d", 2 * best }')"
awk -v good="$good" -v best="$best" 'BEGIN {
    printf "best %.0f; at twice that %.0f done: %.2f (bar 0.90)\n", best, good, good / best
    exit !(good >= 0.9 * best)
}'
