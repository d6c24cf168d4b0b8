#!/bin/bash
# Fetches the peers that a package registry has into DIR/pm2 and DIR/supervisord, nothing of it installed for
# the machine. What is there already stays. Usage: ./peers.sh DIR
set -eu
mkdir -p "$1"
cd "$1"
if [ ! -d pm2/node_modules/pm2 ]; then
  mkdir -p pm2
  npm install --prefix pm2 --no-audit --no-fund --loglevel error pm2@7.0.4
fi
if [ ! -x supervisord/usr/bin/supervisord ]; then
  mkdir -p packages
  (cd packages && apt-get -qq download supervisor python3-pkg-resources)
  for package in packages/*.deb; do dpkg -x "$package" supervisord; done
fi
