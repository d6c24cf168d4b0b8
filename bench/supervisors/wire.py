"""HTTP over loopback with as little of Python in the measured time as possible.

A request is sent as one packet that was put together before, and the clock is read again when the last
byte of the answer is here; nothing of the body is looked at in between.
"""
import json
import socket
import threading

from processes import now_ns


def request(method, path, body=None, kind="application/json"):
    """the bytes of a request"""
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    if body is not None:
        head += f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + (body or b"")


class Line:
    """one connection, kept alive; refused or cut it raises OSError"""

    def __init__(self, port, timeout=180):
        self.s = socket.create_connection(("127.0.0.1", port), timeout)
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(self, packet):
        """(ns before, ns when the whole answer was here, status, body)"""
        t = now_ns()
        self.s.sendall(packet)
        buf = bytearray()
        while (head := buf.find(b"\r\n\r\n")) < 0:
            buf += self._more()
        fields = dict(f.lower().split(b":", 1) for f in bytes(buf[:head]).split(b"\r\n")[1:])
        if b"content-length" in fields:
            want = head + 4 + int(fields[b"content-length"])
            while len(buf) < want:
                buf += self._more()
            t2 = now_ns()
            body = bytes(buf[head + 4:want])
        else:
            while not buf.endswith(b"\r\n0\r\n\r\n"):
                buf += self._more()
            t2 = now_ns()
            body = unchunk(bytes(buf[head + 4:]))
        return t, t2, int(buf[9:12]), body

    def _more(self):
        data = self.s.recv(1 << 18)
        if not data:
            raise ConnectionError("the connection was closed within an answer")
        return data

    def close(self):
        self.s.close()


def unchunk(data):
    out, at = [], 0
    while True:
        end = data.index(b"\r\n", at)
        size = int(data[at:end].split(b";")[0], 16)
        if size == 0:
            return b"".join(out)
        out.append(data[end + 2:end + 2 + size])
        at = end + 2 + size + 2


def once(port, packet):
    """like Line.call, on a connection of its own, whose making counts"""
    t = now_ns()
    line = Line(port)
    try:
        _, t2, status, body = line.call(packet)
    finally:
        line.close()
    return t, t2, status, body


def checked(answer):
    """the two times of an answer that is a success"""
    t, t2, status, body = answer
    if status >= 300:
        raise RuntimeError(f"{status} {body[:300]!r}")
    return t, t2


def side_by_side(port, packets, lanes=32):
    """sends all packets over some connections; (ns before the first, ns after the last, [(status, body)])"""
    todo, done, lock = list(enumerate(packets)), [None] * len(packets), threading.Lock()
    lines = [Line(port) for _ in range(min(lanes, len(packets)))]

    def lane(line):
        while True:
            with lock:
                if not todo:
                    return
                i, packet = todo.pop(0)
            _, _, status, body = line.call(packet)
            done[i] = status, body

    threads = [threading.Thread(target=lane, args=(line,)) for line in lines]
    t = now_ns()
    for th in threads:
        th.start()
    for th in threads:
        th.join()
    t2 = now_ns()
    for line in lines:
        line.close()
    return t, t2, done
