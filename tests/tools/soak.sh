#!/usr/bin/env bash
# A long run of the demo tenant under robot calls: memory, ports, repairs and panics are watched every ten seconds.
#
#   soak.sh [MINUTES] [CALLS_A_MINUTE]      default 60 and 60
#
# Fails when memory after the first quarter grows by more than 20 MB, when an agent's state had to be repaired, when
# something panicked, or when the process dies.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH="$PWD/target/tools/bin:$HOME/.cargo/bin:$PATH"
minutes=${1:-60}
calls=${2:-60}

cargo build --release
data=$(mktemp -d)
pid=
finish() {
    [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
    rm -rf "$data"
}
trap finish EXIT

target/release/hatif serve --dev --json --demo-calls "$calls" --data-dir "$data/hatif" \
    --sip-port 25060 --http-port 28080 --rtp-ports 25100-25899 >"$data/out" 2>"$data/err" &
pid=$!
for _ in $(seq 300); do [ -s "$data/out" ] && break; sleep 0.1; done
url=$(sed -n '1s/.*"metrics":"\([^"]*\)".*/\1/p' "$data/out")
[ -n "$url" ] || { cat "$data/err" >&2; echo '0 passed, 1 failed'; exit 1; }

# value NAME: the sum of all series of a metric.
value() { awk -v name="$1" '$1 == name || index($1, name "{") == 1 { sum += $2 } END { printf "%d\n", sum }' "$data/metrics"; }

rounds=$((minutes * 6))
settled=0
faults=()
for round in $(seq "$rounds"); do
    sleep 10
    kill -0 "$pid" 2>/dev/null || { faults+=("the process died"); break; }
    curl -fsS --max-time 10 "$url" >"$data/metrics" || { faults+=("/metrics did not answer"); break; }
    memory=$(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status")
    [ "$round" -eq $(((rounds + 3) / 4)) ] && settled=$memory
    if [ $((round % 6)) -eq 0 ]; then
        printf '%3d min: %d MB, %d calls up, %d calls, %d ports, %d repaired, %d panics\n' $((round / 6)) $((memory / 1024)) \
            "$(value hatif_calls_active)" "$(value hatif_calls_total)" "$(value hatif_rtp_ports_in_use)" \
            "$(value hatif_agent_state_repaired_total)" "$(value hatif_panics_total)"
    fi
done
if [ ${#faults[@]} -eq 0 ]; then
    [ $((memory - settled)) -le 20480 ] || faults+=("memory grew from $settled to $memory KiB")
    [ "$(value hatif_agent_state_repaired_total)" -eq 0 ] || faults+=("an agent's state was repaired")
    [ "$(value hatif_panics_total)" -eq 0 ] || faults+=("something panicked")
    [ "$(value hatif_calls_total)" -gt 0 ] || faults+=("no call was made")
fi
[ ${#faults[@]} -eq 0 ] || { printf '%s\n' "${faults[@]}"; tail -5 "$data/err"; echo "0 passed, ${#faults[@]} failed"; exit 1; }
echo '1 passed, 0 failed'
