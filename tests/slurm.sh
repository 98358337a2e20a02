#!/usr/bin/env bash
# quanci on a real Slurm of two nodes, both on this machine: one is killed in mid-job, and the data set must be the same,
# byte for byte, as a local run's. Wants root, for each node is a PID namespace that dies as a machine does: whole and at
# once. QUANCI names the program (target/release/quanci by default, built if it is not there). Takes two to
# three minutes. KEEP=1 keeps the folder with the logs.
set -euo pipefail
cd "$(dirname "$0")/.."
repo=$PWD
# How often the samples are read: more on a machine so fast that no node is caught at work.
TIMES=${TIMES:-40}
# Bounds in seconds: for the whole job, and for a daemon to answer.
JOB_SECONDS=${JOB_SECONDS:-300}
START_SECONDS=30

fail() { echo "tests/slurm.sh: $*" >&2; exit 1; }
say() { printf '== %s\n' "$*"; }

install_slurm() {
    local wanted=(sbatch srun scontrol squeue slurmctld slurmd unshare) missing=() name
    PATH=$PATH:/usr/sbin:/sbin
    for name in "${wanted[@]}"; do command -v "$name" >/dev/null || missing+=("$name"); done
    [ ${#missing[@]} = 0 ] && return
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing Slurm (missing: ${missing[*]})"
        apt-get update -qq
        # The packages would start daemons of their own, which have no configuration.
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq slurmctld slurmd slurm-client util-linux >/dev/null
    else
        fail "missing: ${missing[*]}. Install Slurm (Debian, Ubuntu: apt-get install slurmctld slurmd slurm-client)"
    fi
}

configure() {
    mkdir -p "$place"/{state,spool-node1,spool-node2,logs}
    cat >"$place/slurm.conf" <<CONF
ClusterName=quanci
SlurmctldHost=$(hostname)(127.0.0.1)
SlurmctldPort=$port
SlurmUser=root
SlurmdUser=root
AuthType=auth/none
CredType=cred/none
StateSaveLocation=$place/state
SlurmdSpoolDir=$place/spool-%n
SlurmctldPidFile=$place/slurmctld.pid
SlurmdPidFile=$place/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
# A node that is silent for so long is down, and its jobs go elsewhere.
SlurmdTimeout=6
SlurmctldTimeout=10
KillWait=3
MaxArraySize=5
SlurmdParameters=config_overrides
NodeName=node[1-2] NodeHostname=$(hostname) NodeAddr=127.0.0.1 Port=[$((port + 1))-$((port + 2))] CPUs=2 RealMemory=2000
PartitionName=cpu Nodes=ALL Default=YES State=UP MaxTime=INFINITE
CONF
    export SLURM_CONF=$place/slurm.conf
}

# Starts a daemon that we shall stop by its id: daemon NAME COMMAND…
declare -A pids=()
daemon() {
    local name=$1; shift
    setsid "$@" >>"$place/logs/$name.log" 2>&1 &
    pids[$name]=$!
}
start_node() { daemon "$1" unshare --pid --fork --mount-proc --kill-child slurmd -D -N "$1" -f "$SLURM_CONF"; }
# The first process of a node's namespace takes all others with it.
kill_node() {
    kill -KILL "$(ps -o pid= --ppid "${pids[$1]}" | tr -d ' ')" 2>/dev/null || true
    wait "${pids[$1]}" 2>/dev/null || true
    unset "pids[$1]"
}

stop_all() {
    local code=$?
    trap - EXIT
    [ -n "${pids[node1]:-}" ] && kill_node node1
    [ -n "${pids[node2]:-}" ] && kill_node node2
    if [ -n "${pids[slurmctld]:-}" ]; then
        kill "${pids[slurmctld]}" 2>/dev/null || true
        wait "${pids[slurmctld]}" 2>/dev/null || true
    fi
    [ $code = 0 ] || tail -n 5 "$place"/logs/*.log "$data"/.work/*/slurm/*.log >&2 || true
    if [ -n "${KEEP:-}" ]; then echo "kept: $place" >&2; else rm -rf "$place"; fi
    exit $code
}

# Waits until a command succeeds: until_true SECONDS WHAT COMMAND…
until_true() {
    local end=$((SECONDS + $1)) what=$2; shift 2
    until "$@"; do
        [ $SECONDS -lt "$end" ] || fail "after $SECONDS s still not: $what"
        sleep 0.1
    done
}

nodes_idle() { [ "$(sinfo --noheader --format=%D --states=idle 2>/dev/null)" = 2 ]; }

# An element that lost its node waits two minutes for its next turn, which is Slurm's rule for requeued jobs; not here.
hurry() {
    local id
    for id in $(squeue --noheader --states=pending --array --format='%i %r' | awk '$2 == "BeginTime" { print $1 }'); do
        scontrol update jobid="$id" StartTime=now 2>/dev/null || true
    done
}
queue_empty() { hurry; [ -z "$(squeue --noheader)" ]; }
# works_on NODE STAGE: an element of the stage runs there.
works_on() {
    hurry
    squeue --noheader --name="$jobs-$2" --format=%i | grep -q . \
        || fail "$2 was over before an element of it was seen on $1: set TIMES above $TIMES"
    squeue --noheader --states=running --nodelist="$1" --name="$jobs-$2" --format=%i | grep -q .
}

write_settings() {
    mkdir -p "$data/my text"
    # The samples (1.5 MB) several times over, each time with a mark of its own, so that nothing is a repeat: enough for map
    # to take some seconds, in which a node can die.
    local copy file
    for copy in $(seq "$TIMES"); do
        for file in corpora/samples/public-domain/*.txt; do
            sed "s/。/。$copy/" "$file" >"$data/my text/$copy-$(basename "$file")"
        done
    done
    cat >"$data/$settings" <<TOML
vocab = "$repo/tests/fixtures/google-zh-vocab.txt"
[[corpus]]
name = "novels"
format = "paragraphs"
paths = ["my text/*.txt"]
[instances]
copies = 2
[output]
path = "out"
shards = 6
task_mb = 1
bucket_mb = 1
validation = 0.05
TOML
}

install_slurm
[ "$(id -u)" = 0 ] || fail "wants root, to make PID namespaces and to run jobs as SlurmUser"
quanci=${QUANCI:-$repo/target/release/quanci}
[ -x "$quanci" ] || { cargo build --release --quiet; }
quanci=$(realpath "$quanci")
place=$(mktemp -d "${TMPDIR:-/tmp}/quanci-slurm.XXXXXX")
# Names that a script must quote.
data="$place/a user's data"
settings="it's a run.toml"
jobs=quanci-it-s-a-run
port=$((20000 + RANDOM % 20000))
trap stop_all EXIT

say "a local run to compare with"
write_settings
cd "$data"
"$quanci" prepare "$settings" --threads 2 --quiet --out "$place/local" --set "output.work=$place/local-work" >/dev/null

say "two nodes"
configure
daemon slurmctld slurmctld -c -D -f "$SLURM_CONF"
start_node node1
start_node node2
until_true $START_SECONDS "both nodes idle (see $place/logs)" nodes_idle

say "submit"
submit=("$quanci" prepare "$settings" --engine slurm --slurm partition=cpu --slurm cpus-per-task=1)
"${submit[@]}" --dry-run >"$place/dry-run.txt"
[ ! -e "$data/.work" ] || fail "--dry-run wrote into the work folder"
"${submit[@]}"
plan=$(ls -d .work/*/plan.json)

say "kill node1 in mid-map"
until_true "$JOB_SECONDS" "a map element runs on node1" works_on node1 map
sleep "0.$((RANDOM % 6))"
squeue --array --format='%i %j %T %N' | head -n 12
kill_node node1
"$quanci" status --plan "$plan"
again=0; "${submit[@]}" 2>"$place/again.txt" >/dev/null || again=$?
[ $again = 75 ] && grep -q "already in the queue" "$place/again.txt" || fail "a second submission is to be refused (exit code $again)"
sleep 2
start_node node1

say "kill node2 in mid-reduce"
until_true "$JOB_SECONDS" "a reduce element runs on node2" works_on node2 reduce
sleep "0.$((RANDOM % 4))"
squeue --array --format='%i %j %T %N' | head -n 12
kill_node node2
sleep 1
start_node node2

say "wait for the end"
until_true "$JOB_SECONDS" "all jobs done" queue_empty
scontrol --oneliner show job \
    | sed -E 's/.*JobName=(\S+) .*JobState=(\S+) .*Restarts=([0-9]+) .*/\1: \2, restarts: \3/' | sort | uniq -c
"$quanci" status --plan "$plan" --json | tail -n 1 >"$place/status.json"
python3 - "$place/status.json" <<'PY' || fail "status: not all tasks are done"
import json, sys
stages = json.load(open(sys.argv[1]))["stages"]
assert [s["stage"] for s in stages] == ["map", "layout", "reduce", "commit"], stages
assert all(s["missing"] == [] for s in stages), stages
print("status:", ", ".join(f"{s['stage']} {s['tasks']}" for s in stages))
PY

say "compare"
diff -r "$place/local" out || fail "the data sets differ"
leftovers=$(find out -name '*.tmp'; find . -maxdepth 1 -name '.*.tmp')
[ -z "$leftovers" ] || fail "temporary files in the output: $leftovers"
"$quanci" verify out
again=$("${submit[@]}")
grep -q "already finished" <<<"$again" || fail "a finished run is to be left alone: $again"
say "the same bytes, $SECONDS s"
