/**
 * Leaves dist/tendril-image.tar: the image of the node's agent, which `ctr --namespace k8s.io images import` takes. In it
 * are the executable, BIRD for the mode bgp where this machine has it, the libraries and the loader that they need, and
 * the names of its user; no shell, no other program.
 */

import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DEFAULT_IMAGE } from "../src/cli/manifest/options.ts";
import { ociArchive } from "./oci-image.ts";
import type { TarEntry } from "./tar.ts";

const root = join(import.meta.dir, "..");
const PROGRAM = "usr/bin/tendril";

/** Where Debian has BIRD, which no user's PATH need have, and its licence. */
const BIRD = "/usr/sbin/bird";
const BIRD_LICENCE = "/usr/share/doc/bird2/copyright";

/** The archive of an image with an executable of this machine. Throws where a library of it is missing. */
export function imageOf(executable: string, name = DEFAULT_IMAGE): Uint8Array {
  const hasBird = existsSync(BIRD);
  const libraries = new Set([executable, ...(hasBird ? [BIRD] : [])].flatMap(librariesOf));
  return ociArchive({
    name,
    architecture: process.arch === "arm64" ? "arm64" : "amd64",
    files: [
      { path: PROGRAM, mode: 0o755, content: readFileSync(executable) },
      ...(hasBird ? [{ path: "usr/bin/bird", mode: 0o755, content: readFileSync(BIRD) }] : []),
      ...[BIRD_LICENCE].filter((path) => hasBird && existsSync(path)).map((path) => fileOf(path, 0o644)),
      ...[...libraries].sort().map((path) => fileOf(path, 0o755)),
      { path: "etc/passwd", mode: 0o644, content: Buffer.from("root:x:0:0:root:/:/sbin/nologin\n") },
      { path: "etc/group", mode: 0o644, content: Buffer.from("root:x:0:\n") },
      // Where hosts have it too, so that a runtime's paths of namespaces mean the same here.
      { path: "var/run", mode: 0o777, link: "../run" },
      { path: "run/", mode: 0o755, isFolder: true },
      { path: "tmp/", mode: 0o1777, isFolder: true },
    ] satisfies TarEntry[],
    entrypoint: [`/${PROGRAM}`],
    labels: {
      "org.opencontainers.image.title": "tendril",
      "org.opencontainers.image.version": name.slice(name.lastIndexOf(":") + 1),
      "org.opencontainers.image.licenses": "Apache-2.0",
    },
  });
}

/** A file of this machine, at the same place. */
function fileOf(path: string, mode: number): TarEntry {
  return { path: path.slice(1), mode, content: readFileSync(path) };
}

/** The paths of the loader and of the libraries that an executable is linked with. @see ldd(1) */
function librariesOf(executable: string): string[] {
  const { exitCode, stdout, stderr } = Bun.spawnSync(["ldd", executable]);
  if (exitCode !== 0) throw new Error(`ldd ${executable}: ${stderr}${stdout}`);
  const lines = stdout.toString().split("\n");
  const missing = lines.find((line) => line.includes("not found"));
  if (missing !== undefined) throw new Error(`A library of ${executable} is missing: ${missing.trim()}`);
  return lines.flatMap((line) => /(?:=> |^\s*)(\/\S+) \(0x/.exec(line)?.[1] ?? []);
}

if (import.meta.main) {
  const executable = join(root, "dist/tendril");
  if (!existsSync(executable)) {
    console.error("dist/tendril is missing: run `npm run build` first.");
    process.exit(1);
  }
  const path = join(root, "dist/tendril-image.tar");
  const archive = imageOf(executable);
  // Whole or not at all.
  writeFileSync(`${path}.${process.pid}`, archive);
  renameSync(`${path}.${process.pid}`, path);
  const bird = existsSync(BIRD) ? "with BIRD" : `without BIRD, which the mode bgp needs: no ${BIRD} (package bird2)`;
  console.log(`dist/tendril-image.tar with ${DEFAULT_IMAGE} (${(archive.length / 1e6).toFixed(0)} MB), ${bird}`);
}
