#!/usr/bin/env bash
# Instructions of one SIP message with 10 and with 50,000 bindings and dialogs alive, by callgrind: the difference of a
# run with and one without messages, so that what the beginning costs does not count. Repeatable to the instruction.
#
#   instructions.sh [MANY] [TURNS]     default 50000 400; needs valgrind; some minutes
set -euo pipefail
cd "$(dirname "$0")/../.."
many=${1:-50000} turns=${2:-400}
command -v valgrind >/dev/null || { echo 'instructions.sh: please install valgrind' >&2; exit 2; }
bench=$(cargo bench --bench scale --no-run 2>&1 | sed -n 's/.*Executable.*(\(.*\))$/\1/p')
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# run ALIVE TURNS: instructions of the whole run.
run() {
    valgrind --tool=callgrind --collect-atstart=no --toggle-collect='*World*serve*' --callgrind-out-file="$folder/out" "$bench" count "$1" "$2" 2>&1 |
        sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}
# of ALIVE: instructions of one turn of each kind together.
of() { echo $((($(run "$1" "$turns") - $(run "$1" 0)) / turns)); }
few=$(of 10)
full=$(of "$many")
echo "| alive | instructions of a renewal, a call and an INFO | against 10 |"
echo "|---|---|---|"
echo "| 10 | $few | |"
echo "| $many | $full | $(awk -v a="$full" -v b="$few" 'BEGIN { printf "%.3f", a / b }') |"
