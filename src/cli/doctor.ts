/** `tendril doctor`: what is wrong with this node, and what to do. */

import { Command } from "commander";
import { VERSION } from "../agent/version.ts";
import { agentStatusIfAny } from "../cni/agent-client.ts";
import { DEFAULT_CACHE_FOLDER } from "../cni/runtime/cache.ts";
import { DEFAULT_NETWORK_FOLDER } from "../cni/runtime/network.ts";
import type { Family } from "../core/ip.ts";
import { type AgentFact, gatherFacts } from "../doctor/facts.ts";
import { CHECK_COUNT, type Finding, judge, type Severity } from "../doctor/judge.ts";
import { DEFAULT_AGENT_CONFIG } from "./cluster-access.ts";
import { type Format, formatDocument, isDocument, type Mark, outputOption, paint } from "./output.ts";

const HELP = `
It changes nothing. Whether a network card computes checksums of tunnels wrongly it cannot tell: where packets arrive in
tcpdump and not in a pod, try ethtool -K DEVICE tx off.

Variables:
  NETCONFPATH           folder of network configurations (${DEFAULT_NETWORK_FOLDER})
  TENDRIL_CACHE_DIR     folder of results, as libcni keeps them (${DEFAULT_CACHE_FOLDER})
  TENDRIL_RUN_DIR       folder of the agent's socket (/run/tendril)
  TENDRIL_AGENT_CONFIG  the agent's configuration (${DEFAULT_AGENT_CONFIG})

Example:
  tendril doctor -o json`;

export function doctorCommand(exit: (status: number) => void): Command {
  return new Command("doctor")
    .description("look for what keeps pods of this node from being reached, and say what to do")
    .addOption(outputOption("table", "json", "yaml"))
    .addHelpText("after", HELP)
    .action(async ({ output }: { readonly output: Format }) => {
      const findings = judge(gatherFacts({ ...placesFrom(process.env), agent: await agentFact(), version: VERSION }));
      const value = { checks: CHECK_COUNT, findings };
      console.log(isDocument(output) ? formatDocument(value, output) : findingLines(findings).join("\n"));
      exit(findings.some(({ severity }) => severity === "error") ? 1 : 0);
    });
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
export function findingLines(findings: readonly Finding[]): string[] {
  const count = (severity: Severity) => findings.filter((finding) => finding.severity === severity).length;
  const [errors, warnings] = [count("error"), count("warning")];
  const sum = `${CHECK_COUNT} checks: ${counted(errors, "error")}, ${counted(warnings, "warning")}`;
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
