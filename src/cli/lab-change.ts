/** Verbs of `tendril lab` that change a lab which is up: its agents, pods, nodes and store. */

import type { Command } from "commander";
import {
  agentLogPath,
  agentProcess,
  killAgent,
  pauseAgent,
  resumeAgent,
  startAgent,
  stopAgent,
} from "../lab/agent-process.ts";
import { waitForAgent } from "../lab/agent-status.ts";
import { podAddresses } from "../lab/attachment.ts";
import { addNode, addPod, deletePod, removeNode, requireAgents, requireNode } from "../lab/change.ts";
import { startStore, stopStore } from "../lab/cluster-store.ts";
import { bare } from "../lab/lab.ts";
import { AGENT_MS } from "../lab/up.ts";
import { readTextIfExists } from "../linux/file.ts";
import { chosenRecord, type LabOptions, type MakeVerb, makeVerbs, withLab } from "./lab-choice.ts";

type Chosen = Pick<LabOptions, "lab">;

/** Adds the verbs. `say` prints what was done. */
export function addChangeVerbs(program: Command, verb: MakeVerb, say: (done: string) => void): void {
  addAgentVerbs(group(program, "agent", "the agents of the nodes"), say);
  withLab(verb("logs <node>", "print what a node's agent has written", "tendril lab logs node1")).action(
    (node: string, options: Chosen) => {
      const { lab } = chosenRecord(options);
      requireAgents(lab);
      process.stdout.write(readTextIfExists(agentLogPath(lab.name, requireNode(lab, node).name)) ?? "");
    },
  );
  addPodVerbs(group(program, "pod", "pods that come and go"), say);
  addNodeVerbs(group(program, "node", "nodes that come and go"), say);
  addStoreVerbs(group(program, "store", "the agents' store"), say);
}

function group(program: Command, name: string, about: string): Command {
  return program.command(name).description(about);
}

function addAgentVerbs(agents: Command, say: (done: string) => void): void {
  const verb = makeVerbs(agents);
  const add = (name: string, about: string, work: (lab: string, node: string) => void | Promise<void>) =>
    withLab(verb(`${name} <node>`, about, `tendril lab agent ${name} node1`)).action(
      async (node: string, options: Chosen) => {
        const { lab } = chosenRecord(options);
        requireAgents(lab);
        requireNode(lab, node);
        await work(lab.name, node);
        say(`the agent of ${node} is ${agentProcess(lab.name, node)}`);
      },
    );
  withLab(verb("start <node>", "start an agent and wait until it is ready", "tendril lab agent start node1")).action(
    async (node: string, options: Chosen) => {
      const record = chosenRecord(options);
      requireAgents(record.lab);
      startAgent(record, requireNode(record.lab, node));
      await waitForAgent(record.lab.name, node, { within: AGENT_MS });
      say(`the agent of ${node} is ready`);
    },
  );
  add("stop", "ask an agent to end; its network stays", stopAgent);
  add("kill", "end an agent without its having a say in it", killAgent);
  add("pause", "stop an agent's clock (SIGSTOP)", pauseAgent);
  add("resume", "let a paused agent go on (SIGCONT)", resumeAgent);
}

function addPodVerbs(pods: Command, say: (done: string) => void): void {
  const verb = makeVerbs(pods);
  withLab(verb("add <pod>", "make a pod, NODE/NAME, and attach it", "tendril lab pod add node1/api"))
    .option("--as <identity>", "as whom the agent knows it, NAMESPACE/NAME (default/NODE-NAME)")
    .action((pod: string, { as: identity, ...options }: Chosen & { as?: string }) => {
      const result = addPod(chosenRecord(options).lab.name, pod, { identity });
      say(`pod ${pod}: ${podAddresses(result).join(" and ")}`);
    });
  withLab(verb("del <pod>", "detach a pod and remove it", "tendril lab pod del node1/api")).action(
    (pod: string, options: Chosen) => {
      deletePod(chosenRecord(options).lab.name, pod);
      say(`pod ${pod} is gone`);
    },
  );
}

function addNodeVerbs(nodes: Command, say: (done: string) => void): void {
  const verb = makeVerbs(nodes);
  withLab(verb("add <node>", "make a node and start its agent", "tendril lab node add node4 --subnet rack2"))
    .requiredOption("--subnet <name>", "the subnet that it is in")
    .action(async (name: string, { subnet, ...options }: Chosen & { subnet: string }) => {
      const node = await addNode(chosenRecord(options).lab.name, { name, subnet });
      say(`node ${name} is ready: ${node.addresses.map(bare).join(" and ")}`);
    });
  withLab(verb("remove <node>", "take a node away as a power cut does", "tendril lab node remove node4"))
    .option("--keep-disk", "a node of that name which comes again finds what its agent knew")
    .action((name: string, { keepDisk, ...options }: Chosen & { keepDisk?: true }) => {
      removeNode(chosenRecord(options).lab.name, name, { disk: keepDisk !== true });
      say(`node ${name} is gone with its pods`);
    });
}

function addStoreVerbs(stores: Command, say: (done: string) => void): void {
  const verb = makeVerbs(stores);
  const add = (name: string, about: string, done: string, work: typeof startStore) =>
    withLab(verb(name, about, `tendril lab store ${name}`)).action(async (options: Chosen) => {
      const { lab } = chosenRecord(options);
      requireAgents(lab);
      await work(lab);
      say(done);
    });
  add("stop", "make the store unavailable to all agents", "the store is away", stopStore);
  add("start", "have it again with all that was in it", "the store is there", startStore);
}
