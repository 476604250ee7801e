#!/usr/bin/env bash
# Makes a Debian (a Raspberry Pi) a Wardwatch gateway, or a newer one; run again, it changes what differs.
#
#   install.sh install --gateway gw-icu --uplink mqtts://HOST:8883 --package wardwatch.whl [--ca FILE] [--cert FILE]
#                      [--ntp "HOST HOST"]
#   install.sh request [--new-key]      prints the file of the certificate request; the key never leaves this machine
#   install.sh certificate FILE         takes the certificate that was made of it
#   install.sh device NAME              gives a monitor, light or button a password, and prints it once
#   install.sh forget NAME              takes it away
#   install.sh rollback                 goes back to the version before
#   install.sh uninstall [--purge]      removes it; with --purge also readings, keys and passwords
#
# edge.lock, beside this file, holds the versions and checksums of everything that is installed from the package index.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
OPT=/opt/wardwatch
ETC=/etc/wardwatch
DATA=/var/lib/wardwatch
KEEP_VERSIONS=3
UNITS=(wardwatch-edge.service wardwatch-certificate.service wardwatch-certificate.timer)
PACKAGES=(ca-certificates mosquitto openssl python3-venv)

say() { printf '%s\n' "$*"; }
stop() { printf 'install.sh: %s\n' "$*" >&2; exit 1; }
# Without a running systemd (an image that is being built) the units are put into place and started at the first boot.
running() { [ -d /run/systemd/system ]; }
control() { if running; then systemctl "$@"; fi; }

# put FILE TARGET MODE OWNER: writes it only when it differs; sets CHANGED then.
put() {
  if ! cmp -s "$1" "$2"; then
    install -D -m "$3" -o "${4%%:*}" -g "${4##*:}" "$1" "$2.new"
    mv "$2.new" "$2"
    CHANGED=1
  fi
  chmod "$3" "$2"
  chown "$4" "$2"
}

check_machine() {
  [ "$(id -u)" = 0 ] || stop "must be run as root: sudo $0"
  [ -f /etc/debian_version ] || stop "needs Debian 12 or newer, or Raspberry Pi OS on it"
}

install_packages() {
  local missing=() package
  running && PACKAGES+=(systemd-timesyncd)
  for package in "${PACKAGES[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] && return
  say "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q >/dev/null || stop "apt-get update failed: check the network and /etc/apt"
  # Debian starts a broker at once; ours has its own configuration.
  apt-get install -y -q --no-install-recommends "${missing[@]}" >/dev/null || stop "apt-get install ${missing[*]} failed"
}

make_user() {
  getent passwd wardwatch >/dev/null ||
    useradd --system --user-group --home-dir "$DATA" --no-create-home --shell /usr/sbin/nologin wardwatch
  install -d -m 0755 "$OPT" "$OPT/bin" "$OPT/versions"
  # The broker's user passes through to its own folder; each file says who may read it.
  install -d -m 0751 -o root -g wardwatch "$ETC"
  install -d -m 0750 -o root -g mosquitto "$ETC/broker"
  install -d -m 0700 -o wardwatch -g wardwatch "$DATA"
}

# Makes the environment of a package in a folder of its own, and prints the folder.
make_version() {
  local package=$1 digest version
  [ -f "$package" ] || stop "there is no package $package"
  digest=$(cat "$package" "$HERE/edge.lock" | sha256sum | cut -c1-12)
  version="$OPT/versions/$digest"
  if [ ! -f "$version/complete" ]; then
    rm -rf "$version"
    say "installing $(basename "$package") as $version" >&2
    python3 -m venv "$version" || stop "python3 -m venv failed: is the disk full?"
    "$version/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || stop "Python 3.11 or newer is needed"
    # Wheels alone: a Pi has no compiler, and must not need one.
    "$version/bin/pip" install -q --disable-pip-version-check --no-cache-dir --require-hashes --only-binary :all: \
      -r "$HERE/edge.lock" >&2 || { rm -rf "$version"; stop "the packages of edge.lock could not be installed: check the network"; }
    "$version/bin/pip" install -q --disable-pip-version-check --no-cache-dir --no-deps --no-index "$package" >&2 ||
      { rm -rf "$version"; stop "$package is no wheel of Wardwatch"; }
    "$version/bin/python" -c 'import edge.__main__' || { rm -rf "$version"; stop "$package does not start: the version before stays"; }
    touch "$version/complete"
  fi
  printf '%s\n' "$version"
}

