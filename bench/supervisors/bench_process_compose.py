#!/usr/bin/env -S python3 -B
"""Bench of process-compose (F1bonacc1), REST API over loopback TCP, TUI off.

Usage:  ./bench_process_compose.py -n 100 --bin /path/to/process-compose
Config used: entrypoint (no shell), availability.restart: on_failure (its default is
"no", which never restarts), everything else default.  Switch with --restart.
"Documented restart" after kill -9 = running `up` again with the same file.
"""
import json
import os
import subprocess
import time

import common
import wire
from processes import SLEEPER


class ProcessCompose(common.Peer):
    name = "process-compose"
    PORT = 19002

    def __init__(self, work, args):
        super().__init__(work, args)
        self.bin = args.bin
        self.conf = os.path.join(work, "process-compose.yaml")
        self.proc = None

    def cli_env(self): return dict(self.env, PC_LOG_FILE=os.path.join(self.work, "client.log"), XDG_CONFIG_HOME=self.work)

    def version(self):
        o = subprocess.run([self.bin, "version"], capture_output=True, text=True, env=dict(os.environ, PC_LOG_FILE="/dev/null")).stdout
        return next((l.split()[-1] for l in o.splitlines() if l.startswith("Version")), "?")

    def prepare(self, auto, extra, env):
        self.env = env
        with open(self.conf, "w") as f:
            f.write('version: "0.5"\nis_tui_disabled: true\nprocesses:\n')
            for l, dis in ((auto, "false"), (extra, "true")):
                for nm, mode in l:
                    f.write(f"  {nm}:\n    entrypoint: [{json.dumps(SLEEPER)}, {nm}, {mode}]\n    disabled: {dis}\n"
                            f"    availability: {{restart: {self.args.restart}}}\n")

    def up(self):
        # started in its own session, as a user's service manager would
        self.proc = subprocess.Popen([self.bin, "up", "-t=false", "-f", self.conf, "-p", str(self.PORT), "--keep-project",
                                      "--log-file", os.path.join(self.work, "server.log")],
                                     env=self.cli_env(), stdout=open(os.path.join(self.work, "out.txt"), "ab"), stderr=subprocess.STDOUT,
                                     stdin=subprocess.DEVNULL, start_new_session=True, cwd=self.work)

    def req(self, method, path, body=None):
        return wire.once(self.PORT, wire.request(method, path, body))

    def ask(self, method, path, body=None): return wire.checked(self.req(method, path, body))

    def wait_api(self, timeout=60):
        end = time.time() + timeout
        while time.time() < end:
            try:
                self.req("GET", "/live")
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("no API")

    def pid(self): return self.proc.pid
    def list_api(self): return [(x["name"], x["pid"], x["status"]) for x in json.loads(self.req("GET", "/processes")[3])["data"]]
    def list_http(self): return self.PORT, wire.request("GET", "/processes")
    def list_cli(self): return [self.bin, "process", "list", "-p", str(self.PORT), "-o", "json"]
    def start_api(self, nm): return self.ask("POST", f"/process/start/{nm}")
    def start_cli(self, nm): return [self.bin, "process", "start", nm, "-p", str(self.PORT)]
    def stop_api(self, nm): return self.ask("PATCH", f"/process/stop/{nm}")

    def stop_all(self):
        return self.ask("PATCH", "/processes/stop", [n for n, p, s in self.list_api() if s == "Running"])

    def resume(self):
        self.proc.wait()
        self.up()

    def down(self):
        if not self.proc:
            return
        try:
            self.req("POST", "/project/stop")
        except OSError:
            pass  # it may be gone before it has answered
        try:
            self.proc.wait(60)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()


def flags(ap):
    ap.add_argument("--bin", required=True)
    ap.add_argument("--restart", default="on_failure")


if __name__ == "__main__":
    common.main(ProcessCompose, flags)
