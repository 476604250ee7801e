"""Two Ray nodes on this machine, as a process: it prints their address, and kills the second one at a line of input.

Argument: port of the head. Token and loopback come from the environment, as any Ray process has them.
"""

import sys

from ray.cluster_utils import Cluster

MEMORY = 80 << 20

if __name__ == "__main__":
    shape = {"num_cpus": 2, "object_store_memory": MEMORY, "include_dashboard": False, "node_ip_address": "127.0.0.1"}
    cluster = Cluster(initialize_head=True, head_node_args={**shape, "gcs_server_port": int(sys.argv[1])})
    second = cluster.add_node(**shape)
    sys.stdout.write(f"{cluster.address}\n")
    sys.stdout.flush()
    sys.stdin.readline()
    cluster.remove_node(second, allow_graceful=False)
    sys.stdout.write("killed\n")
    sys.stdout.flush()
    sys.stdin.readline()
    cluster.shutdown()
