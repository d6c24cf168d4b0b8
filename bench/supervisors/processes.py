"""What the kernel tells of processes, and how the children tell that they run."""
import os
import signal
import statistics
import time

SLEEPER = os.environ.get("BENCH_SLEEPER") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "sleeper")


def now_ns():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def spread(xs):
    """median, p90, min, max - the machine may be shared, so the spread is always shown"""
    xs = sorted(xs)
    if not xs:
        return None
    return {"n": len(xs), "med": round(statistics.median(xs), 3),
            "p90": round(xs[min(len(xs) - 1, int(len(xs) * 0.9))], 3),
            "min": round(xs[0], 3), "max": round(xs[-1], 3)}


def read(path):
    try:
        with open(path) as f:
            return f.read()
    except OSError:
        return ""


def alive(pid):
    s = read(f"/proc/{pid}/stat")
    return bool(s) and s.rsplit(")", 1)[1].split()[0] not in ("Z", "X")


def is_ours(pid):
    return read(f"/proc/{pid}/cmdline").split("\0")[0] == SLEEPER and alive(pid)


def all_ours(tag):
    """pid -> name of every live sleeper whose name starts with tag"""
    out = {}
    for d in os.listdir("/proc"):
        if d.isdigit():
            a = read(f"/proc/{d}/cmdline").split("\0")
            if a[0] == SLEEPER and len(a) > 1 and a[1].startswith(tag) and alive(d):
                out[int(d)] = a[1]
    return out


def kill(pid):
    """SIGKILL for a sleeper of ours, through a pidfd that was checked after it was opened"""
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if is_ours(pid):
            signal.pidfd_send_signal(fd, signal.SIGKILL)
    except ProcessLookupError:
        pass
    finally:
        os.close(fd)


def cleanup(tag):
    for _ in range(20):
        left = all_ours(tag)
        if not left:
            return 0
        for p in left:
            kill(p)
        time.sleep(0.1)
    return len(all_ours(tag))


def memory(pid):
    r = {}
    for line in read(f"/proc/{pid}/smaps_rollup").splitlines():
        k = line.split(":")[0]
        if k in ("Rss", "Pss", "Private_Dirty"):
            r[k.lower() + "_kb"] = int(line.split()[1])
    for line in read(f"/proc/{pid}/status").splitlines():
        if line.startswith("Threads"):
            r["threads"] = int(line.split()[1])
        if line.startswith("VmHWM"):
            r["hwm_kb"] = int(line.split()[1])
    try:
        r["fds"] = len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        pass
    return r


def cpu_ticks(pid):
    s = read(f"/proc/{pid}/stat")
    if not s:
        return 0
    f = s.rsplit(")", 1)[1].split()
    return int(f[11]) + int(f[12])


class Announce:
    """reader of the file that the children append to: rows of name, pid, ppid, monotonic ns"""

    def __init__(self, path):
        self.path, self.pos, self.rows = path, 0, []
        open(path, "a").close()

    def poll(self):
        """True when there was something new"""
        with open(self.path, "rb") as f:
            f.seek(self.pos)
            data = f.read()
        end = data.rfind(b"\n") + 1
        for line in data[:end].decode().splitlines():
            n, p, pp, t = line.split()
            self.rows.append((n, int(p), int(pp), int(t)))
        self.pos += end
        return end > 0

    def wait_names(self, names, since, timeout):
        """name -> (pid, ns) of the first announcement of each since then; None when some are missing"""
        missing, got, at = set(names), {}, 0
        end = time.time() + timeout
        while True:
            self.poll()
            for n, p, _, t in self.rows[at:]:
                if n in missing and t >= since:
                    got[n] = (p, t)
                    missing.discard(n)
            at = len(self.rows)
            if not missing:
                return got
            if time.time() > end:
                return None
            time.sleep(0.002)

    def latest(self):
        self.poll()
        return {n: p for n, p, _, _ in self.rows}

    def times(self, name, since):
        self.poll()
        return [t for n, _, _, t in self.rows if n == name and t >= since]
