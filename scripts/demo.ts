/**
 * The demo: builds dist/tendril, makes a cluster of three nodes in network namespaces with it, shows who reaches whom,
 * one pod's way and one throughput figure, and takes everything down. `--mode MODE` has packets get to other nodes in
 * another way than by VXLAN, `--keep` leaves the cluster up.
 */

import { join } from "node:path";
import { parseArgs } from "node:util";

const root = join(import.meta.dir, "..");
const tendril = join(root, "dist/tendril");
const LAB = "demo";

/** What is shown of a mode: a topology in which it is at home, and the pod to which the way is followed. */
interface Shown {
  /** How packets get to other nodes. */
  readonly about: string;
  readonly example: string;
  readonly to: string;
}

const MODES: Readonly<Record<string, Shown>> = {
  vxlan: { about: "in VXLAN tunnels across the router, directly within a subnet", example: "default", to: "node3/web" },
  ipip: { about: "in IPIP tunnels across the router, directly within a subnet", example: "default", to: "node3/web" },
  "host-gw": { about: "directly: all nodes are on one link", example: "flat", to: "node3/web" },
  bgp: { about: "by routes that the nodes and the router tell each other by BGP", example: "routed", to: "node4/web" },
  none: { about: "by static routes, without agents", example: "static", to: "node3/web" },
};
const FROM = "node1/web";

const { values: options } = parseArgs({
  options: { keep: { type: "boolean", default: false }, mode: { type: "string", default: "vxlan" } },
});
const { keep, mode } = options;
const bold = (text: string) => (process.stdout.isTTY ? `\u001b[1m${text}\u001b[0m` : text);
const say = (text = "") => console.log(text);

/** The terminal sends Ctrl-C to the running command too; here it is only noted. */
let interrupted = false;
let running: Bun.Subprocess | undefined;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    interrupted = true;
    running?.kill(signal);
  });
}

/** Runs a verb of `tendril lab` with this terminal. Returns its exit status; does nothing once interrupted. */
async function lab(...words: string[]): Promise<number> {
  if (interrupted) return 130;
  running = Bun.spawn([tendril, "lab", ...words], { stdin: "ignore", stdout: "inherit", stderr: "inherit" });
  const status = await running.exited;
  running = undefined;
  return status;
}

/** What there is of the demo's lab: `up`, `broken` or `half-finished`; undefined for nothing. */
function state(): string | undefined {
  const { stdout } = Bun.spawnSync([tendril, "lab", "status", "-o", "json"], { stdin: "ignore", stderr: "inherit" });
  const labs = JSON.parse(stdout.toString()) as { name: string; state: string }[];
  return labs.find(({ name }) => name === LAB)?.state;
}

function takeDown(): void {
  if (state() === undefined) return;
  say();
  say(bold("Taking it down"));
  say();
  Bun.spawnSync([tendril, "lab", "down", "--lab", LAB], { stdin: "ignore", stdout: "inherit", stderr: "inherit" });
}

async function build(): Promise<boolean> {
  const start = performance.now();
  running = Bun.spawn([process.execPath, join(import.meta.dir, "build.ts")], {
    cwd: root,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "inherit",
  });
  const ok = (await running.exited) === 0;
  running = undefined;
  if (ok) say(`  ✔ dist/tendril and dist/cni, in ${((performance.now() - start) / 1000).toFixed(1)} s`);
  return ok;
}

async function chapter(title: string, work: () => Promise<number | boolean>): Promise<boolean> {
  if (interrupted) return false;
  say();
  say(bold(title));
  say();
  const outcome = await work();
  return outcome === 0 || outcome === true;
}

/** What came of it, in words; undefined when all is as it should be. */
async function show(shown: Shown): Promise<string | undefined> {
  const { about, example, to } = shown;
  const plugins = ["--plugins", join(root, "dist/cni")];
  const up = await chapter(`A cluster, mode ${mode}: packets get to other nodes ${about}`, () =>
    lab("up", "--lab", LAB, "--example", example, "--mode", mode, ...plugins),
  );
  if (!up) return `The cluster of mode ${mode} did not come up; what kept it from that stands above`;
  const reached = await chapter("Who reaches whom: real packets from everybody to everybody", () =>
    lab("test", "--lab", LAB),
  );
  const path = await chapter("One pod's way", () => lab("path", "--lab", LAB, FROM, to));
  const figure = await chapter("Throughput, from pod to pod on the farthest nodes", () =>
    lab("throughput", "--lab", LAB, FROM, to),
  );
  return reached && path && figure ? undefined : "Not all is as expected";
}

async function main(): Promise<number> {
  const shown = MODES[mode];
  if (shown === undefined) {
    console.error(`There is no mode "${mode}"; there are ${Object.keys(MODES).join(", ")}.`);
    return 1;
  }
  const start = performance.now();
  const seconds = () => ((performance.now() - start) / 1000).toFixed(1);
  if (process.getuid?.() !== 0) {
    console.error("The demo makes network namespaces, which needs root: sudo npm run demo");
    return 1;
  }
  if (!(await chapter("Building", build))) return interrupted ? 130 : 1;
  const before = state();
  if (before === "up" || before === "broken") {
    console.error(`\nThe demo's cluster is up already. \`dist/tendril lab down --lab ${LAB}\` takes it down.`);
    return 1;
  }
  // What a demo has left that was killed is of no use to anybody.
  if (before !== undefined) takeDown();
  let problem: string | undefined;
  try {
    problem = await show(shown);
  } finally {
    if (!keep || interrupted) takeDown();
  }
  say();
  if (interrupted) {
    say(`Interrupted after ${seconds()} s; nothing is left.`);
    return 130;
  }
  if (keep && state() !== undefined) sayHowToLookAround();
  say(bold(problem === undefined ? `All as expected, in ${seconds()} s.` : `${problem} (${seconds()} s).`));
  return problem === undefined ? 0 : 1;
}

function sayHowToLookAround(): void {
  say(bold("The cluster stays up. To look around:"));
  say();
  say("  dist/tendril lab exec node1/web -- sh          a shell in a pod");
  say("  dist/tendril lab exec node1 -- ip route        a command on a node");
  say("  dist/tendril lab status                        what there is, and whether it is whole");
  say("  dist/tendril lab test                          the table again, after you have changed something");
  if (mode !== "none")
    say("  dist/tendril lab test --scenario all           nodes die, agents are killed, the store goes away");
  say();
  say("To take it down:");
  say();
  say(`  dist/tendril lab down --lab ${LAB}`);
  say();
}

process.exit(await main());
