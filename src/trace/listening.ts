/** Who listens in a network namespace, from /proc/net/tcp and tcp6. @see proc(5), linux/net/ipv4/tcp_ipv4.c get_tcp4_sock */

import { formatIpBytes } from "../core/ip.ts";

/** TCP_LISTEN. @see linux/net/tcp_states.h */
const LISTEN = "0A";

/** Whether a socket of this table takes connections to an address and port. Any address is "0.0.0.0" or "::". */
export function isListening(table: string, address: string, port: number): boolean {
  return table.split("\n").some((line) => {
    const [, local = "", , state] = line.trim().split(/\s+/);
    if (state !== LISTEN) return false;
    const [host = "", hexPort = ""] = local.split(":");
    if (Number.parseInt(hexPort, 16) !== port) return false;
    const bound = decodeAddress(host);
    return bound === address || bound === "::" || (bound === "0.0.0.0" && !address.includes(":"));
  });
}

/** Words of four bytes, each in the order of this machine, which is little-endian wherever this program runs. */
function decodeAddress(hex: string): string {
  const bytes = new Uint8Array(hex.length / 2);
  for (let i = 0; i < bytes.length; i++) {
    const at = (i & ~3) + 3 - (i & 3);
    bytes[i] = Number.parseInt(hex.slice(2 * at, 2 * at + 2), 16);
  }
  return formatIpBytes(bytes);
}
