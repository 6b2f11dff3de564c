/**
 * The demo: builds dist/tendril, makes a cluster of three nodes in network namespaces with it, shows who reaches whom,
 * one pod's way and one throughput figure, and takes everything down. `--keep` leaves the cluster up.
 */

import { join } from "node:path";

const root = join(import.meta.dir, "..");
const tendril = join(root, "dist/tendril");
const LAB = "demo";

const keep = process.argv.slice(2).includes("--keep");
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

/** Whether all of it came out as it should. */
async function show(): Promise<boolean> {
  const up = await chapter("A cluster of three nodes; the CNI plugin is executed for each pod", () =>
    lab("up", "--lab", LAB, "--plugins", join(root, "dist/cni")),
  );
  if (!up) return false;
  const reached = await chapter("Who reaches whom: real packets from everybody to everybody", () =>
    lab("test", "--lab", LAB),
  );
  const path = await chapter("One pod's way", () => lab("path", "--lab", LAB, "node1/web", "node3/web"));
  const figure = await chapter("Throughput, from pod to pod across the router", () =>
    lab("throughput", "--lab", LAB, "node1/web", "node3/web"),
  );
  return reached && path && figure;
}

async function main(): Promise<number> {
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
  let good = false;
  try {
    good = await show();
  } finally {
    if (!keep || interrupted) takeDown();
  }
  say();
  if (interrupted) {
    say(`Interrupted after ${seconds()} s; nothing is left.`);
    return 130;
  }
  if (keep && state() !== undefined) sayHowToLookAround();
  say(bold(good ? `All as expected, in ${seconds()} s.` : `Not all is as expected (${seconds()} s).`));
  return good ? 0 : 1;
}

function sayHowToLookAround(): void {
  say(bold("The cluster stays up. To look around:"));
  say();
  say("  dist/tendril lab exec node1/web -- sh          a shell in a pod");
  say("  dist/tendril lab exec node1 -- ip route        a command on a node");
  say("  dist/tendril lab status                        what there is, and whether it is whole");
  say("  dist/tendril lab test                          the table again, after you have changed something");
  say();
  say("To take it down:");
  say();
  say(`  dist/tendril lab down --lab ${LAB}`);
  say();
}

process.exit(await main());
