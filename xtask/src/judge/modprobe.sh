#!/bin/busybox sh
# The kernel looks for this program in its first file system; the one that can is in the guest's.
exec /bin/busybox chroot /guest /sbin/modprobe "$@"