# A link is replaced at once: there is no moment without a version.
point() {
  ln -sfn "$1" "$OPT/$2.new"
  mv -T "$OPT/$2.new" "$OPT/$2"
}

switch_version() {
  local now
  now=$(readlink "$OPT/current" || true)
  [ "$now" = "$1" ] && return
  [ -z "$now" ] || point "$now" previous
  point "$1" current
  CHANGED=1
}

drop_old_versions() {
  local folder kept=0
  # The newest first; what is in use is never dropped.
  while read -r folder; do
    case "$folder" in "$(readlink "$OPT/current")" | "$(readlink "$OPT/previous" || true)") continue ;; esac
    kept=$((kept + 1))
    [ "$kept" -lt "$((KEEP_VERSIONS - 1))" ] || rm -rf "$folder"
  done < <(find "$OPT/versions" -mindepth 1 -maxdepth 1 -type d -printf '%T@ %p\n' | sort -rn | cut -d' ' -f2)
}

make_key() {
  if [ ! -f "$ETC/uplink.key" ]; then
    (umask 077 && openssl ecparam -name prime256v1 -genkey -noout -out "$ETC/uplink.key.new")
    chown root:wardwatch "$ETC/uplink.key.new"
    chmod 0640 "$ETC/uplink.key.new"
    mv "$ETC/uplink.key.new" "$ETC/uplink.key"
    rm -f "$ETC/$1.csr"
  fi
  [ -f "$ETC/$1.csr" ] || openssl req -new -key "$ETC/uplink.key" -subj "/CN=$1" -out "$ETC/$1.csr"
}

take_certificate() {
  local cert=$1 gateway=$2 key=$ETC/uplink.key
  openssl x509 -in "$cert" -noout 2>/dev/null || stop "$cert is no certificate"
  openssl x509 -in "$cert" -noout -checkend 0 >/dev/null || stop "$cert has expired: have $gateway registered again"
  # During a rotation the new key waits beside the one in use.
  [ -f "$key.next" ] && [ "$(public_of "$cert")" = "$(openssl pkey -in "$key.next" -pubout)" ] && mv "$key.next" "$key"
  [ "$(public_of "$cert")" = "$(openssl pkey -in "$key" -pubout)" ] ||
    stop "$cert was made of another request than this machine's $ETC/$gateway.csr"
  put "$cert" "$ETC/uplink.crt" 0640 root:wardwatch
}

public_of() { openssl x509 -in "$1" -noout -pubkey; }

# The broker's own certificate, for monitors that check it; ten years, because nobody visits a monitor for this.
make_broker() {
  local broker=$ETC/broker file secret
  if [ ! -f "$broker/server.crt" ] || ! openssl x509 -in "$broker/server.crt" -noout -checkend 2592000 >/dev/null; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj "/CN=$1" \
      -addext "subjectAltName=DNS:$1,DNS:$1.local,DNS:localhost,IP:127.0.0.1" \
      -keyout "$broker/server.key" -out "$broker/server.crt" 2>/dev/null
    chown root:mosquitto "$broker"/server.*
    chmod 0640 "$broker"/server.*
    CHANGED=1
  fi
  for file in mosquitto.conf gateway.acl devices.acl; do put "$HERE/files/$file" "$broker/$file" 0640 root:mosquitto; done
  [ -f "$broker/devices.passwords" ] || install -m 0640 -o root -g mosquitto /dev/null "$broker/devices.passwords"
  if [ ! -f "$broker/gateway.passwords" ] || ! grep -q '^DEVICE_PASSWORD=' "$ETC/edge.env" 2>/dev/null; then
    secret=$(openssl rand -hex 24)
    install -m 0640 -o root -g mosquitto /dev/null "$broker/gateway.passwords"
    mosquitto_passwd -b "$broker/gateway.passwords" gateway "$secret"
    (umask 077 && printf 'DEVICE_PASSWORD=%s\n' "$secret" > "$ETC/edge.env")
    CHANGED=1
  fi
}

