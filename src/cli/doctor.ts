/** `tendril doctor`: what is wrong with this node, or with those of a Kubernetes cluster, and what to do. */

import { Command } from "commander";
import { VERSION } from "../agent/version.ts";
import { agentStatusIfAny } from "../cni/agent-client.ts";
import { DEFAULT_CACHE_FOLDER } from "../cni/runtime/cache.ts";
import { DEFAULT_NETWORK_FOLDER } from "../cni/runtime/network.ts";
import type { Family } from "../core/ip.ts";
import { integer, list, object, oneOf, text } from "../core/schema.ts";
import { type AgentFact, gatherFacts } from "../doctor/facts.ts";
import { CHECK_COUNT, type Finding, judge, type Severity } from "../doctor/judge.ts";
import { Agents } from "./agents.ts";
import { DEFAULT_AGENT_CONFIG, isOfKubectl, type KubeconfigChoice, withKubeconfigOptions } from "./cluster-access.ts";
import { type Format, formatDocument, isDocument, type Mark, outputOption, paint } from "./output.ts";

const HELP = `
It changes nothing. Whether a network card computes checksums of tunnels wrongly it cannot tell: where packets arrive in
tcpdump and not in a pod, try ethtool -K DEVICE tx off.

Variables:
  NETCONFPATH           folder of network configurations (${DEFAULT_NETWORK_FOLDER})
  TENDRIL_CACHE_DIR     folder of results, as libcni keeps them (${DEFAULT_CACHE_FOLDER})
  TENDRIL_RUN_DIR       folder of the agent's socket (/run/tendril)
  TENDRIL_AGENT_CONFIG  the agent's configuration (${DEFAULT_AGENT_CONFIG})

Examples:
  tendril doctor -o json
  tendril doctor --context prod --node node7`;

interface Options extends KubeconfigChoice {
  readonly output: Format;
  readonly node?: string;
}

interface Examination {
  readonly checks: number;
  readonly findings: readonly Finding[];
}

const examination = object<Examination>({
  checks: integer(0, 1000),
  findings: list(
    object<Finding>({ check: text, severity: oneOf("error", "warning", "info"), finding: text, remedy: text }),
  ),
});

export function doctorCommand(exit: (status: number) => void): Command {
  return withKubeconfigOptions(
    new Command("doctor")
      .description("look for what keeps pods of this node, or of all of a Kubernetes cluster, from being reached")
      .addOption(outputOption("table", "json", "yaml"))
      .option("--node <name>", "that node of a Kubernetes cluster, by its API server"),
  )
    .addHelpText("after", HELP)
    .action(async (options: Options) => {
      const { node } = options;
      exit(await (node !== undefined || isOfKubectl(options) ? examineNodes(options) : examineThis(options)));
    });
}

/** Returns the status to exit with: 1 for an error that was found. */
async function examineThis({ output }: Options): Promise<number> {
  const findings = judge(gatherFacts({ ...placesFrom(process.env), agent: await agentFact(), version: VERSION }));
  const value: Examination = { checks: CHECK_COUNT, findings };
  console.log(isDocument(output) ? formatDocument(value, output) : findingLines(value).join("\n"));
  return hasError(value) ? 1 : 0;
}

/** The same, of nodes whose agents' pods tell of them. */
async function examineNodes(options: Options): Promise<number> {
  const { node, output } = options;
  const agents = new Agents(options);
  try {
    const ask = (name: string) => agents.ask(name, ["doctor", "--output", "json"], examination);
    const answers = node === undefined ? await agents.each(ask) : [{ node, value: await ask(node) }];
    const shown = answers.map(({ node: name, value, error }) => ({
      node: name,
      ...(value ?? { error: error.message }),
    }));
    const lines = answers.map(({ node: name, value, error }) =>
      value === undefined
        ? [paint("bad", `Node ${name} does not tell: ${error.message}`)]
        : [`Node ${name}`, ...findingLines(value)],
    );
    const words = lines.map((one) => one.join("\n")).join("\n\n");
    console.log(isDocument(output) ? formatDocument(node === undefined ? shown : shown[0], output) : words);
    return answers.some(({ value }) => value === undefined || hasError(value)) ? 1 : 0;
  } finally {
    agents.close();
  }
}

function hasError({ findings }: Examination): boolean {
  return findings.some(({ severity }) => severity === "error");
}

function placesFrom(env: Readonly<Record<string, string | undefined>>) {
  const cacheFolder = env.TENDRIL_CACHE_DIR || DEFAULT_CACHE_FOLDER;
  return {
    networkFolder: env.NETCONFPATH || DEFAULT_NETWORK_FOLDER,
    cacheFolder,
    leaseFolder: `${cacheFolder}/networks`,
    agentConfig: env.TENDRIL_AGENT_CONFIG || DEFAULT_AGENT_CONFIG,
  };
}

async function agentFact(): Promise<AgentFact | undefined> {
  const status = await agentStatusIfAny();
  if (status === undefined) return undefined;
  const { version, ready, problems, mode, mtu, pools } = status;
  const families = ([4, 6] as const).filter((family: Family) => pools.some((pool) => pool.family === family));
  return { version, ready, problems, mode, mtu, families };
}

const MARKS: { readonly [K in Severity]: Mark } = { error: "bad", warning: "warning", info: "faint" };

/** Each finding with its remedy below it, and a line that counts them. */
export function findingLines({ checks, findings }: Examination): string[] {
  const count = (severity: Severity) => findings.filter((finding) => finding.severity === severity).length;
  const [errors, warnings] = [count("error"), count("warning")];
  const sum = `${checks} checks: ${counted(errors, "error")}, ${counted(warnings, "warning")}`;
  return [
    ...findings.flatMap(({ check, severity, finding, remedy }) => [
      `${paint(MARKS[severity], severity.padEnd(7))}  ${check}: ${finding}`,
      `         ${remedy}`,
    ]),
    paint(errors > 0 ? "bad" : warnings > 0 ? "warning" : "good", sum),
  ];
}

function counted(count: number, what: string): string {
  return `${count === 0 ? "no" : count} ${what}${count === 1 ? "" : "s"}`;
}
