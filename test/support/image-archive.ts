/** Images as archives that container runtimes import, made without a container engine. */

import { type TarEntry, tar } from "../../scripts/tar.ts";

/** One file of an image, or a symbolic link. */
export type ImageFile = TarEntry;

export interface Image {
  /** With its registry and tag. */
  readonly name: string;
  readonly files: readonly ImageFile[];
  readonly command: readonly string[];
  readonly entrypoint?: readonly string[];
}

/**
 * Images of one layer each in the form of `docker save`.
 * @see https://github.com/moby/docker-image-spec/blob/main/spec.md
 */
export function imageArchive(images: readonly Image[]): Uint8Array {
  const sha256 = (bytes: Uint8Array) => new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
  const files: ImageFile[] = [];
  const manifest = images.map(({ name, files: content, command, entrypoint }) => {
    const layer = tar(content);
    const digest = sha256(layer);
    const config = Buffer.from(
      JSON.stringify({
        architecture: process.arch === "arm64" ? "arm64" : "amd64",
        os: "linux",
        config: { Cmd: command, Env: ["PATH=/bin"], ...(entrypoint === undefined ? {} : { Entrypoint: entrypoint }) },
        rootfs: { type: "layers", diff_ids: [`sha256:${digest}`] },
      }),
    );
    const [configPath, layerPath] = [`${sha256(config)}.json`, `${digest}.tar`];
    files.push({ path: configPath, mode: 0o644, content: config }, { path: layerPath, mode: 0o644, content: layer });
    return { Config: configPath, RepoTags: [name], Layers: [layerPath] };
  });
  return tar([...files, { path: "manifest.json", mode: 0o644, content: Buffer.from(JSON.stringify(manifest)) }]);
}