write_settings() {
  local fresh
  fresh=$(mktemp)
  {
    printf 'GATEWAY=%s\nUPLINK=%s\n' "$GATEWAY" "$UPLINK"
    [ -z "$CA" ] || printf 'UPLINK_CA=%s\n' "$ETC/uplink.ca"
    printf 'UPLINK_CERT=%s\nUPLINK_KEY=%s\n' "$ETC/uplink.crt" "$ETC/uplink.key"
    printf 'DEVICE_BROKER=mqtt://127.0.0.1:1883\nDEVICE_USER=gateway\n'
    grep '^DEVICE_PASSWORD=' "$ETC/edge.env"
    printf 'EDGE_DATA=%s\nMETRICS_PORT=9100\n' "$DATA"
    # What an administrator has added stays.
    grep -vE '^(GATEWAY|UPLINK|UPLINK_CA|UPLINK_CERT|UPLINK_KEY|DEVICE_BROKER|DEVICE_USER|DEVICE_PASSWORD|EDGE_DATA|METRICS_PORT)=' "$ETC/edge.env" || true
  } > "$fresh"
  put "$fresh" "$ETC/edge.env" 0640 root:wardwatch
  rm -f "$fresh"
}

install_units() {
  local unit fresh
  for unit in "${UNITS[@]}"; do put "$HERE/files/$unit" "/etc/systemd/system/$unit" 0644 root:root; done
  put "$HERE/files/mosquitto-drop-in.conf" /etc/systemd/system/mosquitto.service.d/wardwatch.conf 0644 root:root
  put "$HERE/files/journald.conf" /etc/systemd/journald.conf.d/wardwatch.conf 0644 root:root
  put "$HERE/files/sysctl.conf" /etc/sysctl.d/80-wardwatch.conf 0644 root:root
  put "$HERE/files/check-certificate" "$OPT/bin/check-certificate" 0755 root:root
  fresh=$(mktemp)
  sed "s/@NTP@/$NTP/" "$HERE/files/timesyncd.conf" > "$fresh"
  put "$fresh" /etc/systemd/timesyncd.conf.d/wardwatch.conf 0644 root:root
  rm -f "$fresh"
}

restart() {
  control daemon-reload
  control enable -q mosquitto.service wardwatch-edge.service wardwatch-certificate.timer
  control restart systemd-journald.service systemd-timesyncd.service mosquitto.service wardwatch-certificate.timer
  if [ -f "$ETC/uplink.crt" ]; then control restart wardwatch-edge.service; fi
}

# A version that does not come up within half a minute is taken back.
prove_version() {
  running && [ -f "$ETC/uplink.crt" ] || return 0
  local tries
  for tries in $(seq 30); do
    systemctl is-active -q wardwatch-edge.service && return 0
    sleep 1
  done
  say "the new version does not come up after $tries s: going back" >&2
  rollback
  stop "the version before runs again; journalctl -u wardwatch-edge tells why"
}

setting() { sed -n "s/^$1=//p" "$ETC/edge.env" 2>/dev/null || true; }

