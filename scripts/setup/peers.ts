/**
 * The real peers: the reference plugins and libcni's cnitool, built by the Go toolchain, or of the distribution where
 * that is missing. They are kept in a folder that git ignores.
 */

import { existsSync, mkdirSync } from "node:fs";
import { basename, join } from "node:path";

const PLUGINS = "github.com/containernetworking/plugins/plugins";
const PLUGINS_VERSION = "v1.9.1";
const CNITOOL = "github.com/containernetworking/cni/cnitool";
const CNITOOL_VERSION = "v1.3.1";

const NAMES = [
  ...["bridge", "dummy", "host-device", "ipvlan", "loopback", "macvlan", "ptp", "tap", "vlan"].map((n) => `main/${n}`),
  ...["host-local", "static"].map((n) => `ipam/${n}`),
  ...["bandwidth", "firewall", "portmap", "sbr", "tuning", "vrf"].map((n) => `meta/${n}`),
];

const DEBIAN_FOLDER = "/usr/lib/cni";

export interface Peers {
  /** The folder of the reference plugins. */
  readonly plugins: string | undefined;
  readonly cnitool: string | undefined;
  /** Which they are, or why they are not there. */
  readonly about: string;
}

/** Finds the peers, building them where that has not been done. */
export function findPeers(cache: string, say: (line: string) => void): Peers {
  const folder = join(cache, `peers-${PLUGINS_VERSION}-${CNITOOL_VERSION}`);
  const wanted = [
    ...NAMES.map((name) => ({ module: `${PLUGINS}/${name}@${PLUGINS_VERSION}`, file: basename(name) })),
    { module: `${CNITOOL}@${CNITOOL_VERSION}`, file: "cnitool" },
  ];
  const missing = wanted.filter(({ file }) => !existsSync(join(folder, file)));
  const go = Bun.which("go");
  if (missing.length > 0 && go !== null) {
    say(`Building the reference plugins ${PLUGINS_VERSION} and cnitool ${CNITOOL_VERSION} with Go (once) …`);
    mkdirSync(folder, { recursive: true });
    // One call takes packages of one module only.
    for (const prefix of [PLUGINS, CNITOOL]) {
      const modules = missing.map(({ module }) => module).filter((module) => module.startsWith(prefix));
      if (modules.length > 0) install(go, modules, folder);
    }
  }
  if (wanted.every(({ file }) => existsSync(join(folder, file)))) {
    const about = `the reference plugins ${PLUGINS_VERSION} and cnitool ${CNITOOL_VERSION}`;
    return { plugins: folder, cnitool: join(folder, "cnitool"), about };
  }
  const reason = go === null ? "Go is not installed" : "Go could not build them";
  if (existsSync(join(DEBIAN_FOLDER, "bridge"))) {
    return { plugins: DEBIAN_FOLDER, cnitool: undefined, about: `the distribution's reference plugins (${reason})` };
  }
  return { plugins: undefined, cnitool: undefined, about: reason };
}

function install(go: string, modules: readonly string[], folder: string): void {
  Bun.spawnSync([go, "install", ...modules], {
    env: { ...process.env, GOBIN: folder, CGO_ENABLED: "0" },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "inherit",
    timeout: 600_000,
  });
}
