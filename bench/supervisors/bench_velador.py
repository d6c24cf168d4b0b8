#!/usr/bin/env -S python3 -B
"""Bench of velador serve: HTTP over loopback, SQLite, bus inside.

Usage:  ./bench_velador.py -n 100 --bin /path/to/velador
The variable VELADOR_TEST_COLLECTOR has the server run the sleeper in place of every collector; everything
else is default. The exchange is a local HTTP server that knows the names of the children as symbols.
What is to run stands in velador's database and in no file of configuration: prepare() starts all by the API
once and ends the server gracefully, which leaves them wanted. "up" is the boot that resumes them.
"Documented restart" after kill -9 = velador serve again on the same data directory.
"""
import http.server
import json
import os
import signal
import subprocess
import threading
import time

import common
import wire
from processes import SLEEPER, all_ours, now_ns

TIMEFRAME = "1m"


class Exchange(http.server.BaseHTTPRequestHandler):
    """what velador asks Binance before it starts a collector: which symbols there are"""
    protocol_version = "HTTP/1.1"
    symbols = ()

    def do_GET(self):
        answers = {
            "/api/v3/ping": lambda: {},
            "/api/v3/time": lambda: {"serverTime": round(time.time() * 1000)},
            "/api/v3/exchangeInfo": lambda: {
                "timezone": "UTC", "serverTime": round(time.time() * 1000),
                "rateLimits": [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000}],
                "exchangeFilters": [],
                "symbols": [{"symbol": x, "status": "TRADING", "baseAsset": x, "quoteAsset": "USDT", "isSpotTradingAllowed": True,
                             "permissions": [], "permissionSets": []} for x in self.symbols]},
        }
        answer = answers.get(self.path.partition("?")[0])
        body = json.dumps(answer() if answer else {"code": -1, "msg": "no such path"}).encode()
        self.send_response(200 if answer else 404)
        self.send_header("Content-Type", "application/json;charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_): pass


class Velador(common.Peer):
    name = "velador"
    PORT, EXCHANGE_PORT = 19003, 19004

    def __init__(self, work, args):
        super().__init__(work, args)
        self.bin, self.proc, self.exchange, self.pids = args.bin, None, None, {}

    def version(self): return subprocess.run([self.bin, "--version"], capture_output=True, text=True).stdout.split()[-1]

    def cli_env(self):
        """the environment of server and commands, without what the caller's may hold for another velador"""
        theirs = ("HOST", "PORT", "DATABASE_URL", "DIRECT_DATABASE_URL")
        env = {k: v for k, v in self.env.items() if k not in theirs and not k.startswith("VELADOR_")}
        exchange = f"127.0.0.1:{self.EXCHANGE_PORT}"
        return dict(env, PORT=str(self.PORT), VELADOR_SERVER=f"http://127.0.0.1:{self.PORT}",
                    VELADOR_DATA_DIR=os.path.join(self.work, "data"),
                    VELADOR_BINANCE_REST_URL=f"http://{exchange}", VELADOR_BINANCE_WS_URL=f"ws://{exchange}")

    def prepare(self, auto, extra, env):
        self.env = env
        auto, extra = [x for x, _ in auto], [x for x, _ in extra]
        known = type("Known", (Exchange,), {"symbols": auto + extra})
        self.exchange = http.server.ThreadingHTTPServer(("127.0.0.1", self.EXCHANGE_PORT), known)
        threading.Thread(target=self.exchange.serve_forever, daemon=True).start()
        # No child announces itself this time, and none does more than to sleep.
        self.serve("quiet", BENCH_LOG="")
        self.wait_api()
        t, t2, answers = wire.side_by_side(self.PORT, [self.start_packet(nm) for nm in auto])
        if bad := [a for a in answers if a[0] != 200]:
            raise RuntimeError(f"{len(bad)} of {len(auto)} starts failed, such as {bad[0]}")
        self.taken["first_start_of_all_ms"] = round(common.ms(t, t2), 1)
        t = now_ns()
        self.end()
        self.taken["graceful_end_ms"] = round(common.ms(t, now_ns()), 1)
        self.taken["graceful_end_left"] = len([x for x in all_ours(auto[0][:-5]).values() if x in auto])

    def serve(self, mode, **env):
        # in a session of its own, as a user's service manager would start it
        with open(os.path.join(self.work, "server.log"), "ab") as log:
            self.proc = subprocess.Popen(
                [self.bin, "serve", "--env-file", os.devnull], start_new_session=True, cwd=self.work,
                env=dict(self.cli_env(), VELADOR_TEST_COLLECTOR=f"{SLEEPER} {{symbol}} {mode}", **env),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def up(self): self.serve("byname")

    def wait_api(self, timeout=60):
        end = time.time() + timeout
        while time.time() < end:
            if self.proc.poll() is not None:
                raise RuntimeError(f"velador has ended with {self.proc.returncode}: see server.log")
            try:
                if wire.once(self.PORT, wire.request("GET", "/readyz"))[2] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.02)
        raise RuntimeError("no API")

    def pid(self): return self.proc.pid

    def ask(self, method, path, body=None): return wire.once(self.PORT, wire.request(method, path, body))

    def collectors(self): return json.loads(self.ask("GET", "/api/collectors/status")[3])["collectors"]

    def list_api(self): return [(x["symbol"], x["pid"], x["status"]) for x in self.collectors()]
    def list_http(self): return self.PORT, wire.request("GET", "/api/collectors/status")
    def list_cli(self): return [self.bin, "status"]

    def start_packet(self, nm): return wire.request("POST", "/api/collectors/start", {"symbol": nm, "timeframe": TIMEFRAME})

    def start_api(self, nm):
        answer = wire.once(self.PORT, self.start_packet(nm))
        times = wire.checked(answer)
        self.pids[nm] = json.loads(answer[3])["pid"]
        return times

    def start_cli(self, nm): return [self.bin, "start", nm, TIMEFRAME]

    def stop_api(self, nm):
        pid = self.pids.pop(nm, None) or next(pid for name, pid, _ in self.list_api() if name == nm)
        return wire.checked(self.ask("POST", "/api/collectors/stop", {"pid": pid}))

    def stop_all(self):
        packets = [wire.request("POST", "/api/collectors/stop", {"pid": pid}) for _, pid, _ in self.list_api()]
        t, t2, answers = wire.side_by_side(self.PORT, packets, self.args.stop_lanes or len(packets))
        if bad := [a for a in answers if a[0] != 200]:
            raise RuntimeError(f"{len(bad)} of {len(answers)} stops failed, such as {bad[0]}")
        return t, t2

    def state(self, nm):
        """what the registry says, of a collector between two lives too: its newest row"""
        for i in range(20, 0, -1):
            _, _, status, body = self.ask("GET", f"/api/collectors/{i}")
            row = json.loads(body)
            if status == 200 and row["symbol"] == nm:
                return [row["status"], row.get("lastError", "")]
        return []

    def resume(self):
        self.proc.wait()
        self.up()

    def end(self):
        self.proc.send_signal(signal.SIGTERM)
        try:
            self.proc.wait(60)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
            raise RuntimeError("velador did not end within 60 s of SIGTERM") from None

    def down(self):
        try:
            if self.proc and self.proc.poll() is None:
                self.end()
        finally:
            if self.exchange:
                self.exchange.shutdown()
                self.exchange.server_close()


def flags(ap):
    ap.add_argument("--bin", required=True)
    ap.add_argument("--stop-lanes", type=int, default=0, help="connections that carry the stops of all; 0: one for each")


if __name__ == "__main__":
    common.main(Velador, flags)
