import { describe, expect, test } from "bun:test";
import { type OciImage, ociArchive } from "./oci-image.ts";

const image: OciImage = {
  name: "example.com/web:1",
  architecture: "amd64",
  files: [
    { path: "usr/bin/web", mode: 0o755, content: Buffer.from("program") },
    { path: "etc/passwd", mode: 0o644, content: Buffer.from("root:x:0:0:root:/:/bin/sh\n") },
    { path: "var/run", mode: 0o777, link: "../run" },
  ],
  entrypoint: ["/usr/bin/web"],
  labels: { title: "web" },
};

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

async function filesOf(archive: Uint8Array): Promise<Map<string, Uint8Array>> {
  const files = await new Bun.Archive(archive).files();
  return new Map(await Promise.all([...files].map(async ([path, file]) => [path, await file.bytes()] as const)));
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`;
}

describe("an image's archive", () => {
  test("leads from the index to the layer, by digests and sizes that are those of the content", async () => {
    const files = await filesOf(ociArchive(image));
    const json = (bytes: Uint8Array | undefined) => JSON.parse(Buffer.from(bytes ?? []).toString());
    const follow = ({ digest, size }: Descriptor): Uint8Array => {
      const bytes = files.get(`blobs/${digest.replace(":", "/")}`) ?? new Uint8Array();
      expect(digestOf(bytes)).toBe(digest);
      expect(bytes.length).toBe(size);
      return bytes;
    };
    expect(json(files.get("oci-layout"))).toEqual({ imageLayoutVersion: "1.0.0" });
    const [described] = json(files.get("index.json")).manifests as Descriptor[];
    expect(described?.annotations?.["io.containerd.image.name"]).toBe("example.com/web:1");
    const manifest = json(follow(described as Descriptor)) as { config: Descriptor; layers: Descriptor[] };
    const config = json(follow(manifest.config));
    expect(config.config.Entrypoint).toEqual(["/usr/bin/web"]);
    expect(config.architecture).toBe("amd64");
    const [layer] = manifest.layers;
    const unpacked = Bun.gunzipSync(Buffer.from(follow(layer as Descriptor)));
    expect(config.rootfs.diff_ids).toEqual([digestOf(unpacked)]);
    const content = await filesOf(unpacked);
    expect(Buffer.from(content.get("usr/bin/web") ?? []).toString()).toBe("program");
  });

  test("has each folder before what is in it", () => {
    const { stdout } = Bun.spawnSync(["tar", "-tvf", "-"], { stdin: layerOf(ociArchive(image)) });
    const lines = stdout.toString().trim().split("\n");
    expect(lines.map((line) => line.split(/\s+/).slice(5).join(" "))).toEqual([
      "etc/",
      "etc/passwd",
      "usr/",
      "usr/bin/",
      "usr/bin/web",
      "var/",
      "var/run -> ../run",
    ]);
    for (const line of lines) expect(line).toMatch(/ 0\/0 .* 1970-01-01 00:00 /);
  });

  test("is the same for the same files, in whatever order they are given", () => {
    const again = ociArchive({ ...image, files: image.files.toReversed() });
    expect(digestOf(again)).toBe(digestOf(ociArchive(image)));
    const other = ociArchive({ ...image, files: image.files.slice(1) });
    expect(digestOf(other)).not.toBe(digestOf(again));
  });
});

/** The unpacked layer of an archive, by the system's own tar. */
function layerOf(archive: Uint8Array): Uint8Array {
  const list = Bun.spawnSync(["tar", "-tf", "-"], { stdin: archive }).stdout.toString().trim().split("\n");
  for (const path of list.filter((name) => name.startsWith("blobs/sha256/") && !name.endsWith("/"))) {
    const { stdout } = Bun.spawnSync(["tar", "-xOf", "-", path], { stdin: archive });
    if (stdout[0] === 0x1f && stdout[1] === 0x8b) return Bun.gunzipSync(new Uint8Array(stdout));
  }
  throw new Error("no blob is a layer");
}
