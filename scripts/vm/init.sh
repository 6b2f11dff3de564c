#!/bin/busybox sh
# The first program in the virtual machine. It makes a root of the host's, read-only, under a layer of memory, and
# starts the tests there. What it needs to know comes as variables from the kernel's command line.

/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
exec </dev/console >/dev/console 2>&1

echo 2 >/proc/sys/net/core/fb_tunnels_only_for_init_net

for module in /early/*.ko; do insmod "$module"; done
mkdir /below /memory /root
mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=524288 root /below
mount -t tmpfs -o size=75% memory /memory
mkdir /memory/upper /memory/work
mount -t overlay -o lowerdir=/below,upperdir=/memory/upper,workdir=/memory/work root /root

mount -t proc proc /root/proc
mount -t sysfs sys /root/sys
mount -t devtmpfs dev /root/dev
mkdir /root/dev/pts /root/dev/shm
mount -t devpts pts /root/dev/pts
mount -t tmpfs shm /root/dev/shm
mount -t tmpfs run /root/run

# The kernel asks for modules by this program, for it finds none of its own on the host. Asked for a module that is being
# loaded, busybox would say that it is there.
mkdir -p /root/.vm/answers /root/.vm/loading /root/lib/modules
cp /bin/busybox /root/.vm/busybox
cat >/root/.vm/modprobe <<'END'
#!/.vm/busybox sh
for name; do :; done
exec flock "/.vm/loading/$name" /.vm/busybox modprobe "$@"
END
chmod +x /root/.vm/modprobe
echo /.vm/modprobe >/proc/sys/kernel/modprobe
mount -t tmpfs modules /root/lib/modules
mkdir "/root/lib/modules/$(uname -r)"
mount --bind "/root$VM_MODULES" "/root/lib/modules/$(uname -r)"

mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288 answers /root/.vm/answers
ip link set lo up
stty -F /dev/hvc0 -opost
exec switch_root /root /bin/sh "/.vm/answers/$VM_NAME.run" </dev/null >/dev/hvc0 2>&1
