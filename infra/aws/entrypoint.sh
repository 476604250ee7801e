#!/bin/bash
# What a container runs: entrypoint.sh [NAME=VALUE …] MODULE [WORD …] [-- another]
#
# Several parts in one container live and die together: when one ends, so does the container, and ECS starts it again.
# A secret arrives as a variable NAME_PEM; the part wants the path of a file, so it becomes NAME=/run/wardwatch/name.pem.
set -euo pipefail
umask 077

while IFS='=' read -r -d '' name value; do
  if [[ $name == *_PEM ]]; then
    file="${RUN_FOLDER:-/run/wardwatch}/${name,,}"
    printf '%s\n' "$value" > "${file%_pem}.pem"
    export "${name%_PEM}=${file%_pem}.pem"
    unset "$name"
  fi
done < <(env -0)

start() {
  local own=()
  while [[ ${1-} == *=* ]]; do own+=("$1"); shift; done
  env "${own[@]}" python -m "$@" &
}

words=()
for word in "$@" --; do
  if [[ $word != -- ]]; then words+=("$word"); continue; fi
  start "${words[@]}"
  words=()
done

# The first to end ends all; what it said is the container's answer.
trap 'kill -TERM $(jobs -p) 2>/dev/null || true' TERM INT
status=0
wait -n || status=$?
jobs=$(jobs -p)
# shellcheck disable=SC2086 # several numbers
[[ -z $jobs ]] || kill -TERM $jobs 2>/dev/null || true
wait
exit "$status"
