/**
 * Names that the reference plugins choose, for what they made before a change-over to ours, and for ours that they are
 * to find after one back.
 */

/** The ifb of an attachment's network and container: `bwp` and 48 bits of a hash. It leaves out the interface. */
export function referenceIfbName(network: string, containerId: string): string {
  return `bwp${new Bun.CryptoHasher("sha512")
    .update(network + containerId)
    .digest("hex")
    .slice(0, 12)}`;
}
