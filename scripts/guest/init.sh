#!/bin/busybox sh
# First program of the guest (see run.py): the machine's own files, read-only, with fresh folders for
# what is written; then one command, whose output goes to the second serial port and whose exit code
# to the third.
PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
for module in $(cat /modules/order); do
    insmod "/modules/$module" || echo "guest: $module does not load"
done
options=trans=virtio,version=9p2000.L,msize=512000
mount -t 9p -o "$options,ro,cache=loose" machine /machine || echo "guest: no files of the machine"
mount -t tmpfs -o mode=1777 tmp /machine/tmp
for folder in run mnt; do
    mount -t tmpfs -o mode=755 "$folder" "/machine/$folder"
done
mkdir /machine/run/lock /machine/mnt/share
mount -t 9p -o "$options,rw,cache=none" share /machine/mnt/share
mount -t proc proc /machine/proc
mount -t sysfs sys /machine/sys
mount -t cgroup2 cgroup /machine/sys/fs/cgroup
mount -t tracefs trace /machine/sys/kernel/tracing 2>/dev/null
mount --bind /dev /machine/dev
mkdir -p /machine/dev/pts /machine/dev/shm
mount -t devpts pts /machine/dev/pts
mount -t tmpfs -o mode=1777 shm /machine/dev/shm
ip link set lo up
stty -F /dev/ttyS1 raw -echo
setsid chroot /machine /bin/sh /mnt/share/.command >/dev/ttyS1 2>&1 </dev/null
echo $? >/dev/ttyS2
sync
poweroff -f
