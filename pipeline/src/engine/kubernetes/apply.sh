# Run it again to resume: a finished Job makes room for a new one, which skips the tasks that are done.
set -euo pipefail
cd "$(dirname "$0")"

# The Job's name and those of its conditions that hold; nothing if there is no such Job.
state() {
    "${kubectl[@]}" get job "$1" --ignore-not-found \
        --output 'jsonpath={.metadata.name} {.status.conditions[?(@.status=="True")].type}'
}

tell_failures() {
    local pod
    echo "$1 failed; the last lines of its failed pods:" >&2
    for pod in $("${kubectl[@]}" get pods --selector "batch.kubernetes.io/job-name=$1" \
        --field-selector status.phase=Failed --output name | tail -n 5); do
        echo "== $pod" >&2
        "${kubectl[@]}" logs --tail 20 "$pod" >&2 || true
    done
}

run() {
    local file=$1 job=$2 now
    case $(state "$job") in
    *' '*Complete* | *' '*Failed*) "${kubectl[@]}" delete job "$job" ;;
    esac
    "${kubectl[@]}" apply --filename "$file"
    while true; do
        # A cluster that does not answer for a moment is asked again.
        now=$(state "$job") || now="$job "
        case $now in
        *' '*Complete*) break ;;
        *' '*Failed*) tell_failures "$job"; exit 1 ;;
        '') echo "$job was deleted: run this again to resume" >&2; exit 1 ;;
        esac
        sleep "${POLL_SECONDS:-5}"
    done
    echo "$job: done"
}

