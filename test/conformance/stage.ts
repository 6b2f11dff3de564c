/**
 * A node of its own for one subject and one requirement: the plugin and those before it in its chain are called there
 * as libcni calls them, or in whatever other way the requirement wants to see.
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { outputOf } from "../support/command.ts";
import { type StartedHost, startHost, type TestHost } from "../support/host.ts";
import { Deviation } from "./requirement.ts";
import { executableOf, type PluginConfig, type Subject } from "./subject.ts";

export type Verb = "ADD" | "DEL" | "CHECK" | "GC" | "STATUS" | "VERSION";

/** One attachment to be: an interface of a container. */
export interface Container {
  readonly id: string;
  readonly ifname: string;
  readonly netns: string;
  /** Counts the attachments of a stage. */
  readonly number: number;
}

export interface Address {
  readonly address: string;
  readonly gateway?: string;
  readonly interface?: number;
}

/** A result in the form of version 1.0.0 and later; of older ones only what has the same name. */
export interface Result {
  readonly cniVersion: string;
  readonly interfaces?: readonly {
    readonly name: string;
    readonly mac?: string;
    readonly mtu?: number;
    readonly sandbox?: string;
  }[];
  readonly ips?: readonly Address[];
  readonly routes?: readonly { readonly dst: string; readonly gw?: string }[];
  readonly dns?: object;
}

export interface Attached extends Container {
  readonly result: Result;
}

/** What a call came to. */
export interface Outcome {
  readonly status: number;
  /** Standard output as JSON; undefined where it is none. */
  readonly answer: unknown;
  readonly stdout: string;
  readonly stderr: string;
  /** The error of a call that failed, as far as it has the form of one. */
  readonly error: { readonly code?: unknown; readonly msg?: unknown; readonly details?: unknown } | undefined;
}

export interface Request {
  readonly container?: Container;
  /** Fields in place of the configuration's, or beside them; undefined takes one away. */
  readonly fields?: Readonly<Record<string, unknown>>;
  /** Environment variables in place of the usual ones; undefined takes one away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Standard input that is no configuration. */
  readonly stdin?: string;
}

export interface Stage {
  readonly subject: Subject;
  readonly node: TestHost;
  readonly network: string;
  /** The version of the specification that the configuration is in. */
  readonly version: string;
  /** The versions that the plugin says it supports, oldest first. */
  readonly supported: readonly string[];
  /** The same node, with a configuration in another version, or a network of another name. */
  with(change: { readonly version?: string; readonly network?: string; readonly fields?: object }): Stage;
  /** A container with an empty namespace, or another interface for one. */
  container(another?: { readonly netns: string; readonly id: string; readonly ifname: string }): Promise<Container>;
  /** Calls the plugins before the one that is judged; the result that it is to be given. */
  before(container: Container): Promise<Result | undefined>;
  /** Calls the plugin that is judged. */
  call(verb: Verb, request?: Request): Promise<Outcome>;
  /** A call that has to succeed. Throws Deviation. */
  succeed(verb: Verb, request?: Request): Promise<Outcome>;
  /** A call that has to fail. Throws Deviation. */
  fail(verb: Verb, request?: Request): Promise<Outcome>;
  /** ADD of the whole chain, that of the judged plugin last; it has to succeed. */
  attach(container?: Container): Promise<Attached>;
  /** DEL of the whole chain in reverse; that of the judged plugin has to succeed. */
  detach(container: Attached): Promise<void>;
  /** DEL of the plugins before the one that is judged. */
  undoBefore(container: Container, result?: Result): Promise<void>;
  /** Output of a shell command in a container. */
  inside(container: Container, sh: string): Promise<string>;
  end(): Promise<void>;
}

/** Where plugins lie that a requirement brings with it. */
export const EXTRA_PLUGINS = "/run/plugins";

/** How long a call may take, in seconds. */
const PATIENCE_S = 60;

/** Finds the folder of an executable. */
export function findPlugin(folders: readonly string[], type: string): string | undefined {
  return folders.map((folder) => join(folder, type)).find((path) => existsSync(path));
}

/** The plugins that are judged, and how. */
export interface Plugins {
  /** The folders of their executables. */
  readonly folders: readonly string[];
  /** The program that serves the calls as the node's agent; without it each plugin's process does so by itself. */
  readonly agent?: string | undefined;
}

export async function openStage({ folders, agent }: Plugins, subject: Subject): Promise<Stage> {
  const node = await startHost();
  try {
    if (agent !== undefined) startAgent(node, agent);
    if (subject.given !== undefined) node.sh(subject.given);
    const supported = await supportedVersions(node, folders, subject);
    const newest = supported.at(-1) ?? "1.0.0";
    let count = 0;
    return stageOn({ node, folders, subject, supported, next: () => count++ }, newest, "net", {});
  } catch (error) {
    await node.end();
    throw error;
  }
}

/** Starts the agent and waits until it serves. */
function startAgent(node: TestHost, agent: string): void {
  node.start([agent, "agent"], "/run/agent.log");
  node.sh(
    "for i in $(seq 1000); do test -S /run/tendril/agent.sock && exit; sleep 0.01; done; cat /run/agent.log; exit 1",
  );
}

interface Common {
  readonly node: StartedHost;
  readonly folders: readonly string[];
  readonly subject: Subject;
  readonly supported: readonly string[];
  next(): number;
}

/** By the paths of executables; each is asked once. */
const versionsOf = new Map<string, Promise<string[]>>();

function supportedVersions(node: TestHost, folders: readonly string[], subject: Subject): Promise<string[]> {
  const path = findPlugin(folders, executableOf(subject)) ?? "";
  const known = versionsOf.get(path) ?? askVersions(node, path);
  versionsOf.set(path, known);
  return known;
}

