#!/bin/sh
# The CI step, the same under every CI system: judge a model once and write every report that one
# reads. Installed with the package as the command gate-ci-check; the templates beside it only install
# the package and set variables.
#
#   GATE_CI_SOURCE      what to judge: models:/NAME/VERSION, models:/NAME@ALIAS, runs:/RUN/PATH, a file or folder
#   GATE_CI_POLICIES    policy files or packaged names, one a line or with commas between; empty for default
#   GATE_CI_BASELINES   baselines likewise, tried in order; empty for what the policies say
#   GATE_CI_FAIL_ON     block (default) or warn
#   GATE_CI_RECORD      auto (default: where SOURCE is registered), true or false
#   GATE_CI_REPORTS     folder the reports go to; gate-report by default
#   GATE_CI_MLFLOW      what to install first, where the package came alone (pip install --no-deps):
#                       skinny, enough for a registry over HTTP; full, for one addressed by its database;
#                       present (default) installs nothing
#
# Everything else is a variable of the command's own (GATE_..., MLFLOW_TRACKING_URI, MLFLOW_TRACKING_TOKEN).
# Values are only ever passed as arguments, never evaluated. The exit code is that of gate check:
# 0 passed, 1 blocked, 2 usage, 3 could not do it, 4 inconclusive.
set -u

refuse() {
    printf 'gate-ci-check: %s\n' "$1" >&2
    exit 2
}

# CI systems read commands from a job's output (GitHub "::" at the start of a line and "##[", Azure
# "##vso["): a layer's name must not become one.
harmless() {
    sed -e ':again' -e 's/##/# #/' -e 't again' -e 's/^[[:space:]]*::/ : :/' "$1"
}

newline='
'
source=${GATE_CI_SOURCE:-}
reports=${GATE_CI_REPORTS:-gate-report}
[ -n "$source" ] || refuse 'GATE_CI_SOURCE says what to judge, for instance models:/NAME/VERSION'
case "$source$reports" in *"$newline"*) refuse 'GATE_CI_SOURCE and GATE_CI_REPORTS are one line each' ;; esac
case "$reports" in -*) reports=./$reports ;; esac

here=$(dirname -- "$0")
[ ! -x "$here/gate" ] || PATH=$here:$PATH
case "${GATE_CI_MLFLOW:-present}" in
present) set -- ;;
skinny) set -- --requirement "$here/../share/mlflow-spectral-gate/requirements-skinny.txt" ;;
full) set -- mlflow-spectral-gate ;; # it is here already: only what it needs is installed
*) refuse 'GATE_CI_MLFLOW takes present, skinny or full' ;;
esac
if [ "$#" -gt 0 ]; then
    # pip also complains that mlflow itself is missing beside mlflow-skinny: its words matter if it failed.
    if ! said=$("$here/python" -m pip install --quiet "$@" 2>&1); then
        printf '%s\ngate-ci-check: installing failed; nothing was judged\n' "$said" >&2
        exit 3 # never 1, which means blocked
    fi
fi

set -- check --fail-on "${GATE_CI_FAIL_ON:-block}"
case "${GATE_CI_RECORD:-auto}" in
auto) ;;
true) set -- "$@" --record ;;
false) set -- "$@" --no-record ;;
*) refuse 'GATE_CI_RECORD takes auto, true or false' ;;
esac
while IFS=' ' read -r entry; do
    [ -z "$entry" ] || set -- "$@" "--policy=$entry"
done <<LIST
$(printf '%s\n' "${GATE_CI_POLICIES:-}" | tr ',' '\n')
LIST
while IFS=' ' read -r entry; do
    [ -z "$entry" ] || set -- "$@" "--baseline=$entry"
done <<LIST
$(printf '%s\n' "${GATE_CI_BASELINES:-}" | tr ',' '\n')
LIST

mkdir -p -- "$reports" || refuse "cannot make the folder $reports"
# What an earlier run left must not be taken for this run's.
for name in verdict.json report.txt report.html summary.md junit.xml gate.sarif codequality.json \
    annotations.txt gate.log outcome.env; do
    rm -f -- "$reports/$name"
done
set -- "$@" \
    --format json -o "$reports/verdict.json" --format text -o "$reports/report.txt" \
    --format html -o "$reports/report.html" --format markdown -o "$reports/summary.md" \
    --format junit -o "$reports/junit.xml" --format sarif -o "$reports/gate.sarif" \
    --format gitlab -o "$reports/codequality.json" --format github -o "$reports/annotations.txt"

gate "$@" -- "$source" 2>"$reports/gate.log"
code=$?

outcome=
if [ -f "$reports/verdict.json" ]; then
    outcome=$(sed -n 's/^ "outcome": "\([a-z]*\)",$/\1/p' "$reports/verdict.json" | head -n 1)
    harmless "$reports/report.txt"
else
    printf '## Could not be judged\n\nThe job log says why (exit code %s).\n' "$code" >"$reports/summary.md"
fi
case "$code" in
0 | 1 | 4) ;;
*) # a verdict may be there all the same, where only recording it failed
    outcome=
    printf '::error title=spectral gate::This could not be done: see the job log (exit code %s).\n' "$code" \
        >>"$reports/annotations.txt"
    ;;
esac
harmless "$reports/gate.log" >&2
printf 'GATE_OUTCOME=%s\nGATE_EXIT_CODE=%s\n' "${outcome:-error}" "$code" >"$reports/outcome.env"

if [ "${GITHUB_ACTIONS:-}" = true ]; then
    cat -- "$reports/annotations.txt"
    [ -z "${GITHUB_STEP_SUMMARY:-}" ] || cat -- "$reports/summary.md" >>"$GITHUB_STEP_SUMMARY"
    [ -z "${GITHUB_OUTPUT:-}" ] ||
        printf 'outcome=%s\nexit-code=%s\nreports=%s\n' "${outcome:-error}" "$code" "$reports" >>"$GITHUB_OUTPUT"
fi
if [ "${TF_BUILD:-}" = True ]; then
    case "$reports" in /*) folder=$reports ;; *) folder=$(pwd)/$reports ;; esac
    printf '##vso[task.setvariable variable=outcome;isOutput=true]%s\n' "${outcome:-error}"
    printf '##vso[task.uploadsummary]%s/summary.md\n' "$folder"
fi
exit "$code"
