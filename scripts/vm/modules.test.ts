import { expect, test } from "bun:test";
import { inOrder, parseDependencies } from "./modules.ts";

/** As busybox's depmod writes it. */
const TEXT = `kernel/fs/9p/9p.ko: kernel/net/9p/9pnet.ko kernel/fs/netfs/netfs.ko
kernel/net/9p/9pnet_virtio.ko: kernel/net/9p/9pnet.ko
kernel/net/9p/9pnet.ko:
kernel/fs/netfs/netfs.ko:
kernel/drivers/char/hw_random/virtio-rng.ko:
kernel/net/unused.ko: kernel/net/9p/9pnet.ko
`;

test("modules come after what they need, each once", () => {
  const order = inOrder(parseDependencies(TEXT), ["9p", "9pnet_virtio", "virtio_rng"]);
  expect(order).toEqual([
    "kernel/net/9p/9pnet.ko",
    "kernel/fs/netfs/netfs.ko",
    "kernel/fs/9p/9p.ko",
    "kernel/net/9p/9pnet_virtio.ko",
    "kernel/drivers/char/hw_random/virtio-rng.ko",
  ]);
});

test("what has no file is part of the kernel", () => {
  expect(inOrder(parseDependencies(TEXT), ["virtio_pci", "netfs"])).toEqual(["kernel/fs/netfs/netfs.ko"]);
});
