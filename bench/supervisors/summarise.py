#!/usr/bin/env -S python3 -B
"""Markdown of the lines of JSON that run_all.sh writes: medians over the rounds, in brackets the smallest and
the largest round where they differ.

Usage: ./summarise.py [--all] results.jsonl [...]     --all: every metric there is, under its own name
"""
import json
import statistics
import sys

PEERS = ["velador", "process-compose", "supervisord", "pm2"]
# metric -> what it says in words; KiB become MiB
ROWS = {
    "list_http_ms.med": "full status over HTTP, connection kept, ms",
    "list_http_fresh_ms.med": "full status over HTTP, new connection, ms",
    "list_api_ms.med": "full status by the API, rows read by the client, ms",
    "list_cli_ms.med": "full status by the command, ms",
    "start_api_ran_ms.med": "one start by the API until the process runs, ms",
    "start_api_resp_ms.med": "one start by the API until the answer, ms",
    "start_cli_ran_ms.med": "one start by the command until the process runs, ms",
    "start_cli_resp_ms.med": "one start by the command until it returns, ms",
    "stop_api_gone_ms.med": "one stop until the process is gone, ms",
    "stop_api_resp_ms.med": "one stop until the answer, ms",
    "stop_all_gone_ms": "stop all until the last is gone, ms",
    "stop_all_resp_ms": "stop all until the last answer, ms",
    "graceful_end_ms": "SIGTERM to the supervisor until all and itself are gone, ms",
    "up_last_ms": "boot until the last child runs, ms",
    "restart_after_child_kill9_ms.med": "kill -9 of a child until its replacement runs, ms",
    "supervisor_kill9_survivors.quiet": "kill -9 of the supervisor: quiet children alive",
    "supervisor_kill9_survivors.chatty": "kill -9 of the supervisor: chatty children alive (of 10)",
    "after_supervisor_restart.adopted": "its restart: adopted",
    "after_supervisor_restart.names_running_twice": "its restart: running twice",
    "all_managed_again_ms": "its restart until all N are looked after, ms",
    "restart_after_resume_and_kill9_ms.med": "kill -9 of a child after that, until its replacement runs, ms",
    "idle_cpu_pct": "CPU when idle, % of a core",
    "supervisor_mem.rss_kb": "RSS of the supervisor, MiB",
    "supervisor_mem.private_dirty_kb": "its private dirty memory, MiB",
    "supervisor_mem_after_list.hwm_kb": "its peak RSS, MiB",
    "supervisor_mem.threads": "its threads",
    "supervisor_mem.fds": "its open files",
    "concurrent_start_8.copies_running": "8 concurrent starts by the command: copies running",
    "concurrent_start_api_32.copies_running": "32 concurrent starts by the API: copies running",
    "stop_with_grandchild.grandchild_alive": "stop of a child with a grandchild: grandchild alive",
    "stop_of_deaf_child.gone_after_ms": "stop of a child that ignores SIGTERM: gone after, ms",
    "crash_loop.starts": "a child that fails at once: starts in the first minute",
    "crash_loop.final_state": "and its state then",
}


def collected(files):
    """metric, N -> peer -> what the rounds gave"""
    found = {}

    def add(metric, row, x):
        found.setdefault((metric, row["n"]), {}).setdefault(row["peer"], []).append(x)
    for name in files:
        with open(name) as f:
            for line in f:
                row = json.loads(line)
                value = row["value"]
                for key, x in value.items() if isinstance(value, dict) else [("", value)]:
                    add(row["metric"] + ("." + key if key else ""), row, x)
    return found


def cell(metric, values):
    values = [x for x in values if x is not None]
    if not values:
        return "never" if metric.endswith("gone_after_ms") else ""
    if isinstance(values[0], list):
        return str(values[-1][0]) if values[-1] else ""
    if isinstance(values[0], bool):
        return "yes" if any(values) else "no"
    if isinstance(values[0], str):
        return values[-1]
    if metric.endswith("_kb"):
        values = [x / 1024 for x in values]

    def short(x):
        return f"{x:,.0f}" if abs(x) >= 100 or x == int(x) else f"{x:.3g}"
    text = short(statistics.median(values))
    low, high = short(min(values)), short(max(values))
    return text if low == high else f"{text} ({low}–{high})"


def main(argv):
    everything = "--all" in argv
    found = collected([a for a in argv if not a.startswith("-")])
    here = {p for x in found.values() for p in x}
    peers = [p for p in PEERS if p in here] + sorted(here - set(PEERS))
    rows = {m: m for m, _ in found} if everything else ROWS
    sizes = sorted({n for _, n in found})
    print("| what | N | " + " | ".join(peers) + " |")
    print("|" + " --- |" * (len(peers) + 2))
    for metric, words in rows.items():
        for n in sizes:
            if x := found.get((metric, n)):
                print(f"| {words} | {n} | " + " | ".join(cell(metric, x.get(p, [])) for p in peers) + " |")


if __name__ == "__main__":
    main(sys.argv[1:])
