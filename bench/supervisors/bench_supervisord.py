#!/usr/bin/env -S python3 -B
"""Bench of Supervisor (supervisord), XML-RPC over loopback TCP.

Usage:  ./bench_supervisord.py -n 100 [--root DIR]
  --root DIR  where the Debian package was unpacked (dpkg -x supervisor_*.deb DIR);
              without it, supervisord/supervisorctl are taken from PATH.
Config used: everything default except minfds (the default 1024 is too small for
500 children: 5 fds each), autostart of the N, and one log directory.
"""
import os
import subprocess
import sys
import time
import xmlrpc.client

import common
import wire
from processes import SLEEPER, alive, now_ns


class Supervisord(common.Peer):
    name = "supervisord"
    PORT = 19001
    keeps_alive = False  # it sends an answer in pieces: Nagle's algorithm and delayed ACKs add 40 ms from the second call on

    def __init__(self, work, args):
        super().__init__(work, args)
        r = args.root
        py = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
        self.sd = [py, f"{r}/usr/bin/supervisord"] if r else ["supervisord"]
        self.sc = [py, f"{r}/usr/bin/supervisorctl"] if r else ["supervisorctl"]
        self.conf = os.path.join(work, "supervisord.conf")
        self.url = f"http://127.0.0.1:{self.PORT}"

    @property
    def rpc(self):
        # a fresh connection for each call: see keeps_alive
        return xmlrpc.client.ServerProxy(self.url + "/RPC2").supervisor

    def cli_env(self):
        e = dict(self.env)
        if self.args.root:
            e["PYTHONPATH"] = f"{self.args.root}/usr/lib/python3/dist-packages"
        return e

    def version(self):
        self.env = os.environ
        return subprocess.run(self.sd + ["--version"], env=self.cli_env(), capture_output=True, text=True).stdout.strip()

    def prepare(self, auto, extra, env):
        self.env = env
        os.makedirs(f"{self.work}/log", exist_ok=True)
        with open(self.conf, "w") as f:
            f.write(f"""[supervisord]
logfile={self.work}/supervisord.log
pidfile={self.work}/supervisord.pid
childlogdir={self.work}/log
minfds={self.args.minfds}
[inet_http_server]
port=127.0.0.1:{self.PORT}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl={self.url}
""")
            for l, a in ((auto, "true"), (extra, "false")):
                for nm, mode in l:
                    f.write(f"[program:{nm}]\ncommand={SLEEPER} {nm} {mode}\nautostart={a}\n")

    def up(self):
        subprocess.run(self.sd + ["-c", self.conf], env=self.cli_env(), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def wait_api(self, timeout=60):
        end = time.time() + timeout
        while time.time() < end:
            try:
                return self.rpc.getState()
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("no API")

    def pid(self): return self.rpc.getPID()
    def list_api(self): return [(x["name"], x["pid"], x["statename"]) for x in self.rpc.getAllProcessInfo()]
    def list_http(self):
        body = xmlrpc.client.dumps((), "supervisor.getAllProcessInfo").encode()
        return self.PORT, wire.request("POST", "/RPC2", body, "text/xml")
    def list_cli(self): return self.sc + ["-c", self.conf, "status"]

    def start_api(self, nm):
        t = now_ns()
        self.rpc.startProcess(nm, False)
        return t, now_ns()

    def start_cli(self, nm): return self.sc + ["-c", self.conf, "start", nm]

    def stop_api(self, nm):
        t = now_ns()
        self.rpc.stopProcess(nm, True)
        return t, now_ns()

    def stop_all(self):
        t = now_ns()
        self.rpc.stopAllProcesses(True)
        return t, now_ns()

    def down(self):
        pid = self.pid()
        self.rpc.shutdown()
        end = time.time() + 60
        while alive(pid) and time.time() < end:
            time.sleep(0.05)


def flags(ap):
    ap.add_argument("--root", help="where the Debian package was unpacked")
    ap.add_argument("--minfds", type=int, default=10000)


if __name__ == "__main__":
    common.main(Supervisord, flags)
