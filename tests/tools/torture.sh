#!/usr/bin/env bash
# Hard input: the messages of RFC 4475 and RFC 5118 and 25,000 spoilt ones against the running program (writes the scoreboard
# of docs/security.md), the parsers' property tests with many cases, then many seeds of the virtual world.
#
#   torture.sh [SEEDS] [HOURS]      default 200 seeds of one virtual hour
set -uo pipefail
cd "$(dirname "$0")/../.."
export PATH="$HOME/.cargo/bin:$PATH"
seeds=${1:-200}
hours=${2:-1}
passed=0
failed=0
check() { if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi; }

check cargo test --release --test torture -- --include-ignored --nocapture
check env PROPTEST_CASES=20000 cargo test --release --lib
cargo build --release || failed=$((failed + 1))
for seed in $(seq "$seeds"); do
    if target/release/hatif sim --seed "$seed" --hours "$hours" >/dev/null; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "seed $seed broke an invariant: hatif sim --seed $seed --hours $hours"
    fi
    [ $((seed % 10)) -ne 0 ] || echo "$seed of $seeds seeds"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
