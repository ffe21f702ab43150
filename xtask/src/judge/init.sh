#!/bin/busybox sh
# The first program of the guest: the machine's own root file system, read-only, under a layer in
# memory; then the script that the host has left in the shared folder.
b=/bin/busybox
$b mount -t proc none /proc
$b mount -t sysfs none /sys
$b mount -t devtmpfs none /dev
for module in /modules/*.ko; do $b insmod "$module"; done
how=trans=virtio,version=9p2000.L,msize=262144,cache=loose,ro
$b mount -t 9p -o $how root /host || echo "JUDGE broken the root file system cannot be mounted"
$b mount -t tmpfs none /layer
$b mkdir /layer/upper /layer/work
$b mount -t overlay -o lowerdir=/host,upperdir=/layer/upper,workdir=/layer/work none /guest ||
    echo "JUDGE broken there is no overlay"
for mount in proc:proc sysfs:sys devtmpfs:dev tmpfs:tmp tmpfs:run tmpfs:root; do
    $b mkdir -p "/guest/${mount#*:}"
    $b mount -t "${mount%%:*}" none "/guest/${mount#*:}"
done
$b ln -s /proc/self/fd /guest/dev/fd
modules=/guest/lib/modules/$($b uname -r)
$b mkdir -p /guest/dev/shm /guest/run/netns /guest/run/lock /guest/run/judge "$modules"
$b mount -t 9p -o $how judge /guest/run/judge || echo "JUDGE broken the shared folder is missing"
$b mount -t 9p -o $how modules "$modules" || echo "JUDGE broken the modules are missing"
$b mount -t debugfs none /guest/sys/kernel/debug
$b mount -t bpf none /guest/sys/fs/bpf
$b ip link set lo up
path=/run/judge/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
$b chroot /guest /usr/bin/env -i PATH=$path HOME=/root TERM=dumb bash /run/judge/guest.sh
echo "JUDGE off"
$b poweroff -f
