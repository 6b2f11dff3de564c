/** An image with busybox alone, as an archive that container runtimes import. */

import { readFileSync } from "node:fs";
import { type ImageFile, imageArchive } from "./image-archive.ts";

/** An archive of an image with busybox under /bin and links to it. It runs until it is told to end. */
export async function busyboxImage(name: string, busybox: string): Promise<Uint8Array> {
  const applets = ["sh", "sleep", "ping", "nc", "ip", "cat", "echo"];
  return imageArchive([{ name, files: busyboxFiles(busybox, applets), command: ["/bin/sleep", "1000000"] }]);
}

/** busybox, links to it for some of its applets, and the one user. */
export function busyboxFiles(busybox: string, applets: readonly string[]): ImageFile[] {
  return [
    { path: "bin/busybox", mode: 0o755, content: readFileSync(busybox) },
    ...applets.map((applet) => ({ path: `bin/${applet}`, mode: 0o777, link: "busybox" })),
    { path: "etc/passwd", mode: 0o644, content: Buffer.from("root:x:0:0:root:/:/bin/sh\n") },
  ];
}
