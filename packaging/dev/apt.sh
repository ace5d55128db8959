# Functions that the scripts of packaging share; sourced, not run.
# shellcheck shell=sh

say() { printf '%s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

# install puts Debian packages on the machine, or says what to do and ends the
# script. The first word names who needs them: "install 'The tests need' gcc".
install() {
  who=$1
  shift
  if ! have apt-get || ! grep -qE '^ID(_LIKE)?=.*(debian|ubuntu)' /etc/os-release 2>/dev/null; then
    say "$who programs that are not on this machine: $*"
    say "This script installs them on Debian and Ubuntu only. Please install them with your"
    say "system's own package manager (the names are Debian's) and start again."
    exit 1
  fi
  as_root=
  if [ "$(id -u)" -ne 0 ]; then
    if ! have sudo; then
      say "$who programs that are not on this machine. Please run as root:"
      say "  apt-get update && apt-get install --no-install-recommends $*"
      exit 1
    fi
    as_root=sudo
    # Without somebody at the keyboard a question for a password would wait for ever.
    [ -t 0 ] || as_root="sudo -n"
  fi
  say "$who some programs; installing $*"
  # The list of packages may be old or empty: it is renewed only when it is needed.
  apt="$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0"
  log=$(mktemp)
  if ! { $apt update && $apt install -y --no-install-recommends "$@"; } >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    rm -f "$log"
    say "apt-get could not install: $*"
    exit 1
  fi
  rm -f "$log"
}
