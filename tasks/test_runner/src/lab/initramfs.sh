#!/bin/busybox sh
# Mounts the lab's disks, each known by its serial number, and becomes the init on the first one.
set -e
busybox=/bin/busybox
$busybox mount -t devtmpfs dev /dev
$busybox mount -t proc proc /proc
$busybox mount -t sysfs sys /sys
for module in /modules/*; do
	$busybox insmod "$module"
done
root= input=
for device in /sys/block/vd*; do
	case "$($busybox cat "$device/serial")" in
	root) root=/dev/${device##*/} ;;
	input) input=/dev/${device##*/} ;;
	esac
done
$busybox mount -t ext4 -o noatime "$root" /root
$busybox mount -t ext4 -o noatime "$input" /root/lab
$busybox mount --move /dev /root/dev
$busybox mount --move /proc /root/proc
$busybox mount --move /sys /root/sys
exec $busybox switch_root /root /lib/systemd/systemd
