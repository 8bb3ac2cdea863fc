#!/usr/bin/env bash
# Fits and scores a feed anew, and publishes the result if it holds. For cron or systemd: docs/schedule.md.
#
#   examples/monday.sh POSTS RUNS [FLAGS of `stylecast run`]
#
# RUNS/YYYY-MM-DD is the run of a day, RUNS/YYYY-MM-DD.log what it said, RUNS/latest the last one that passed.
#
# Environment: STYLECAST (the program), STYLECAST_ALERTS (flags of `stylecast alerts`), STYLECAST_KEEP (runs that stay,
# 8), STYLECAST_DAY (name of the run, today).
#
# Exit codes: 0 published; 3 finished and held back, since the audit or an alert spoke: RUNS/latest is the one before;
# else that of `stylecast run`: 2 an error that you can put right, 130 stopped (the same command goes on), 1 a defect.
set -euo pipefail

if (($# < 2)); then
    echo "usage: monday.sh POSTS RUNS [FLAGS of stylecast run]" >&2
    exit 2
fi
posts=$1 runs=$2
shift 2
stylecast=${STYLECAST:-stylecast}
day=${STYLECAST_DAY:-$(date +%F)}
keep=${STYLECAST_KEEP:-8}
read -ra bounds <<<"${STYLECAST_ALERTS:-}"
mkdir -p "$runs"
run=$runs/$day log=$runs/$day.log latest=$runs/latest

if [[ $(readlink "$latest" || true) == "$day" ]]; then
    echo "$run is published already"
    exit 0
fi

# Styles that go on keep the ids of the run before.
previous=()
if [[ -d $latest ]]; then
    previous=(--previous "$runs/$(readlink "$latest")")
fi

# What is printed goes to the mail of cron, the log beside the run; on an error the end of the log too.
tell() {
    local code=$1
    shift
    echo "monday.sh: $*; the end of $log:" >&2
    tail -n 20 "$log" >&2
    exit "$code"
}

code=0
"$stylecast" run "$posts" --out "$run" "${previous[@]}" "$@" 2>>"$log" || code=$?
((code == 0)) || tell "$code" "stylecast run ended with $code"
"$stylecast" audit "$run" >>"$log" 2>&1 || tell 3 "the audit of $run failed, it is held back"
"$stylecast" alerts "$run" "${bounds[@]}" --out "$run.alerts.csv" >>"$log" 2>&1 ||
    tell 3 "$run is held back; publish it all the same: ln -sfn $day $latest"

# A link that is renamed changes at once: a server never sees half a run.
ln -sfn "$day" "$latest.new"
mv -T "$latest.new" "$latest"

# Runs that are old go, and what they said; never the one that is published.
find "$runs" -mindepth 1 -maxdepth 1 -type d -name '????-??-??' -printf '%f\n' | sort | head -n "-$keep" |
    while read -r old; do
        [[ $old == "$day" ]] || rm -rf "${runs:?}/$old" "$runs/$old.log" "$runs/$old.alerts.csv"
    done
