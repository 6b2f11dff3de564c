/** containerd, as the kubelet drives it: sandboxes on our bridge, in a host of their own. */

import { afterAll, describe, expect } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { busyboxImage } from "../support/busybox-image.ts";
import { type Cri, connectCri, type SandboxConfig } from "../support/cri.ts";
import { type TestHost, testHost } from "../support/host.ts";
import { needs, program, root } from "../support/needs.ts";
import { built, ourPlugins } from "../support/programs.ts";
import { expectNothingLeft } from "../support/snapshot.ts";

const test = needs(root, built, program("containerd"), program("runc"), program("busybox"), program("ip"));

const theHost = testHost();
/** The parent of all control groups of this run. */
const cgroup = `tendril-test-${process.pid}`;
/** Outside of the host's namespaces, for unix sockets and big files. */
const folder = mkdtempSync(join(tmpdir(), "tendril-cri-"));
const IMAGE = "docker.io/library/tendril-test:1";
const NETWORK = "pods";

let cri: Cri | undefined;

afterAll(() => {
  cri?.close();
});
