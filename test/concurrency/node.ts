/**
 * A runtime with many containers: it walks chains as libcni does, keeps the calls of one container in order, and lets
 * those of different ones go on side by side.
 */

import type { Result } from "../../src/core/result.ts";
import {
  type Config,
  type Container,
  call,
  type Host,
  type Outcome,
  type PluginCall,
  start,
  withResult,
  withValid,
} from "../support/plugin-calls.ts";
import type { Random } from "../support/random.ts";

export interface Network {
  readonly name: string;
  readonly plugins: readonly { readonly type: string; readonly [field: string]: unknown }[];
  /** Each container asks for a host port of its own. */
  readonly portMappings?: true;
}

interface Attachment {
  readonly container: Container;
  readonly network: Network;
  /** Nothing is there; it is attached; or somebody was killed and nobody knows. */
  state: "none" | "live" | "uncertain";
  /** What the runtime keeps from an ADD to the DEL. */
  result?: Result;
}

/** One container: what happens to it happens in order. */
interface Member {
  readonly number: number;
  readonly attachments: readonly Attachment[];
  busy: boolean;
}

/** When to kill a call of the executable: after a step, or after so many milliseconds. */
type Kill = { readonly step: number } | { readonly after: number };

/** A chain's call that was killed. */
class Killed extends Error {}

/** A chain's call that was answered with an error. */
class Refused extends Error {
  readonly code: unknown;

  constructor(message: string, code: unknown) {
    super(message);
    this.code = code;
  }
}

/** The code of ConflictError. */
const CONFLICT = 103;

export class Node {
  /** How often each kind of operation came to its end. */
  readonly counts = new Map<string, number>();
  /** What went wrong. */
  readonly failures: string[] = [];
  readonly #host: Host;
  readonly #networks: readonly Network[];
  readonly #members: readonly Member[];
  /** Who has an address, from the end of its ADD to the start of whatever takes it away. */
  readonly #held = new Map<string, string>();

