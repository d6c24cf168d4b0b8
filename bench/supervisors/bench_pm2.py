#!/usr/bin/env -S python3 -B
"""Bench of PM2 (fork mode, interpreter "none").

Usage:  ./bench_pm2.py -n 100 --pm2 DIR
  --pm2 DIR   an npm project directory holding node_modules/pm2  (npm install pm2)
API  = the programmatic client (pm2.connect, unix socket), through pm2_driver.js.
CLI  = node_modules/.bin/pm2 jlist / start / ...
PM2_HOME is the scratch directory; the version check is switched off.
"Documented restart" after kill -9 of the daemon = pm2 save (before) + pm2 resurrect.
"""
import json
import os
import subprocess
import threading

import common
from processes import SLEEPER


class Pm2(common.Peer):
    name = "pm2"

    def __init__(self, work, args):
        super().__init__(work, args)
        self.bin = [f"{args.pm2}/node_modules/.bin/pm2"]
        self.mod = f"{args.pm2}/node_modules/pm2"
        self.home = os.path.join(work, "pm2home")
        self.drv = None
        self.lock = threading.Lock()

    def cli_env(self):
        return dict(self.env, PM2_HOME=self.home, PM2_DISABLE_VERSION_CHECK="true", PM2_MODULE=self.mod)

    def version(self):
        return json.load(open(self.mod + "/package.json"))["version"] + " on node " + subprocess.run(["node", "--version"], capture_output=True, text=True).stdout.strip()

    def app(self, nm, mode):
        return {"name": nm, "script": SLEEPER, "args": [nm, mode], "interpreter": "none",
                "exec_mode": "fork", "env": {"BENCH_LOG": self.env["BENCH_LOG"]}}

    def prepare(self, auto, extra, env):
        self.env = env
        os.makedirs(self.home, exist_ok=True)
        self.eco = os.path.join(self.work, "eco.json")
        with open(self.eco, "w") as f:
            json.dump({"apps": [self.app(*x) for x in auto]}, f)
        self.extra = dict(extra)
        for nm, mode in extra:
            with open(os.path.join(self.work, nm + ".json"), "w") as f:
                json.dump({"apps": [self.app(nm, mode)]}, f)

    def cli(self, *a):
        return subprocess.run(self.bin + list(a), env=self.cli_env(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def up(self): self.cli("start", self.eco)

    def driver(self):
        if not self.drv:
            self.drv = subprocess.Popen(["node", os.path.join(common.HERE, "pm2_driver.js")], env=self.cli_env(),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            assert json.loads(self.drv.stdout.readline()).get("ready")
        return self.drv

    def call(self, **c):
        d = self.driver()
        with self.lock:
            d.stdin.write(json.dumps(c) + "\n")
            d.stdin.flush()
            r = json.loads(d.stdout.readline())
        if r["err"]:
            raise RuntimeError(r["err"])
        return r

    def close(self):
        if self.drv:
            self.drv.kill()
            self.drv.wait()
            self.drv = None

    def wait_api(self, timeout=60):
        self.close()
        self.driver()

    def pid(self): return int(open(self.home + "/pm2.pid").read())
    def list_api(self): return [(r[0], r[1], r[2]) for r in self.call(op="list")["r"]]
    def list_cli(self): return self.bin + ["jlist"]

    def start_api(self, nm):
        r = self.call(op="start", app=self.app(nm, self.extra[nm]))
        return int(r["t0"]), int(r["t1"])

    def start_cli(self, nm): return self.bin + ["start", os.path.join(self.work, nm + ".json")]

    def stop_api(self, nm):
        r = self.call(op="stop", name=nm)
        return int(r["t0"]), int(r["t1"])

    def stop_all(self):
        r = self.call(op="stopall")
        return int(r["t0"]), int(r["t1"])

    def save(self): self.cli("save")

    def resume(self):
        self.close()
        self.cli("resurrect")

    def down(self):
        self.close()
        self.cli("kill")


if __name__ == "__main__":
    common.main(Pm2, lambda ap: ap.add_argument("--pm2", required=True))
