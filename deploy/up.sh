#!/bin/sh
# One command to everything: makes what secrets are missing, builds the image, starts all of
# deploy/compose.yaml and waits until it is healthy.
set -eu
cd "$(dirname "$0")"
sh ./make-secrets.sh
exec docker compose --file compose.yaml up --build --detach --wait
