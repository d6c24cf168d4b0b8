/* sleeper: the trivial long-lived child used by every bench script.
 *
 *   sleeper NAME MODE
 *     quiet   announce, then sleep for ever                      (default)
 *     chatty  announce, then write one line to stdout each 200 ms
 *     crash   announce, then exit with code 1 at once
 *     fork    announce, fork one grandchild "NAME.g" that sleeps, then sleep
 *     deaf    announce, ignore SIGTERM and SIGINT, then sleep
 *     byname  the mode is what follows the last '-' of NAME; quiet without one
 *
 * Announce = ONE O_APPEND write to $BENCH_LOG:  NAME PID PPID MONOTONIC_NS\n
 * so a start latency is (child's own clock reading) - (clock at the request),
 * both CLOCK_MONOTONIC of the same machine: no polling error.
 * Build: cc -O2 -static -o sleeper sleeper.c
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void announce(const char *name)
{
	struct timespec t;
	char b[256];
	const char *log = getenv("BENCH_LOG");
	int n, fd;
	clock_gettime(CLOCK_MONOTONIC, &t);
	n = snprintf(b, sizeof b, "%s %d %d %lld\n", name, (int)getpid(), (int)getppid(),
		     (long long)t.tv_sec * 1000000000LL + t.tv_nsec);
	if (!log) return;
	fd = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0) return;
	if (write(fd, b, n) < 0) { /* nothing to do */ }
	close(fd);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "sleeper";
	const char *mode = argc > 2 ? argv[2] : "quiet";
	announce(name);
	if (!strcmp(mode, "byname")) {
		const char *dash = strrchr(name, '-');
		mode = dash ? dash + 1 : "quiet";
	}
	if (!strcmp(mode, "crash")) return 1;
	if (!strcmp(mode, "deaf")) { signal(SIGTERM, SIG_IGN); signal(SIGINT, SIG_IGN); }
	if (!strcmp(mode, "fork") && fork() == 0) {
		char g[128];
		snprintf(g, sizeof g, "%s.g", name);
		announce(g);
		for (;;) pause();
	}
	if (!strcmp(mode, "chatty")) {
		struct timespec d = {0, 200000000};
		for (;;) { if (write(1, "tick\n", 5) < 0) { /* EPIPE without SIGPIPE */ return 32; } nanosleep(&d, 0); }
	}
	for (;;) pause();
}
