/**
 * Kubernetes itself and what belongs to it, built by the Go toolchain from the public modules; in the cache.
 *
 * All programs of k8s.io/kubernetes are main packages of one module, so a go.mod that names them as its tools is all the
 * source there is. Kubernetes' own go.mod takes parts of itself from folders beside it, which a module has not; they are
 * published as modules of their own, whose version follows from its own: v0.34.4 for v1.34.4.
 */

import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const MODULE = "k8s.io/kubernetes";
const VERSION = "v1.34.4";
const TOOLS = [
  ...["kube-apiserver", "kubectl", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"].map(
    (name) => `cmd/${name}`,
  ),
  "test/images/agnhost",
];
const COREDNS = "github.com/coredns/coredns";
const COREDNS_VERSION = "v1.15.0";

/** What Kubernetes' own scripts set; without its version no apiserver takes a kubelet for one that it knows. */
const LINKED = { gitVersion: VERSION, gitMajor: "1", gitMinor: VERSION.split(".")[1] ?? "" };
const LINKER = Object.entries(LINKED).map(([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`);
const BUILD = ["build", "-trimpath", "-ldflags", ["-s -w", ...LINKER].join(" ")];

/** How long one program may take on a busy machine with nothing built yet, in milliseconds. */
const BUILD_MS = 1_800_000;

export type Kubernetes = { readonly folder: string } | { readonly problem: string };

export interface Finding {
  /** Whether what is not there is built, which takes longer than all tests together. */
  readonly build: boolean;
}

/** The folder of the programs, or in words why there is none. */
export function findKubernetes(cache: string, say: (line: string) => void, { build: mayBuild }: Finding): Kubernetes {
  const go = Bun.which("go");
  const recipe = Bun.hash([goMod([]), COREDNS_VERSION, ...BUILD].join("\n")).toString(36);
  const folder = join(cache, "kubernetes", `${VERSION}-${recipe}`);
  if (existsSync(folder)) return { folder };
  if (go === null) return { problem: "Kubernetes is built by Go, which is not installed" };
  if (!mayBuild) return { problem: "Kubernetes is not built yet: npm run test:kubernetes builds it, once" };
  say(`Building Kubernetes ${VERSION} and CoreDNS ${COREDNS_VERSION} with Go (once; 5 to 20 minutes) …`);
  const work = `${folder}.${process.pid}`;
  try {
    const problem = build(go, work, say);
    if (problem !== undefined) return { problem };
    try {
      renameSync(join(work, "bin"), folder);
    } catch (error) {
      // Another run was faster; what it made is as good.
      if (!existsSync(folder)) throw error;
    }
    return { folder };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Builds all of it below the folder. Returns what went wrong. */
function build(go: string, work: string, say: (line: string) => void): string | undefined {
  const [source, programs] = [join(work, "source"), join(work, "bin")];
  for (const path of [source, programs]) mkdirSync(path, { recursive: true });
  const run = (args: readonly string[], env = {}): { readonly output: string; readonly problem?: string } => {
    // The tests' images have no libraries. The machine's other work goes first.
    const { exitCode, stdout, stderr } = Bun.spawnSync(["nice", "-n", "10", go, ...args], {
      cwd: source,
      env: { ...process.env, CGO_ENABLED: "0", GOFLAGS: "", ...env },
      stdin: "ignore",
      timeout: BUILD_MS,
    });
    if (exitCode === 0) return { output: stdout.toString() };
    const said = stderr.toString().trim().split("\n").slice(-3).join("; ");
    return { output: "", problem: `go ${args[0]} ${args.at(-1)}: ${said || `exit status ${exitCode}`}` };
  };
  const module = run(["list", "-m", "-f", "{{.GoMod}}", `${MODULE}@${VERSION}`]);
  if (module.problem !== undefined) return module.problem;
  const staging = readFileSync(module.output.trim(), "utf8").matchAll(/^\s*(\S+) => \.\/staging\//gm);
  writeFileSync(join(source, "go.mod"), goMod([...staging].map(([, name = ""]) => name)));
  const tidy = run(["mod", "tidy"]);
  if (tidy.problem !== undefined) return tidy.problem;
  for (const tool of TOOLS) {
    say(`  ${nameOf(tool)} …`);
    const { problem } = run([...BUILD, "-o", `${programs}/`, `${MODULE}/${tool}`]);
    if (problem !== undefined) return problem;
  }
  say("  coredns …");
  const install = ["install", "-trimpath", "-ldflags", "-s -w", `${COREDNS}@${COREDNS_VERSION}`];
  return run(install, { GOBIN: programs }).problem;
}

function goMod(staging: readonly string[]): string {
  const published = VERSION.replace("v1.", "v0.");
  return [
    "module tendril.dev/kubernetes",
    "go 1.24.0",
    // The programs behave as those that Kubernetes releases, not as the toolchain at hand would have it.
    "godebug default=go1.24",
    ...TOOLS.map((tool) => `tool ${MODULE}/${tool}`),
    `require ${MODULE} ${VERSION}`,
    ...staging.map((name) => `replace ${name} => ${name} ${published}`),
    "",
  ].join("\n");
}

function nameOf(tool: string): string {
  return tool.split("/").at(-1) ?? tool;
}
