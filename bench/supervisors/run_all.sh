#!/bin/bash
# Every supervisor at N=100 and N=500, round after round, one after the other; lines of JSON go to RESULTS,
# the table to standard output.
#
# Usage: ./run_all.sh [RESULTS [ROUNDS]]          defaults: $BENCH_DIR/results.jsonl, 3
#   BENCH_DIR         where peers and programs are put (default: velador-bench among the temporary files)
#   VELADOR_BIN       a velador to measure (default: built from this tree)
#   PM2_DIR           an npm project with node_modules/pm2      } default: fetched into BENCH_DIR by peers.sh;
#   SUPERVISORD_ROOT  where Debian's package was unpacked       } "" leaves the peer out
#   PC_BIN            a process-compose binary; left out without one
#   SIZES             numbers of children (default "100 500")
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir=${BENCH_DIR:-${TMPDIR:-/tmp}/velador-bench}
out=${1:-$dir/results.jsonl}
rounds=${2:-3}
mkdir -p "$dir"
if [ -z "${PM2_DIR+set}" ] || [ -z "${SUPERVISORD_ROOT+set}" ]; then "$here/peers.sh" "$dir"; fi
: "${PM2_DIR=$dir/pm2}" "${SUPERVISORD_ROOT=$dir/supervisord}"
export PYTHONDONTWRITEBYTECODE=1 BENCH_SLEEPER=$dir/sleeper
cc -O2 -static -o "$BENCH_SLEEPER" "$here/sleeper.c"
if [ -z "${VELADOR_BIN:-}" ]; then
  VELADOR_BIN=$dir/velador
  (cd "$here" && CGO_ENABLED=0 go build -trimpath -o "$VELADOR_BIN" velador/cmd/velador)
fi

: > "$out"
run() { # SCRIPT FLAGS...: a peer that fails leaves the others their turn
  "$here/$1" -n "$n" --phases "$phases" "${@:2}" | sed -u "s/^{/{\"round\": $round, /" >> "$out" ||
    echo "$1 with $n children failed in round $round" >&2
}
for round in $(seq 1 "$rounds"); do
  for n in ${SIZES:-100 500}; do
    phases=up,mem,list,start,stop1,childkill,superkill,stopall
    # What does not depend on N, and takes its time, is done once.
    if [ "$round" = 1 ] && [ "$n" = 100 ]; then phases=$phases,semantics,crash; fi
    begun=$SECONDS
    run bench_velador.py --bin "$VELADOR_BIN"
    if [ -n "${PC_BIN:-}" ]; then run bench_process_compose.py --bin "$PC_BIN"; fi
    if [ -n "$SUPERVISORD_ROOT" ]; then run bench_supervisord.py --root "$SUPERVISORD_ROOT"; fi
    if [ -n "$PM2_DIR" ]; then run bench_pm2.py --pm2 "$PM2_DIR"; fi
    echo "round $round, $n children: $((SECONDS - begun)) s" >&2
  done
done
"$here/summarise.py" "$out"
