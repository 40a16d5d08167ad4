#!/sbin/busybox sh
# The guest's first process: it makes a small Linux system, runs the program of the role that stands on the kernel's
# command line (`lb.role=`), and switches the machine off. Words after ` -- ` there are this script's arguments.

/sbin/busybox --install -s /bin
export PATH=/usr/bin:/bin
export LB_BIN=/usr/bin/lb

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
# As on a real system, and because a network namespace's file has to be a mount of its own there.
mount -t tmpfs run /run

role=$(sed -n 's/.*lb\.role=\([a-z]*\).*/\1/p' /proc/cmdline)
if [ "$role" = probe ]; then
    echo "guest: up"
else
    while read -r module; do
        insmod "$module" || echo "guest: cannot insert $module"
    done </lib/modules/order
    ip link set lo up
    lb-guest "$role" "$@"
fi
poweroff -f
