#!/bin/sh
# Runs the steps of a plan of l1ad on the machine with the tools: sh run.sh
#
# Each step writes below results/ and logs/. A step whose mark is there is not repeated; remove results/ to begin
# again. Exit codes: 0 done, 1 a step failed, 3 a tool is not on PATH.

set -u
cd "$(dirname "$0")" || exit 1
. scripts/steps.sh
mkdir -p results/marks logs || exit 1

# The digest of the plan stands beside its results, so that results of another design are refused.
if [ -f results/DIGEST ] && [ "$(cat results/DIGEST)" != "$DIGEST" ]; then
    echo "l1ad: results/ belongs to another plan. Remove it and start again." >&2
    exit 1
fi
printf '%s\n' "$DIGEST" >results/DIGEST

find_tool() {
    for name in "$@"; do
        if command -v "$name" >/dev/null 2>&1; then
            printf '%s' "$name"
            return 0
        fi
    done
    echo "l1ad: none of '$*' is on PATH. Source settings64.sh of the tool first." >&2
    return 3
}

# The line that explains a failure: a missing licence, else the first error, else the last line.
explain() {
    grep -m 1 -i -E 'error.*licen[cs]e' "$1" || grep -m 1 -E '^ *(ERROR|@E)' "$1" || tail -n 1 "$1"
}

for step in $STEPS; do
    if [ -f "results/marks/$step" ]; then
        echo "l1ad: $step is done already"
        continue
    fi
    case "$step" in
        csynth | cosim | export) tool=$(find_tool $HLS_TOOLS) || exit 3 ;;
        *) tool=$(find_tool vivado) || exit 3 ;;
    esac
    case "$tool" in
        vitis-run) set -- --mode hls --tcl ../scripts/hls.tcl ;;
        vivado) set -- -mode batch -notrace -nojournal -nolog -source ../scripts/rtl.tcl ;;
        *) set -- -f ../scripts/hls.tcl ;;
    esac
    echo "l1ad: $step with $tool, log logs/$step.log"
    if ! (cd results && L1AD_STEP=$step "$tool" "$@" >"../logs/$step.log" 2>&1 </dev/null); then
        echo "l1ad: $step failed: $(explain "logs/$step.log")" >&2
        exit 1
    fi
    if [ ! -f "results/marks/$step" ]; then
        echo "l1ad: $step ended without its mark: $(explain "logs/$step.log")" >&2
        exit 1
    fi
done
echo "l1ad: all steps are done; take this folder back and read it with l1ad synth RUN --read FOLDER"
