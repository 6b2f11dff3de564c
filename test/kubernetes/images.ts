/** The images of a test cluster's pods. They are under names of our own: nothing is fetched from a registry. */

import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { busyboxFiles } from "../support/busybox-image.ts";
import { type Image, type ImageFile, imageArchive } from "../support/image-archive.ts";

/** What holds a pod's namespaces. */
export const PAUSE = "tendril.test/pause:1";
/** The tests' server and client, with busybox. @see https://pkg.go.dev/k8s.io/kubernetes/test/images/agnhost */
export const AGNHOST = "tendril.test/agnhost:1";
export const COREDNS = "tendril.test/coredns:1";

/** The path of an archive of all images, made beside the programs once. */
export function imagesArchive(programs: string): string {
  const busybox = Bun.which("busybox") ?? "";
  const applets = Bun.spawnSync([busybox, "--list"]).stdout.toString().trim().split("\n");
  const linked = applets.filter((applet) => applet !== "busybox");
  const shell = (links: readonly string[]) => busyboxFiles(busybox, links);
  const program = (name: string): ImageFile => ({
    path: name,
    mode: 0o755,
    content: readFileSync(join(programs, name)),
  });
  const images = (): Image[] => [
    { name: PAUSE, files: shell(["sleep"]), command: ["/bin/sleep", "2147483647"] },
    { name: AGNHOST, files: [...shell(linked), program("agnhost")], entrypoint: ["/agnhost"], command: ["pause"] },
    { name: COREDNS, files: [program("coredns")], entrypoint: ["/coredns"], command: [] },
  ];
  // What it says of the images stands for them.
  const path = join(programs, `images-${Bun.hash([String(images), ...applets].join()).toString(36)}.tar`);
  if (existsSync(path)) return path;
  // Whole or not at all.
  const work = `${path}.${process.pid}`;
  writeFileSync(work, imageArchive(images()));
  renameSync(work, path);
  return path;
}