  constructor(host: Host, networks: readonly Network[], containers: readonly Container[]) {
    this.#host = host;
    this.#networks = networks;
    this.#members = containers.map((container, number) => ({
      number,
      busy: false,
      attachments: networks.map((network, i) => ({
        container: { ...container, ifname: i === 0 ? "eth0" : `net${i}` },
        network,
        state: "none",
      })),
    }));
  }

  /** Does one thing to a container that nothing else is done to, or collects garbage. */
  async operate(random: Random): Promise<void> {
    const free = this.#members.filter(({ busy }) => !busy);
    const member = random.pick(free);
    if (member === undefined) throw new Error("There are more workers than containers");
    const isGc = random.below(25) === 0;
    // GC takes away what the runtime does not name; of these containers it must not start anything meanwhile.
    const taken = isGc ? [member, random.pick(free), random.pick(free)] : [member];
    for (const one of taken) one.busy = true;
    try {
      if (isGc) await this.#collect(random.pick(this.#networks), new Set(taken), random);
      else await this.#use(random.pick(member.attachments), random);
    } catch (error) {
      this.failures.push(error instanceof Error ? error.message : String(error));
    } finally {
      for (const one of taken) one.busy = false;
    }
  }

  /** CHECK of everything that is attached. Throws when one fails. */
  async checkAll(): Promise<void> {
    await this.#forEach(async (attachment) => {
      if (attachment.state === "live") await this.#check(attachment);
    });
  }

  /** DEL of everything, then GC of every network. Throws when one fails. */
  async empty(): Promise<void> {
    await this.#forEach(async (attachment) => {
      if (attachment.state !== "none") await this.#del(attachment);
    });
    for (const network of this.#networks) await this.#gc(network, []);
  }

  /** One attachment of a container after the other, all containers at a time. Throws what the first of them threw. */
  async #forEach(work: (attachment: Attachment) => Promise<void>): Promise<void> {
    const ends = await Promise.allSettled(
      this.#members.map(async ({ attachments }) => {
        for (const attachment of attachments) await work(attachment);
      }),
    );
    for (const end of ends) if (end.status === "rejected") throw end.reason;
  }

  async #use(attachment: Attachment, random: Random): Promise<void> {
    if (attachment.state === "none") {
      // The runtime may ask once more, also when it has no namespace any more.
      if (random.below(10) > 0) return this.#perhapsKilled("ADD", attachment, random);
      await this.#del({ ...attachment, container: { ...attachment.container, netns: "" } });
      this.#count("DEL again");
    } else if (attachment.state === "live" && random.below(2) === 0) {
      await this.#check(attachment);
      this.#count("CHECK");
    } else if (attachment.state === "uncertain" && random.below(3) === 0) {
      await this.#addAgain(attachment, random);
    } else {
      await this.#perhapsKilled("DEL", attachment, random);
    }
  }

  /** Tries again after a kill; a plugin of the chain that had come to its end before does not do it twice. */
  async #addAgain(attachment: Attachment, random: Random): Promise<void> {
    delete attachment.result;
    try {
      await this.#perhapsKilled("ADD", attachment, random);
    } catch (error) {
      if (!(error instanceof Refused && error.code === CONFLICT)) throw error;
    }
    this.#count("ADD again");
  }

  async #perhapsKilled(verb: "ADD" | "DEL", attachment: Attachment, random: Random): Promise<void> {
    const kill = random.below(4) === 0 ? killOf(random) : undefined;
    const victim = random.below(attachment.network.plugins.length);
    try {
      if (verb === "ADD") await this.#add(attachment, kill, victim);
      else await this.#del(attachment, kill, victim);
      this.#count(verb);
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      this.#count(`${verb} killed`);
    }
  }

  async #add(attachment: Attachment, kill: Kill | undefined, victim: number): Promise<void> {
    const { container } = attachment;
    attachment.state = "uncertain";
    let result: Result | undefined;
    for (const [i, config] of this.#configs(attachment).entries()) {
      const given = result === undefined ? config : withResult(config, result);
      result = await this.#call({ verb: "ADD", container, config: given }, i === victim ? kill : undefined);
    }
    attachment.state = "live";
    attachment.result = result ?? {};
    for (const { address } of result?.ips ?? []) {
      const name = nameOf(attachment);
      const other = this.#held.get(address);
      if (other !== undefined) throw new Error(`${address} was given to ${name} while ${other} had it`);
      this.#held.set(address, name);
    }
  }

  async #check({ container, result = {}, ...attachment }: Attachment): Promise<void> {
    for (const config of this.#configs({ container, ...attachment })) {
      await this.#call({ verb: "CHECK", container, config: withResult(config, result) });
    }
  }

  async #del(attachment: Attachment, kill?: Kill, victim = 0): Promise<void> {
    const { container, result } = attachment;
    this.#release(attachment);
    attachment.state = "uncertain";
    for (const [i, config] of this.#configs(attachment).toReversed().entries()) {
      const given = result === undefined ? config : withResult(config, result);
      await this.#call({ verb: "DEL", container, config: given }, i === victim ? kill : undefined);
    }
    attachment.state = "none";
    delete attachment.result;
  }

  /** GC of a network that has forgotten what these containers have there. */
  async #collect(network: Network, forgotten: ReadonlySet<Member>, random: Random): Promise<void> {
    const attachmentsOf = ({ attachments }: Member) => attachments.filter((one) => one.network === network);
    const lost = [...forgotten].flatMap(attachmentsOf);
    for (const attachment of lost) {
      this.#release(attachment);
      attachment.state = "uncertain";
      delete attachment.result;
    }
    const valid = this.#members
      .filter((member) => !forgotten.has(member))
      .flatMap(attachmentsOf)
      .map(({ container }) => container);
    try {
      await this.#gc(network, valid, random.below(2) === 0 ? killOf(random) : undefined);
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      this.#count("GC killed");
      return;
    }
    for (const attachment of lost) attachment.state = "none";
    this.#count("GC");
  }

  async #gc(network: Network, valid: readonly Container[], kill?: Kill): Promise<void> {
    for (const plugin of network.plugins) {
      const config = withValid({ cniVersion: "1.1.0", name: network.name, ...plugin }, valid);
      await this.#call({ verb: "GC", config }, kill);
    }
  }

  #release(attachment: Attachment): void {
    const name = nameOf(attachment);
    for (const [address, owner] of this.#held) if (owner === name) this.#held.delete(address);
  }

  #configs({ network, container }: Pick<Attachment, "network" | "container">): Config[] {
    const hostPort = 20_000 + Number(container.id.slice(1));
    const mapping = { portMappings: [{ hostPort, containerPort: 80, protocol: "tcp" }] };
    return network.plugins.map((plugin) => ({
      cniVersion: "1.1.0",
      name: network.name,
      ...plugin,
      ...(plugin.type === "portmap" ? { runtimeConfig: mapping } : {}),
    }));
  }

  /** The answer of a call. Throws Killed, or an error with what it said. */
  async #call(request: PluginCall, kill?: Kill): Promise<Result> {
    const outcome = await this.#run(request, kill);
    if (outcome.killed) throw new Killed();
    if (outcome.status === 0) return outcome.answer as Result;
    const { verb, config, container } = request;
    const whose = container === undefined ? config.name : `${config.name} ${container.id}`;
    throw new Refused(
      `${verb} of ${config.type} for ${whose}: status ${outcome.status}: ${outcome.stdout}${outcome.stderr}`,
      (outcome.answer as { code?: unknown } | undefined)?.code,
    );
  }

  #run(request: PluginCall, kill: Kill | undefined): Promise<Outcome> {
    if (kill === undefined) return call(this.#host, request);
    if ("step" in kill) return call(this.#host, { ...request, killAfter: kill.step });
    const running = start(this.#host, request);
    setTimeout(() => running.process.kill("SIGKILL"), kill.after);
    return running.outcome;
  }

  #count(kind: string): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
  }
}

function nameOf({ container, network }: Attachment): string {
  return `${container.id} in ${network.name}`;
}

function killOf(random: Random): Kill {
  return random.below(2) === 0 ? { step: 1 + random.below(20) } : { after: random.below(60) };
}
