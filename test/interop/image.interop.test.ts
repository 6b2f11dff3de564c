/** The image, in a real container runtime. */

import { describe, expect } from "bun:test";
import { join } from "node:path";
import { imageOf } from "../../scripts/image.ts";
import { DEFAULT_IMAGE } from "../../src/cli/manifest/options.ts";
import { testCgroup } from "../support/cgroups.ts";
import { containerdVersions, startContainerd } from "../support/containerd.ts";
import { testHost } from "../support/host.ts";
import { needs, program, root } from "../support/needs.ts";
import { built, ourPlugins, staticBusybox } from "../support/programs.ts";
import { expectNothingLeft } from "../support/snapshot.ts";

const network = { cniVersion: "1.0.0", name: "none", plugins: [{ type: "loopback" }] };
const programs = [program("runc"), program("ldd")];

for (const version of containerdVersions) {
  describe(`the image in ${version.title}`, () => {
    const theHost = testHost();
    const cgroup = testCgroup();
    needs(
      root,
      built,
      version.need,
      staticBusybox,
      ...programs,
    )("runs the program with a read-only root", async () => {
      const host = await theHost();
      const { ctr, cri } = await startContainerd(host, { version, plugins: ourPlugins, network, cgroup });
      try {
        await Bun.write(`${host.root}/run/tendril-image.tar`, imageOf(join(ourPlugins, "../tendril")));
        ctr("images", "import", "/run/tendril-image.tar");
        expect(ctr("images", "list", "--quiet").split("\n")).toContain(DEFAULT_IMAGE);
        const run = ["run", "--rm", "--read-only", "--net-host", "--cgroup", `/${cgroup}/image`];
        expect(ctr(...run, DEFAULT_IMAGE, "help", "/usr/bin/tendril", "--help")).toContain("Usage: tendril");
      } finally {
        cri.close();
      }
    });
  });
}

expectNothingLeft();
