"""A Ray cluster on this machine, for tests: nodes of two CPUs each. Each line of standard input names a node to add; the
cluster's address and the process id of the node's raylet are printed. The end of standard input ends the cluster."""

import json
import os
import shutil
import sys
import tempfile

folder = tempfile.mkdtemp(prefix="ray-")
os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_TMPDIR=folder)
from ray.cluster_utils import Cluster

cluster = Cluster()
# A node is taken for dead after two seconds, not after a quarter of a minute.
soon = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 4}
try:
    for line in sys.stdin:
        options = {} if cluster.head_node else {"include_dashboard": False, "_system_config": soon}
        node = cluster.add_node(num_cpus=2, env_vars={"QUANCI_TEST_NODE": line.strip()}, **options)
        raylet = node.all_processes["raylet"][0].process.pid
        print(json.dumps({"address": cluster.address, "raylet": raylet}), flush=True)
finally:
    cluster.shutdown()
    shutil.rmtree(folder, ignore_errors=True)
