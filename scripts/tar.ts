/** Archives in the form of tar(5), the same bytes for the same entries: without times, and all of it root's. */

/** A file, a symbolic link, or a folder. */
export interface TarEntry {
  /** At most 100 bytes. */
  readonly path: string;
  readonly mode: number;
  readonly content?: Uint8Array;
  /** Where a symbolic link points to. */
  readonly link?: string;
  readonly isFolder?: boolean;
}

const BLOCK = 512;
const LONGEST = 100;

/**
 * An archive of the entries in their order. Throws TypeError for a path that is too long for it.
 * @see https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html ustar Interchange Format
 */
export function tar(entries: readonly TarEntry[]): Uint8Array<ArrayBuffer> {
  const blocks = entries.flatMap((entry) => {
    const { content = new Uint8Array() } = entry;
    return [header(entry, content.length), content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]);
}

function header({ path, mode, link, isFolder = false }: TarEntry, length: number): Uint8Array {
  for (const name of [path, link ?? ""]) {
    if (Buffer.byteLength(name) > LONGEST) throw new TypeError(`"${name}" is too long for an archive`);
  }
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, "0");
  block.write(path, 0);
  block.write(octal(mode, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(length, 11), 124);
  block.write(octal(0, 11), 136);
  block.write(isFolder ? "5" : link === undefined ? "0" : "2", 156);
  block.write(link ?? "", 157);
  block.write("ustar\u000000", 257);
  // The checksum is taken with blanks in its own place.
  block.fill(" ", 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${octal(sum, 6)}\0 `, 148);
  return block;
}