do_install() {
  GATEWAY=$(setting GATEWAY) UPLINK=$(setting UPLINK) PACKAGE='' CA='' CERT='' NTP='0.debian.pool.ntp.org 1.debian.pool.ntp.org'
  while [ $# -gt 0 ]; do
    [ $# -gt 1 ] || stop "$1 needs a value"
    case $1 in
      --gateway) GATEWAY=$2 ;; --uplink) UPLINK=$2 ;; --package) PACKAGE=$2 ;;
      --ca) CA=$2 ;; --cert) CERT=$2 ;; --ntp) NTP=$2 ;;
      *) stop "there is no option $1: see the head of $0" ;;
    esac
    shift 2
  done
  [[ $GATEWAY =~ ^[A-Za-z0-9:_-]{1,128}$ ]] || stop "--gateway '$GATEWAY' must be letters, digits, - _ or :"
  [[ $UPLINK =~ ^mqtts://[^/]+:[0-9]+$ ]] || stop "--uplink '$UPLINK' must be mqtts://host:port"
  [[ $NTP =~ ^[A-Za-z0-9.\ :-]+$ ]] || stop "--ntp '$NTP' must be names of time servers"
  [ -n "$PACKAGE" ] || stop "--package must name a wheel: uv build --wheel makes it"
  [ -z "$CERT" ] || [ -f "$CERT" ] || stop "there is no certificate $CERT"
  [ -z "$CA" ] || [ -f "$CA" ] || stop "there is no authority $CA"
  CHANGED=0
  install_packages
  make_user
  local version
  version=$(make_version "$PACKAGE")
  make_key "$GATEWAY"
  make_broker "$GATEWAY"
  [ -z "$CA" ] || put "$CA" "$ETC/uplink.ca" 0644 root:wardwatch
  [ ! -f "$ETC/uplink.ca" ] || CA=$ETC/uplink.ca
  write_settings
  [ -z "$CERT" ] || take_certificate "$CERT" "$GATEWAY"
  install_units
  switch_version "$version"
  drop_old_versions
  if [ "$CHANGED" = 1 ]; then restart; prove_version; fi
  if [ "$CHANGED" = 1 ]; then say "done: $GATEWAY is $(readlink "$OPT/current")"; else say "nothing to do"; fi
  [ -f "$ETC/uplink.crt" ] || say "next: have $ETC/$GATEWAY.csr registered, then $0 certificate FILE"
}

do_request() {
  local gateway
  gateway=$(setting GATEWAY)
  [ -n "$gateway" ] || stop "install first"
  if [ "${1-}" = --new-key ]; then
    # The old key stays in use until the certificate of the new one has come.
    (umask 077 && openssl ecparam -name prime256v1 -genkey -noout -out "$ETC/uplink.key.next")
    chown root:wardwatch "$ETC/uplink.key.next"
    chmod 0640 "$ETC/uplink.key.next"
    openssl req -new -key "$ETC/uplink.key.next" -subj "/CN=$gateway" -out "$ETC/$gateway.csr"
  fi
  say "$ETC/$gateway.csr"
}

do_certificate() {
  CHANGED=0
  take_certificate "${1:?certificate FILE}" "$(setting GATEWAY)"
  control restart wardwatch-edge.service
  say "done: $(openssl x509 -in "$ETC/uplink.crt" -noout -enddate)"
}

do_device() {
  local secret
  [[ ${1-} =~ ^[A-Za-z0-9._-]{1,128}$ ]] || stop "device '${1-}' must be letters, digits, - _ or ."
  secret=$(openssl rand -hex 16)
  mosquitto_passwd -b "$ETC/broker/devices.passwords" "$1" "$secret"
  chown root:mosquitto "$ETC/broker/devices.passwords"
  control reload mosquitto.service
  say "$secret"
}

do_forget() {
  mosquitto_passwd -D "$ETC/broker/devices.passwords" "${1:?forget NAME}" || stop "no device $1 has a password"
  # A reload refuses it at its next connection; a restart also ends the one that it has.
  control restart mosquitto.service
}

rollback() {
  local now before
  before=$(readlink "$OPT/previous" || true) now=$(readlink "$OPT/current" || true)
  [ -n "$before" ] && [ -f "$before/complete" ] || stop "there is no version before"
  point "$before" current
  point "$now" previous
  control restart wardwatch-edge.service
  say "back to $before"
}

do_uninstall() {
  local unit
  control disable -q --now wardwatch-edge.service wardwatch-certificate.timer || true
  for unit in "${UNITS[@]}"; do rm -f "/etc/systemd/system/$unit"; done
  rm -rf /etc/systemd/system/mosquitto.service.d/wardwatch.conf /etc/systemd/journald.conf.d/wardwatch.conf \
    /etc/systemd/timesyncd.conf.d/wardwatch.conf /etc/sysctl.d/80-wardwatch.conf "$OPT"
  control daemon-reload
  if [ "${1-}" = --purge ]; then
    control stop mosquitto.service
    rm -rf "$ETC" "$DATA"
    userdel wardwatch 2>/dev/null || true
  else
    say "kept: $DATA (readings), $ETC (keys); uninstall --purge removes them"
  fi
}

check_machine
command=${1-}
[ $# = 0 ] || shift
case $command in
  install) do_install "$@" ;;
  request) do_request "$@" ;;
  certificate) do_certificate "$@" ;;
  device) do_device "$@" ;;
  forget) do_forget "$@" ;;
  rollback) rollback ;;
  uninstall) do_uninstall "$@" ;;
  *) stop "there is no command '$command': see the head of $0" ;;
esac
