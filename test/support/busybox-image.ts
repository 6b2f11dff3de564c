/** An image with busybox alone, as an archive that container runtimes import. */

import { readFileSync } from "node:fs";

/**
 * An image archive in the form of `docker save`: one layer with busybox under /bin and links to it. It runs until it is
 * told to end.
 * @see https://github.com/moby/docker-image-spec/blob/main/spec.md
 */
export async function busyboxImage(name: string, busybox: string): Promise<Uint8Array> {
  const applets = ["sh", "sleep", "ping", "nc", "ip", "cat", "echo"];
  const layer = tar([
    { path: "bin/busybox", mode: 0o755, content: readFileSync(busybox) },
    ...applets.map((applet) => ({ path: `bin/${applet}`, mode: 0o777, link: "busybox" })),
    { path: "etc/passwd", mode: 0o644, content: Buffer.from("root:x:0:0:root:/:/bin/sh\n") },
  ]);
  const sha256 = (bytes: Uint8Array) => new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
  const config = Buffer.from(
    JSON.stringify({
      architecture: process.arch === "arm64" ? "arm64" : "amd64",
      os: "linux",
      config: { Cmd: ["/bin/sleep", "1000000"], Env: ["PATH=/bin"] },
      rootfs: { type: "layers", diff_ids: [`sha256:${sha256(layer)}`] },
    }),
  );
  const configName = `${sha256(config)}.json`;
  const manifest = [{ Config: configName, RepoTags: [name], Layers: ["layer.tar"] }];
  return tar([
    { path: configName, mode: 0o644, content: config },
    { path: "layer.tar", mode: 0o644, content: layer },
    { path: "manifest.json", mode: 0o644, content: Buffer.from(JSON.stringify(manifest)) },
  ]);
}

interface Entry {
  readonly path: string;
  readonly mode: number;
  readonly content?: Uint8Array;
  /** Where a symbolic link points to. */
  readonly link?: string;
}

const BLOCK = 512;

/** @see https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html ustar Interchange Format */
function tar(entries: readonly Entry[]): Uint8Array {
  const blocks = entries.flatMap(({ path, mode, content = new Uint8Array(), link }) => {
    const header = Buffer.alloc(BLOCK);
    const octal = (value: number, digits: number) => value.toString(8).padStart(digits, "0");
    header.write(path, 0);
    header.write(octal(mode, 7), 100);
    header.write(octal(0, 7), 108);
    header.write(octal(0, 7), 116);
    header.write(octal(content.length, 11), 124);
    header.write(octal(0, 11), 136);
    header.write(link === undefined ? "0" : "2", 156);
    header.write(link ?? "", 157);
    header.write("ustar\u000000", 257);
    // The checksum is taken with blanks in its own place.
    header.fill(" ", 148, 156);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${octal(sum, 6)}\0 `, 148);
    return [header, content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]);
}
