"""One harness for all supervisors (Python 3 standard library only).

A script for each peer subclasses Peer and calls main(). Everything is printed as lines of JSON; each has
"peer", "n", "metric" and "value". Times are milliseconds, memory is KiB.

Phases (--phases up,mem,..):
  up         exec of the supervisor -> first / last of N children running
  mem        VmRSS, PSS, private-dirty, threads, fds of the supervisor, and the CPU that it burns in an
             idle window (default 10 s)
  list       full status listing at N: through the API x20 with its rows read in Python, the HTTP answer
             alone x100 (kept-alive and fresh connections; peers that have HTTP), CLI x5
  start      K individual starts through the API (and 3 through the CLI) while N run:
             "ran" = the child's own first instruction, "resp" = the answer came back
  stop1      K individual stops: request -> process gone, and the answer
  childkill  kill -9 of 10 different children: gap until the replacement runs
  superkill  kill -9 of the supervisor: how many children live on (quiet / chatty); then the documented
             restart: adopted, duplicated, or started again? How long until all N are looked after again?
             kill -9 of 5 children after that: is somebody watching them?
  stopall    stop everything: -> all gone, and the answer
  semantics  an instance of its own, default policy: stop of a child with a grandchild; stop of a child
             that ignores SIGTERM and SIGINT; 8 concurrent CLI starts and 32 concurrent API starts of one
             stopped process (how many copies run?)
  crash      an instance of its own: one child that exits 1 at once, default policy: gaps between starts

The children are ./sleeper (sleeper.c). They report their own start in a shared file, so nothing here asks
again and again to find out when a child runs. Only processes whose /proc/PID/cmdline shows that sleeper
are ever killed.
"""
import argparse
import concurrent.futures
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import wire
from processes import SLEEPER, Announce, alive, all_ours, cleanup, cpu_ticks, kill, memory, now_ns, read, spread

HERE = os.path.dirname(os.path.abspath(__file__))
PHASES = "up,mem,list,start,stop1,childkill,superkill,stopall,semantics,crash"
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


class Peer:
    """what a supervisor must be able to do; names and modes are those of sleeper.c"""
    name = "?"
    keeps_alive = True  # its HTTP server is measured on a kept-alive connection too

    def __init__(self, work, args):
        self.work, self.args = work, args
        self.taken = {}  # further measurements that prepare() took: metric -> value

    def version(self): return "?"

    def prepare(self, auto, extra, env):
        """auto, extra: lists of (name, mode). auto start with the supervisor, extra do not."""
        raise NotImplementedError

    def up(self): raise NotImplementedError                # returns at once or when ready
    def wait_api(self, timeout=60): raise NotImplementedError
    def pid(self): raise NotImplementedError               # the supervisor's own
    def cli_env(self): raise NotImplementedError
    def list_api(self): raise NotImplementedError          # [(name, pid, state)]
    def list_http(self): return None                       # (port, packet) of the same, where it is HTTP
    def list_cli(self): raise NotImplementedError          # argv
    def start_api(self, name): raise NotImplementedError   # (ns of the request, ns of the answer)
    def start_cli(self, name): return None                 # argv
    def stop_api(self, name): raise NotImplementedError    # (ns of the request, ns of the answer)
    def stop_all(self): raise NotImplementedError          # (ns of the request, ns of the answer)
    def state(self, name): return [s for n, _, s in self.list_api() if n == name]
    def save(self): pass                                   # before the supervisor is killed
    def resume(self): self.up()                            # the documented restart
    def down(self): raise NotImplementedError


def named(tag, n, modes=()):
    """n names with modes: those given come first, the rest is quiet"""
    modes = list(modes) + ["quiet"] * (n - len(modes))
    return [(f"{tag}{i:04d}" + ("" if m == "quiet" else "-" + m), m) for i, m in enumerate(modes[:n])]


def ms(start, end):
    return (end - start) / 1e6


