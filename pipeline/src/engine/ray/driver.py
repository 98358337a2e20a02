"""Runs quanci's tasks on a Ray cluster. Orders come as lines of JSON on standard input, events go as lines of JSON to
standard output. The end of standard input is the end of quanci, and of all that runs for it. No data passes through here."""

import sys

sys.path[:] = [folder for folder in sys.path if folder]  # a ray.py in the folder quanci was started in is not Ray

import heapq, json, os, queue, socket, subprocess, threading, time

ATTEMPTS = 5
WINDOW = 1000  # tasks that Ray holds at a time, or twice what the cluster has room for
CONNECT_SECONDS = 20
PROBE_SECONDS = 60
PASSING = {75, 130, 143}  # worth retrying; stopped, and not by us



def path(text):
    """A path as quanci writes it: one that is no UTF-8 comes as its bytes."""
    return os.fsdecode(bytes.fromhex(text[6:])) if text.startswith("bytes:") else text


job = json.loads(sys.argv[1])
events = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # whatever Ray prints is no event
orders = queue.Queue()


def tell(event, **fields):
    print(json.dumps({"event": event, **fields}), file=events, flush=True)


def give_up(message, exit_code=2):
    tell("failed", exit_code=exit_code, message=message)
    os._exit(exit_code)


def read_orders():
    for line in sys.stdin:
        orders.put(json.loads(line))
    orders.put(None)
    time.sleep(5)  # for the main thread to cancel what runs
    os._exit(1)


def run(command):
    """On a node: a process of quanci, and how it ended."""
    try:
        ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, errors="replace")
    except OSError as error:
        said = f"cannot start {command[0]}: {error.strerror}; put quanci there, or say where it lies with --program"
        return 3, "", said, socket.gethostname()
    return ended.returncode, ended.stdout[-4000:], ended.stderr[-4000:], socket.gethostname()


def outcome(ref):
    """How a process ended. A worker or node that was lost says nothing about the task: it is worth another attempt."""
    try:
        return ray.get(ref)
    except ray.exceptions.RayTaskError as error:
        return 3, "", str(error.cause or error), None
    except ray.exceptions.RayError as error:
        return 75, "", "its worker or node was lost: " + str(error).strip().split("\n")[0], None


def connect():
    where = f"the Ray cluster at {job['address']} (--ray-address)"
    host, colon, port = job["address"].split("://")[-1].rpartition(":")
    try:
        if colon:  # Ray itself would wait much longer for nobody
            socket.create_connection((host.strip("[]"), int(port)), 5).close()
    except (OSError, ValueError) as error:
        give_up(f"nobody answers for {where}: {error}; see `ray status` on the cluster's head for its address")
    late = f"{where} did not let us in within {CONNECT_SECONDS} s: is it Ray's port? Is this machine a node of it?"
    watchdog = threading.Timer(CONNECT_SECONDS, give_up, [late])
    watchdog.start()
    try:
        ray.init(address=job["address"], log_to_driver=False, logging_level="ERROR")
    except Exception as error:
        give_up(f"cannot join {where}: {error}")
    watchdog.cancel()


def probe():
    """Asks each node, at once, whether it has the program, and sees the plan, the inputs and the work folder."""
    command = [path(job["program"]), "probe", "--json", "--plan", path(job["plan"]), "--token", job["token"]]
    nodes = {}
    for node in ray.nodes():
        if not node["Alive"] or node["Resources"].get("CPU", 0) < job["threads"]:
            continue  # no task will run there
        there = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        nodes[remote.options(num_cpus=0, scheduling_strategy=there).remote(command)] = node["NodeManagerAddress"]
    if not nodes:
        give_up(f"no node of the cluster has {job['threads']} CPUs, which a task takes: lower --threads, or add nodes")
    _, late = ray.wait(list(nodes), num_returns=len(nodes), timeout=PROBE_SECONDS)
    silence = 75, "", f"did not answer within {PROBE_SECONDS} s", None
    answers = [(nodes[ref], *(silence if ref in late else outcome(ref))) for ref in nodes]
    tell("probed", nodes=[dict(zip(("node", "exit_code", "out", "err", "host"), answer)) for answer in answers])


def submit(stage, task):
    command = [path(job["program"]), "run-task", "--plan", path(job["plan"]), "--stage", stage, "--index", str(task)]
    options = dict(num_cpus=job["threads"], scheduling_strategy="SPREAD", name=f"quanci {stage} {task}")
    return remote.options(**options).remote([*command, "--threads", str(job["threads"])])


def cancel(running):
    for ref in running:
        ray.cancel(ref, force=True)
    if running:
        ray.wait(list(running), num_returns=len(running), timeout=3)


def run_stage(stage, tasks):
    window = max(WINDOW, 2 * int(ray.cluster_resources().get("CPU", 0)) // job["threads"])
    waiting, running = [(0, task, 1) for task in tasks], {}  # (not before, task, attempt), soonest first
    while waiting or running:
        if not orders.empty():  # none comes while a stage runs, but the end
            return cancel(running)
        now = time.monotonic()
        while waiting and waiting[0][0] <= now and len(running) < window:
            _, task, attempt = heapq.heappop(waiting)
            running[submit(stage, task)] = task, attempt
        if not running:
            time.sleep(0.1)
        for ref in ray.wait(list(running), timeout=0.2)[0] if running else ():
            (task, attempt), (code, _, said, host) = running.pop(ref), outcome(ref)
            if code == 0:
                tell("done", task=task)
            elif (code in PASSING or code < 0) and attempt < ATTEMPTS:
                tell("again", task=task)
                heapq.heappush(waiting, (now + 2**attempt, task, attempt + 1))
            else:
                cancel(running)
                return tell("failed", exit_code=code, message=said, task=task, host=host, attempts=attempt)
    tell("ended")


threading.Thread(target=read_orders, daemon=True).start()
try:
    import ray, ray.util.scheduling_strategies
except ImportError as error:
    give_up(f"{sys.executable} has no Ray ({error}): `pip install 'ray==2.60.0'`, or name another Python with --python")
remote = ray.remote(max_retries=0)(run)
connect()
probe()
while (order := orders.get()) is not None:
    run_stage(order["stage"], order["tasks"])
