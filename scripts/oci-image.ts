/**
 * An image of one layer as an archive in the layout of the Open Container Initiative, made without a container engine.
 * The same files give the same bytes.
 *
 * @see https://github.com/opencontainers/image-spec/blob/main/image-layout.md
 */

import { type TarEntry, tar } from "./tar.ts";

export interface OciImage {
  /** With its registry and tag: what a container runtime calls it once it has imported the archive. */
  readonly name: string;
  /** As the Go language calls processors. */
  readonly architecture: "amd64" | "arm64";
  /** Files and links; the folders that they are in need not be named. */
  readonly files: readonly TarEntry[];
  readonly entrypoint: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

const TYPE = "application/vnd.oci.image";
/** No file has a time, and the image has none either. */
const CREATED = "1970-01-01T00:00:00Z";

interface Blob {
  readonly digest: string;
  readonly bytes: Uint8Array;
}

export function ociArchive({ name, architecture, files, entrypoint, labels }: OciImage): Uint8Array {
  const layer = tar(withFolders(files));
  const compressed = blob(Bun.gzipSync(layer));
  const config = jsonBlob({
    created: CREATED,
    architecture,
    os: "linux",
    config: { Env: ["PATH=/usr/bin"], Entrypoint: entrypoint, WorkingDir: "/", Labels: labels },
    rootfs: { type: "layers", diff_ids: [digestOf(layer)] },
    history: [{ created: CREATED, comment: name }],
  });
  const manifest = jsonBlob({
    schemaVersion: 2,
    mediaType: `${TYPE}.manifest.v1+json`,
    config: described(`${TYPE}.config.v1+json`, config),
    layers: [described(`${TYPE}.layer.v1.tar+gzip`, compressed)],
  });
  const index = {
    schemaVersion: 2,
    mediaType: `${TYPE}.index.v1+json`,
    manifests: [
      {
        ...described(`${TYPE}.manifest.v1+json`, manifest),
        platform: { architecture, os: "linux" },
        annotations: {
          // containerd takes the whole name of the first, other programs of the second.
          "io.containerd.image.name": name,
          "org.opencontainers.image.ref.name": name,
        },
      },
    ],
  };
  const blobs = [config, manifest, compressed].toSorted((a, b) => (a.digest < b.digest ? -1 : 1));
  return tar([
    file("oci-layout", jsonBytes({ imageLayoutVersion: "1.0.0" })),
    file("index.json", jsonBytes(index)),
    { path: "blobs/", mode: 0o755, isFolder: true },
    { path: "blobs/sha256/", mode: 0o755, isFolder: true },
    ...blobs.map(({ digest, bytes }) => file(`blobs/${digest.replace(":", "/")}`, bytes)),
  ]);
}

function file(path: string, content: Uint8Array): TarEntry {
  return { path, mode: 0o644, content };
}

/** Sorted, each folder before what is in it. */
function withFolders(files: readonly TarEntry[]): TarEntry[] {
  const entries = new Map(files.map((entry) => [entry.path, entry]));
  for (const { path } of files) {
    for (let slash = path.indexOf("/"); slash >= 0 && slash < path.length - 1; slash = path.indexOf("/", slash + 1)) {
      const folder = path.slice(0, slash + 1);
      if (!entries.has(folder)) entries.set(folder, { path: folder, mode: 0o755, isFolder: true });
    }
  }
  return [...entries.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

function described(mediaType: string, { digest, bytes }: Blob) {
  return { mediaType, digest, size: bytes.length };
}

function jsonBlob(value: object): Blob {
  return blob(jsonBytes(value));
}

function jsonBytes(value: object): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

function blob(bytes: Uint8Array): Blob {
  return { digest: digestOf(bytes), bytes };
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`;
}
