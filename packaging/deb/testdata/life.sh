#!/bin/sh
# The life of the package on a system without systemd, as root of a system that
# is thrown away: /old.deb is installed and used, /new.deb takes its place, and
# at last it is removed and purged. Ends at the first thing that is wrong.
set -eu
data=/var/lib/lares

fail() {
  echo "FAILED: $*"
  exit 1
}

# as_service starts the program as the unit does and waits until it answers.
as_service() {
  runuser -u lares -- /usr/bin/lares serve --data $data --footage /srv/footage >/tmp/log 2>&1 &
  service=$!
  tries=0
  until [ -S $data/lares.sock ] && grep -q '^Certificate authority' /tmp/log; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || { cat /tmp/log; fail "the service does not answer"; }
    sleep 0.2
  done
}

stop_service() {
  kill -TERM "$(pidof lares)"
  wait "$service" || fail "the service did not end well: $?"
}

# For 'script', which is the terminal that questions are asked at.
mount -t devpts -o newinstance,ptmxmode=0666 devpts /dev/pts
ln -sf pts/ptmx /dev/ptmx

echo "install"
dpkg -i /old.deb
[ "$(stat -c '%a %U %G' $data)" = "700 lares lares" ] || fail "rights of $data: $(stat -c '%a %U %G' $data)"
case $(getent passwd lares) in *:/usr/sbin/nologin) ;; *) fail "the user could log in" ;; esac
install -d -o lares -g lares -m 0700 /srv/footage

echo "first run"
as_service
runuser -u lares -- lares status | grep 'waits for an owner' || fail "status before there is an owner"
runuser -u lares -- lares setup-code | grep 'One-time code' || fail "no one-time code"
install -d -o lares -g lares /tmp/secret
echo 'seven otters row upstream' >/tmp/secret/password
runuser -u lares -- lares setup --owner Ada --password-file /tmp/secret/password \
  --recovery-out /tmp/secret/recovery --without-second-factor

echo "upgrade while it runs"
echo '# kept' >>/etc/default/lares
dpkg -i /new.deb
runuser -u lares -- lares status | grep 'is running' || fail "the old one does not run on"
stop_service
as_service
runuser -u lares -- lares status | grep 'is running' || fail "the owner is lost"
grep '# kept' /etc/default/lares || fail "the options are lost"
stop_service
before=$(sha256sum $data/machine.key)

echo "remove, install again"
dpkg -r lares
[ ! -e /usr/bin/lares ] || fail "the program is still there"
[ "$(sha256sum $data/machine.key)" = "$before" ] || fail "removing changed the data"
dpkg -i /new.deb
[ "$(sha256sum $data/machine.key)" = "$before" ] || fail "installing again changed the data"

echo "purge without somebody to answer"
dpkg -P lares </dev/null
[ "$(sha256sum $data/machine.key)" = "$before" ] || fail "purging deleted without asking"
[ ! -e /etc/default/lares ] || fail "the options are still there"

echo "purge, and no"
dpkg -i /new.deb
echo no | script -qec 'dpkg -P lares' /dev/null
[ -e $data/machine.key ] || fail "purging deleted after a no"

echo "purge, and yes"
dpkg -i /new.deb
echo yes | script -qec 'dpkg -P lares' /dev/null
[ ! -e $data ] || fail "purging kept the data after a yes"
[ -d /srv/footage ] || fail "purging deleted footage elsewhere"
echo "all is well"