class Bench:
    """one run of one peer"""

    def __init__(self, cls, args):
        self.cls, self.args, self.n = cls, args, args.n
        self.phases = args.phases.split(",")
        self.work = args.work or tempfile.mkdtemp(prefix=f"supbench-{cls.name}-")
        os.makedirs(self.work, exist_ok=True)
        log = os.path.join(self.work, "announce.log")
        self.ann, self.env = Announce(log), dict(os.environ, BENCH_LOG=log)
        self.tag = f"B{os.getpid()}X"

    def out(self, metric, value, **more):
        print(json.dumps(dict(peer=self.cls.name, n=self.n, metric=metric, value=value, **more)), flush=True)

    def cli(self, argv):
        """runs a command of the peer's; (ns before, ns after)"""
        t = now_ns()
        subprocess.run(argv, env=self.p.cli_env(), **QUIET)
        return t, now_ns()

    def run(self):
        self.out("version", self.cls(self.work, self.args).version(), load=read("/proc/loadavg").split()[0])
        wanted = [ph for ph in self.phases if ph not in ("semantics", "crash")]
        if wanted:
            self.instance("many", self.many)
        if "semantics" in self.phases:
            self.instance("semantics", self.semantics)
        if "crash" in self.phases:
            self.instance("crash", self.crash)
        if not self.args.work:
            shutil.rmtree(self.work, ignore_errors=True)

    def instance(self, what, part):
        """a supervisor of its own, which is ended whatever happens"""
        self.p = self.cls(os.path.join(self.work, what), self.args)
        os.makedirs(self.p.work, exist_ok=True)
        try:
            part()
        finally:
            try:
                self.p.down()
            except Exception as e:  # the figures that were taken stay good
                self.out("down_error", str(e))
            self.out(f"{what}_leftovers", len(all_ours(self.tag)))
            cleanup(self.tag)

    # ---- the instance with N children --------------------------------------

    def many(self):
        chatty = self.args.chatty
        auto = named(self.tag + "W", self.n, ["chatty"] * chatty)
        extra = named(self.tag + "E", self.args.k)
        self.names, self.extra = [x for x, _ in auto], [x for x, _ in extra]
        self.p.prepare(auto, extra, self.env)
        for metric, value in self.p.taken.items():
            self.out(metric, value)
        t0 = now_ns()
        self.p.up()
        got = self.ann.wait_names(self.names, t0, 300)
        if not got:
            self.out("up_failed", sum(1 for x in self.names if self.ann.times(x, t0)), note="children that ran within 300 s")
            return
        ts = sorted(t for _, t in got.values())
        self.p.wait_api()
        if "up" in self.phases:
            self.out("up_first_ms", round(ms(t0, ts[0]), 1))
            self.out("up_last_ms", round(ms(t0, ts[-1]), 1))
            self.out("up_per_child_ms", round(ms(ts[0], ts[-1]) / max(1, self.n - 1), 3))
        time.sleep(5)
        self.started = []
        for phase in ("mem", "list", "start", "stop1", "childkill", "superkill", "stopall"):
            if phase in self.phases:
                getattr(self, phase)()

    def mem(self):
        sp, idle = self.p.pid(), self.args.idle
        c0 = cpu_ticks(sp)
        time.sleep(idle)
        c1 = cpu_ticks(sp)
        self.out("idle_cpu_pct", round((c1 - c0) / os.sysconf("SC_CLK_TCK") / idle * 100, 2))
        self.out("supervisor_mem", memory(sp))

    def list(self):
        xs, rows = [], []
        for _ in range(20):
            t = now_ns()
            rows = self.p.list_api()
            xs.append(ms(t, now_ns()))
        self.out("list_api_ms", spread(xs), rows=len(rows))
        if self.p.list_http():
            port, packet = self.p.list_http()
            if self.p.keeps_alive:
                line = wire.Line(port)
                self.answers("list_http_ms", lambda: line.call(packet))
                line.close()
            self.answers("list_http_fresh_ms", lambda: wire.once(port, packet))
        self.out("list_cli_ms", spread([ms(*self.cli(self.p.list_cli())) for _ in range(5)]))
        self.out("supervisor_mem_after_list", memory(self.p.pid()))

    def answers(self, metric, call):
        """a hundred calls, or as many as there is time for"""
        xs, size, end = [], 0, time.time() + 5
        while len(xs) < 100 and time.time() < end:
            t, t2, status, body = call()
            if status >= 300:
                raise RuntimeError(f"{status} {body[:300]!r}")
            xs.append(ms(t, t2))
            size = len(body)
        self.out(metric, spread(xs), bytes=size)

    def start(self):
        cli = 3 if self.p.start_cli(self.extra[0]) else 0
        self.starts("start_api", self.extra[:len(self.extra) - cli], self.p.start_api)
        if cli:
            self.starts("start_cli", self.extra[-cli:], lambda nm: self.cli(self.p.start_cli(nm)))

    def starts(self, metric, names, do):
        ran, resp = [], []
        for nm in names:
            tr, tp = do(nm)
            got = self.ann.wait_names([nm], tr, 30)
            if got:
                ran.append(ms(tr, got[nm][1]))
                resp.append(ms(tr, tp))
                self.started.append(nm)
        self.out(metric + "_ran_ms", spread(ran), failed=len(names) - len(ran))
        self.out(metric + "_resp_ms", spread(resp))

    def stop1(self):
        gone, resp = [], []
        latest = self.ann.latest()
        for nm in self.started:
            fd, at = os.pidfd_open(latest[nm]), []

            def watch():
                po = select.poll()
                po.register(fd, select.POLLIN)
                if po.poll(60000):
                    at.append(now_ns())
            th = threading.Thread(target=watch)
            th.start()
            tr, tp = self.p.stop_api(nm)
            th.join()
            os.close(fd)
            if at:
                gone.append(ms(tr, at[0]))
            resp.append(ms(tr, tp))
        self.out("stop_api_gone_ms", spread(gone), never=len(self.started) - len(gone))
        self.out("stop_api_resp_ms", spread(resp))

    def childkill(self):
        time.sleep(2)
        latest = self.ann.latest()
        quiet = self.names[self.args.chatty:]
        self.kills("restart_after_child_kill9_ms", [(nm, latest[nm]) for nm in quiet[:10]])

    def kills(self, metric, victims):
        gaps = []
        for nm, pid in victims:
            t = now_ns()
            kill(pid)
            got = self.ann.wait_names([nm], t, 30)
            if got:
                gaps.append(ms(t, got[nm][1]))
        self.out(metric, spread(gaps), never=len(victims) - len(gaps))

    def superkill(self):
        time.sleep(2)
        self.p.save()
        chatty, latest = self.args.chatty, self.ann.latest()
        before = {nm: latest[nm] for nm in self.names}
        os.kill(self.p.pid(), signal.SIGKILL)
        time.sleep(3)
        self.out("supervisor_kill9_survivors", {
            "quiet": sum(alive(before[nm]) for nm in self.names[chatty:]), "of_quiet": self.n - chatty,
            "chatty": sum(alive(before[nm]) for nm in self.names[:chatty]), "of_chatty": chatty})
        t = now_ns()
        self.p.resume()
        self.p.wait_api()
        managed, end = {}, time.time() + (60 if self.n <= 100 else 120)
        while time.time() < end:
            managed = {nm: pid for nm, pid, _ in self.p.list_api() if nm in before and pid and alive(pid)}
            if len(managed) == self.n:
                self.out("all_managed_again_ms", round(ms(t, now_ns()), 1))
                break
            time.sleep(0.02)
        time.sleep(5)
        per = {}
        for pid, nm in all_ours(self.tag + "W").items():
            per.setdefault(nm, []).append(pid)
        listed = {nm: pid for nm, pid, _ in self.p.list_api() if nm in before}
        self.out("after_supervisor_restart", {
            "original_pids_alive": sum(alive(x) for x in before.values()),
            "adopted": sum(1 for nm, pid in listed.items() if pid == before[nm] and alive(pid)),
            "names_running_twice": sum(1 for v in per.values() if len(v) > 1),
            "names_not_running": sum(1 for nm in self.names if nm not in per),
            "total_processes": sum(len(v) for v in per.values()),
            "supervisor_rss_kb": memory(self.p.pid()).get("rss_kb")})
        for nm, pid in before.items():  # only what the new supervisor looks after stays
            if listed.get(nm) != pid:
                kill(pid)
        time.sleep(1)
        victims = [(nm, listed[nm]) for nm in self.names[chatty + 10:] if listed.get(nm)]
        self.kills("restart_after_resume_and_kill9_ms", victims[:5])

    def stopall(self):
        pids = list(all_ours(self.tag))
        tr, tp = self.p.stop_all()
        end = time.time() + 120
        while any(alive(x) for x in pids) and time.time() < end:
            time.sleep(0.002)
        self.out("stop_all_gone_ms", round(ms(tr, now_ns()), 1), left=sum(alive(x) for x in pids), of=len(pids))
        self.out("stop_all_resp_ms", round(ms(tr, tp), 1))

    # ---- what a stop and a start mean ---------------------------------------

    def semantics(self):
        p, s = self.p, self.tag + "S"
        fork, deaf, keep, conc, race = s + "FORK-fork", s + "DEAF-deaf", s + "KEEP", s + "CONC", s + "RACE"
        p.prepare([(fork, "fork"), (deaf, "deaf"), (keep, "quiet")], [(conc, "quiet"), (race, "quiet")], self.env)
        t0 = now_ns()
        p.up()
        p.wait_api()
        got = self.ann.wait_names([fork, fork + ".g", deaf], t0, 30)
        time.sleep(2)
        p.stop_api(fork)
        time.sleep(3)
        self.out("stop_with_grandchild", {"child_alive": alive(got[fork][0]), "grandchild_alive": alive(got[fork + ".g"][0])})
        self.deaf(deaf, got[deaf][0])
        if p.start_cli(conc):
            ps = [subprocess.Popen(p.start_cli(conc), env=p.cli_env(), **QUIET) for _ in range(8)]
            for x in ps:
                x.wait()
            time.sleep(3)
            self.out("concurrent_start_8", {"copies_running": self.copies(conc)})
        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            tries = [pool.submit(p.start_api, race) for _ in range(32)]
        time.sleep(3)
        accepted = sum(1 for x in tries if not x.exception())
        self.out("concurrent_start_api_32", {"copies_running": self.copies(race), "accepted": accepted, "refused": 32 - accepted})

    def copies(self, name):
        return sum(1 for v in all_ours(name).values() if v == name)

    def deaf(self, name, pid):
        def stop():
            try:
                self.p.stop_api(name)
            except Exception as e:
                self.out("stop_of_deaf_child_answer", str(e)[:200])
        t, th = now_ns(), threading.Thread(target=stop, daemon=True)
        th.start()
        while alive(pid) and now_ns() - t < 40e9:
            time.sleep(0.01)
        gone = round(ms(t, now_ns())) if not alive(pid) else None
        self.out("stop_of_deaf_child", {"gone_after_ms": gone, "still_alive_after_40s": gone is None, "state": self.p.state(name)})
        kill(pid)
        th.join(10)

    # ---- a child that cannot live --------------------------------------------

    def crash(self):
        name = self.tag + "C-crash"
        self.p.prepare([(name, "crash"), (self.tag + "CKEEP", "quiet")], [], self.env)
        t0 = now_ns()
        self.p.up()
        self.p.wait_api()
        time.sleep(self.args.crash_seconds)
        ts = self.ann.times(name, t0)
        gaps = [round(ms(a, b)) for a, b in zip(ts, ts[1:])]
        self.out("crash_loop", {"starts": len(ts), "seconds": self.args.crash_seconds, "gaps_ms_head": gaps[:20],
                                "gaps_ms_tail": gaps[-3:], "final_state": self.p.state(name)})


def main(cls, flags=None):
    ap = argparse.ArgumentParser(description=(sys.modules["__main__"].__doc__ or "") + __doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("-n", type=int, default=100, help="managed children (default 100)")
    ap.add_argument("-k", type=int, default=30, help="individual starts/stops (default 30)")
    ap.add_argument("--chatty", type=int, default=10, help="of the N, how many write to stdout (default 10)")
    ap.add_argument("--idle", type=float, default=10, help="idle CPU window, seconds")
    ap.add_argument("--crash-seconds", type=float, default=60)
    ap.add_argument("--phases", default=PHASES)
    ap.add_argument("--work", help="scratch directory (default: a new one among the temporary ones)")
    if flags:
        flags(ap)
    args = ap.parse_args()
    if not os.access(SLEEPER, os.X_OK):
        ap.error(f"there is no {SLEEPER}: cc -O2 -static -o FILE {HERE}/sleeper.c, and set BENCH_SLEEPER=FILE")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    Bench(cls, args).run()
