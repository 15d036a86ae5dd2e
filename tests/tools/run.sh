#!/usr/bin/env bash
# The whole check, as `make test` and .ci/run call it: every step runs, whatever failed before it; the last line is
# `N passed, N failed`, and the exit code is 0 only without failures.
#
#   run.sh          everything
#   run.sh STEP…    only these: install fmt clippy test shell deny rules metrics
set -uo pipefail
cd "$(dirname "$0")/../.."
export PATH="$PWD/target/tools/bin:$HOME/.cargo/bin:$PATH"
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}

passed=0
failed=0
lost=()
began=$SECONDS
output=$(mktemp -d)
trap 'rm -rf "$output"' EXIT

# step NAME COMMAND…: runs it, shows its output, counts it as one check.
step() {
    local name=$1 start=$SECONDS
    shift
    printf '\n== %s\n' "$name"
    if "$@"; then
        passed=$((passed + 1))
        printf '== %s: ok, %d s\n' "$name" $((SECONDS - start))
    else
        failed=$((failed + 1))
        lost+=("$name")
        printf '== %s: FAILED, %d s\n' "$name" $((SECONDS - start))
    fi
}

# Runs the suites and counts their tests; a suite that does not build or dies counts as one failure.
suites() {
    local start=$SECONDS log=$output/test code counted
    printf '\n== cargo test (all suites; the first build takes some minutes)\n'
    cargo test --no-fail-fast 2>&1 | tee "$log"
    code=${PIPESTATUS[0]}
    counted=$(awk '/^test result: / { for (i = 1; i < NF; i++) { if ($(i + 1) ~ /^passed/) p += $i; if ($(i + 1) ~ /^failed/) f += $i } } END { print p + 0, f + 0 }' "$log")
    passed=$((passed + ${counted% *}))
    failed=$((failed + ${counted#* }))
    if [ "$code" -ne 0 ]; then
        lost+=("cargo test")
        [ "${counted#* }" -gt 0 ] || failed=$((failed + 1))
    elif [ "${counted% *}" -eq 0 ]; then
        echo 'cargo test ran nothing'
        failed=$((failed + 1))
        lost+=("cargo test ran nothing")
    fi
    printf '== cargo test: %s passed, %s failed, %d s\n' "${counted% *}" "${counted#* }" $((SECONDS - start))
}

# Licences, bans and sources of everything that is built in.
deny() {
    if ! command -v cargo-deny >/dev/null 2>&1; then
        echo 'cargo-deny is not here: building it once into target/tools (some minutes)'
        cargo install cargo-deny --locked --debug --quiet --root target/tools || return 1
    fi
    cargo deny --log-level error check licenses bans sources
}

rules() {
    promtool check rules docker/prometheus/rules.yml &&
        (cd docker && promtool test rules prometheus/rules_test.yml) &&
        promtool check config --syntax-only docker/prometheus.yml
}

shell() {
    local script code=0
    for script in .ci/run tests/tools/*.sh; do
        bash -n "$script" || code=1
        [ -x "$script" ] || { echo "$script has no run bit"; code=1; }
    done
    return $code
}

all=(install fmt clippy test shell deny rules metrics)
[ $# -gt 0 ] || set -- "${all[@]}"
for name in "$@"; do
    case $name in
        install) step 'test tools' tests/tools/install.sh test ;;
        fmt) step 'cargo fmt --check' cargo fmt --check ;;
        clippy) step 'cargo clippy' cargo clippy --all-targets -- -D warnings -D clippy::iter_over_hash_type ;;
        test) suites ;;
        shell) step 'scripts' shell ;;
        deny) step 'cargo deny check licenses bans sources' deny ;;
        rules) step 'promtool: rules' rules ;;
        metrics) step 'promtool: /metrics of a running Hatif' tests/tools/metrics.sh ;;
        *) echo "run.sh: unknown step '$name' (${all[*]})" >&2; exit 2 ;;
    esac
done

printf '\n%d s in all\n' $((SECONDS - began))
[ ${#lost[@]} -eq 0 ] || printf 'failed: %s\n' "${lost[@]}"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
