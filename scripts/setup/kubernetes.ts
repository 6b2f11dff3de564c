/**
 * Kubernetes itself and CoreDNS, built by the Go toolchain from the public modules; in the cache.
 *
 * All programs of k8s.io/kubernetes are main packages of one module, so a go.mod that names them as its tools is all the
 * source there is. Kubernetes' own go.mod takes parts of itself from folders beside it, which a module has not; they are
 * published as modules of their own, whose version follows from its own: v0.34.4 for v1.34.4. All else it gets in the
 * versions that it was released with, and so does CoreDNS: one build of all programs then compiles each package once.
 */

import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
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
const COREDNS_VERSION = "v1.14.0";
const COREDNS_MAIN = join(import.meta.dir, "../../test/kubernetes/coredns/main.go");

/** What Kubernetes' own scripts set; without its version no apiserver takes a kubelet for one that it knows. */
const LINKED = { gitVersion: VERSION, gitMajor: "1", gitMinor: VERSION.split(".")[1] ?? "" };
const LINKER = Object.entries(LINKED).map(([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`);
/** Nothing is made for debuggers: neither by the compiler nor by the linker. */
const BUILD = ["build", "-trimpath", "-gcflags=all=-dwarf=false", "-ldflags", ["-s -w", ...LINKER].join(" ")];
const PACKAGES = ["./coredns", "tool"];

/** How long the build may take on a busy machine with nothing built yet, in milliseconds. */
const BUILD_MS = 3_600_000;
/** How often it is told how far the build is, in milliseconds. */
const PROGRESS_MS = 15_000;

/** The folder of the programs; or in words why there is none: they cannot be had here, or they ought to be and are not. */
export type Kubernetes = { readonly folder: string } | { readonly problem: string; readonly isFailure: boolean };

/** Finds the programs in the cache, or builds them there. */
export async function findKubernetes(cache: string, say: (line: string) => void): Promise<Kubernetes> {
  const main = readFileSync(COREDNS_MAIN, "utf8");
  const recipe = Bun.hash([goMod([], []), main, ...BUILD, ...PACKAGES].join("\n")).toString(36);
  const folder = join(cache, "kubernetes", `${VERSION}-${recipe}`);
  if (existsSync(folder)) return { folder };
  const go = Bun.which("go");
  if (go === null) return { problem: "Kubernetes is built by Go, which is not installed", isFailure: false };
  say(`Building Kubernetes ${VERSION} and CoreDNS ${COREDNS_VERSION} with Go (once; some minutes) …`);
  const work = `${folder}.${process.pid}`;
  try {
    const failure = await build(go, work, say);
    if (failure !== undefined) return failure;
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
async function build(
  go: string,
  work: string,
  say: (line: string) => void,
): Promise<{ readonly problem: string; readonly isFailure: boolean } | undefined> {
  const [source, programs] = [join(work, "source"), join(work, "bin")];
  for (const path of [join(source, "coredns"), programs]) mkdirSync(path, { recursive: true });
  const run = (args: readonly string[], onLine?: (line: string) => void) => runGo(go, source, args, onLine);
  // What takes the modules from where they are published; a machine that cannot has no Kubernetes.
  const module = await run(["list", "-m", "-f", "{{.GoMod}}", `${MODULE}@${VERSION}`]);
  if (module.problem !== undefined) return { problem: module.problem, isFailure: false };
  const own = readFileSync(module.output.trim(), "utf8");
  const staging = own.matchAll(/^\s*(\S+) => \.\/staging\//gm);
  const required = own.matchAll(/^\t(\S+) (v(?!0\.0\.0\b(?!-))\S+)/gm);
  writeFileSync(
    join(source, "go.mod"),
    goMod(
      [...staging].map(([, name = ""]) => name),
      [...required].map(([, name = "", version = ""]) => [name, version] as const),
    ),
  );
  copyFileSync(COREDNS_MAIN, join(source, "coredns/main.go"));
  say("  the modules …");
  const packages = await run(["list", "-deps", ...PACKAGES]);
  if (packages.problem !== undefined) return { problem: packages.problem, isFailure: false };
  const all = packages.output.trim().split("\n").length;
  let compiled = 0;
  const progress = setInterval(() => say(`  ${compiled} of at most ${all} packages compiled …`), PROGRESS_MS);
  try {
    const { problem } = await run([...BUILD, "-v", "-o", `${programs}/`, ...PACKAGES], () => {
      compiled++;
    });
    return problem === undefined ? undefined : { problem, isFailure: true };
  } finally {
    clearInterval(progress);
  }
}

/** Runs the toolchain. `onLine` is told of each line that it writes to its standard error. */
async function runGo(
  go: string,
  source: string,
  args: readonly string[],
  onLine: (line: string) => void = () => {},
): Promise<{ readonly output: string; readonly problem?: string }> {
  // The tests' images have no libraries. The machine's other work goes first.
  const child = Bun.spawn(["nice", "-n", "10", go, ...args], {
    cwd: source,
    env: { ...process.env, CGO_ENABLED: "0", GOFLAGS: "-mod=mod", GOWORK: "off" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: BUILD_MS,
  });
  const output = new Response(child.stdout).text();
  const said: string[] = [];
  let rest = "";
  const decoder = new TextDecoder();
  for await (const bytes of child.stderr) {
    const lines = `${rest}${decoder.decode(bytes, { stream: true })}`.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      said.push(line);
      onLine(line);
    }
  }
  if ((await child.exited) === 0) return { output: await output };
  const last = [...said, rest].filter((line) => line !== "").slice(-3);
  const end = child.signalCode === null ? `exit status ${child.exitCode}` : `ended by ${child.signalCode}`;
  return { output: "", problem: `go ${args[0]}: ${[...last, end].join("; ")}` };
}

/** `required` are the modules that Kubernetes needs, with their versions; `staging` those that are parts of itself. */
function goMod(staging: readonly string[], required: readonly (readonly [name: string, version: string])[]): string {
  const published = VERSION.replace("v1.", "v0.");
  return [
    "module tendril.dev/kubernetes",
    "go 1.24.0",
    // The programs behave as those that Kubernetes releases, not as the toolchain at hand would have it.
    "godebug default=go1.24",
    ...TOOLS.map((tool) => `tool ${MODULE}/${tool}`),
    `require ${MODULE} ${VERSION}`,
    `require ${COREDNS} ${COREDNS_VERSION}`,
    ...staging.map((name) => `replace ${name} => ${name} ${published}`),
    ...required.map(([name, version]) => `replace ${name} => ${name} ${version}`),
    "",
  ].join("\n");
}
