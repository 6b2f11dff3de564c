/** TAP devices: Ethernet interfaces whose other end is a program. @see linux/if_tun.h, Documentation/networking/tuntap.rst */

import { ioctl } from "./libc.ts";
import { closeFile, O_RDWR, openFile } from "./libc-file.ts";

const DEVICE = "/dev/net/tun";

const TUNSETIFF = 0x400454ca;
const TUNSETPERSIST = 0x400454cb;
const TUNSETOWNER = 0x400454cc;
const TUNSETGROUP = 0x400454ce;

export const IFF_TAP = 0x0002;
const IFF_MULTI_QUEUE = 0x0100;
const IFF_NO_PI = 0x1000;
/** Refuse a device that is there. */
const IFF_TUN_EXCL = 0x8000;

/** struct ifreq: the name, then the flags. @see netdevice(7) */
const IFREQ_SIZE = 40;
const IFREQ_FLAGS = 16;

export interface Tap {
  readonly name: string;
  readonly multiQueue?: boolean;
  /** Numbers of the user and the group that may open it. */
  readonly owner?: number;
  readonly group?: number;
}

/**
 * Makes a TAP device that stays, in the network namespace of this thread. When this process is killed on the way the
 * kernel takes it away. Throws SystemCallError, `EBUSY` for a name in use.
 */
export function createTap({ name, multiQueue, owner, group }: Tap): void {
  const fd = openFile(DEVICE, O_RDWR);
  try {
    const request = new Uint8Array(IFREQ_SIZE);
    new TextEncoder().encodeInto(name, request.subarray(0, IFREQ_FLAGS - 1));
    const flags = IFF_TAP | IFF_NO_PI | IFF_TUN_EXCL | (multiQueue ? IFF_MULTI_QUEUE : 0);
    new DataView(request.buffer).setUint16(IFREQ_FLAGS, flags, true);
    ioctl(fd, TUNSETIFF, request);
    if (owner !== undefined) ioctl(fd, TUNSETOWNER, owner);
    if (group !== undefined) ioctl(fd, TUNSETGROUP, group);
    ioctl(fd, TUNSETPERSIST, 1);
  } finally {
    closeFile(fd);
  }
}