async function askVersions(node: TestHost, path: string): Promise<string[]> {
  const { stdout } = await node.runs([path], { env: { CNI_COMMAND: "VERSION" }, input: '{"cniVersion":"1.0.0"}' });
  const answer = parse(stdout) as { supportedVersions?: string[] } | undefined;
  return answer?.supportedVersions ?? [];
}

function stageOn(common: Common, version: string, network: string, fields: object): Stage {
  const { node, folders, subject, next } = common;
  const { plugins, kind } = subject;

  async function run(
    executable: string,
    verb: Verb,
    config: object,
    { container, env = {}, stdin }: Request,
  ): Promise<Outcome> {
    const variables: Record<string, string | undefined> = {
      CNI_COMMAND: verb,
      CNI_CONTAINERID: container?.id,
      CNI_NETNS: container?.netns,
      CNI_IFNAME: container?.ifname,
      CNI_PATH: [...folders, EXTRA_PLUGINS].join(":"),
      ...env,
    };
    const set = Object.fromEntries(Object.entries(variables).flatMap(([k, v]) => (v === undefined ? [] : [[k, v]])));
    const path = findPlugin(folders, executable);
    if (path === undefined) throw new Error(`There is no plugin "${executable}" in ${folders.join(", ")}`);
    const input = stdin ?? JSON.stringify(config);
    const command = ["timeout", String(PATIENCE_S), path];
    const { exitCode, stdout, stderr } = await node.runs(command, { env: set, input });
    const answer = parse(stdout);
    const isObject = typeof answer === "object" && answer !== null;
    const error = exitCode !== 0 && isObject ? (answer as NonNullable<Outcome["error"]>) : undefined;
    return { status: exitCode, answer, stdout, stderr, error };
  }

  /** As libcni derives the configuration of one plugin from that of the network. */
  function request(i: number, container: Container | undefined, more: object): object {
    const isLast = i === plugins.length - 1;
    const { capabilities = {}, ...config } = plugins[i] as PluginConfig;
    const number = container?.number ?? 0;
    const given = Object.entries(subject.capabilities?.(number) ?? {}).filter(([name]) => capabilities[name]);
    return {
      ...config,
      ...(isLast ? (subject.forContainer?.(number) ?? {}) : {}),
      ...(container !== undefined && given.length > 0 ? { runtimeConfig: Object.fromEntries(given) } : {}),
      ...(isLast ? fields : {}),
      cniVersion: version,
      name: network,
      ...more,
    };
  }

  const executables = plugins.map(({ type }, i) => (i === plugins.length - 1 ? executableOf(subject) : type));
  const last = plugins.length - 1;
  const hasResult = version >= "0.4.0";

  const stage: Stage = {
    subject,
    node,
    network,
    version,
    supported: common.supported,
    with: (change) =>
      stageOn(common, change.version ?? version, change.network ?? network, { ...fields, ...change.fields }),
    async container(another) {
      const number = next();
      const { id, ifname, netns } = another ?? {
        id: `container${number}`,
        ifname: subject.ifname ?? "eth0",
        netns: `/run/netns/pod${number}`,
      };
      if (another === undefined) await succeedsIn(["ip", "netns", "add", `pod${number}`]);
      return { id, ifname, netns, number };
    },
    async before(container) {
      let result: Result | undefined;
      for (let i = 0; i < last; i++) {
        const config = request(i, container, result === undefined ? {} : { prevResult: result });
        const outcome = await run(executables[i] ?? "", "ADD", config, { container });
        if (outcome.status !== 0) throw new Error(`The plugin before, "${executables[i]}": ${said(outcome)}`);
        result = outcome.answer as Result;
      }
      return result;
    },
    call: (verb, options = {}) =>
      run(executables[last] ?? "", verb, request(last, options.container, options.fields ?? {}), options),
    async succeed(verb, options) {
      const outcome = await stage.call(verb, options);
      if (outcome.status !== 0) throw new Deviation(`${verb} fails: ${said(outcome)}`);
      return outcome;
    },
    async fail(verb, options) {
      const outcome = await stage.call(verb, options);
      if (outcome.status === 0) throw new Deviation(`${verb} succeeds`);
      return outcome;
    },
    async attach(given) {
      const container = given ?? (await stage.container());
      const prevResult = await stage.before(container);
      const fields = prevResult === undefined ? {} : { prevResult };
      const { answer } = await stage.succeed("ADD", { container, fields });
      return { ...container, result: answer as Result };
    },
    async detach(container) {
      const fields = hasResult && kind !== "ipam" ? { prevResult: container.result } : {};
      await stage.succeed("DEL", { container, fields });
      await stage.undoBefore(container, container.result);
    },
    async undoBefore(container, result) {
      for (let i = last - 1; i >= 0; i--) {
        const config = request(i, container, result === undefined || !hasResult ? {} : { prevResult: result });
        const outcome = await run(executables[i] ?? "", "DEL", config, { container });
        if (outcome.status !== 0) throw new Error(`DEL of the plugin before, "${executables[i]}": ${said(outcome)}`);
      }
    },
    inside: (container, sh) => succeedsIn(["nsenter", `--net=${container.netns}`, "sh", "-c", sh]),
    end: () => node.end(),
  };

  function succeedsIn(command: readonly string[]): Promise<string> {
    return outputOf(network, command, node.runs(command));
  }

  return stage;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What a plugin said, in one line. */
export function said({ status, error, stdout, stderr }: Outcome): string {
  const message =
    error === undefined ? `${stdout} ${stderr}` : `code ${error.code}: ${error.msg} ${error.details ?? ""}`;
  return `exit status ${status}: ${message}`.replace(/\s+/g, " ").trim().slice(0, 300);
}
