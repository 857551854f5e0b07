#!/bin/sh
# Runs a systemd of its own, in namespaces of its own, with nfstats installed as
# docs/install.md tells. It ends, with all that it started, when this does.
#
#   systemd.sh CGROUP UNITS FOLDER PROGRAM LIBRARY
#
# CGROUP is an empty control group, UNITS has nfstats.service and what it asks
# for, FOLDER has what is to be /var/lib, /var/log and /srv.
set -eu
if [ $$ != 1 ]; then
	echo $$ >"$1/cgroup.procs"
	exec unshare --mount --uts --ipc --pid --cgroup --fork --kill-child --propagation private sh "$0" "$@"
fi
mount -t proc proc /proc
mount --bind -o ro /proc/sys /proc/sys # systemd sets some at a start
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs tmpfs /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
for folder in lib log; do mount --bind "$3/$folder" /var/$folder; done
mount --bind "$3/srv" /srv
printf '%s\n' root:x:0:0::/root:/bin/sh nfstats:x:64999:64999::/var/lib/nfstats:/usr/sbin/nologin >/run/passwd
printf '%s\n' root:x:0: nfstats:x:64999: >/run/group
for file in passwd group; do mount --bind /run/$file /etc/$file; done
mount -t tmpfs -o mode=755 tmpfs /usr/local
install -D "$4" /usr/local/bin/nfstats
install -d /usr/local/lib/nfstats
touch /usr/local/lib/nfstats/libchdb.so
mount --bind "$5" /usr/local/lib/nfstats/libchdb.so
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=test SYSTEMD_UNIT_PATH="$2" \
	/lib/systemd/systemd --system --unit=nfstats.service --log-target=console --show-status=no
