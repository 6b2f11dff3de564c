/** The payload of a probe: by it a packet is known wherever it is seen, also after NAT has changed all its headers. */

const MARK = new TextEncoder().encode("tendril-probe");

export const TOKEN_SIZE = MARK.length + 8;

/** One number for all probes of this process, so that those of an earlier test are not taken for its own. */
const run = once(() => crypto.getRandomValues(new Uint32Array(1))[0] as number);

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

export function makeToken(probe: number): Uint8Array {
  const token = new Uint8Array(TOKEN_SIZE);
  token.set(MARK);
  const view = new DataView(token.buffer, MARK.length);
  view.setUint32(0, run());
  view.setUint32(4, probe);
  return token;
}

/** The number of the probe whose token the bytes are; undefined when they are none of this process. */
export function parseToken(bytes: Uint8Array): number | undefined {
  if (bytes.length < TOKEN_SIZE || !MARK.every((byte, i) => bytes[i] === byte)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + MARK.length, 8);
  return view.getUint32(0) === run() ? view.getUint32(4) : undefined;
}
