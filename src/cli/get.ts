/** `tendril get`: what the cluster's store has, and the pods of this node, or of all. */

import { Argument, Command } from "commander";
import { agentStatus } from "../cni/agent-client.ts";
import { TendrilError } from "../core/errors.ts";
import type { Collection } from "../store/collection.ts";
import { withAgents } from "./agents.ts";
import { STORE_HELP, type StoreChoice, withCluster, withStoreOptions } from "./cluster-access.ts";
import {
  blockTable,
  nodeTable,
  podName,
  podTable,
  poolTable,
  type RowTable,
  reservationTable,
  type ShownPod,
} from "./get-tables.ts";
import { FORMATS, type Format, formatDocument, formatTable, isDocument, outputOption, type Print } from "./output.ts";

const KINDS = ["nodes", "pools", "blocks", "pods", "reservations"] as const;
type Kind = (typeof KINDS)[number];

interface Options extends StoreChoice {
  readonly output: Format;
  readonly watch?: true;
}

export interface Question extends Options {
  readonly kind: Kind;
  /** One of them. */
  readonly name?: string | undefined;
}

export function getCommand(): Command {
  return withStoreOptions(
    new Command("get")
      .description(
        "show nodes, pools, blocks and reservations of the cluster, or the pods of this node, by its API server of all",
      )
      .addArgument(new Argument("<kind>", "what to show").choices(KINDS))
      .argument("[name]", "one of them")
      .addOption(outputOption(...FORMATS))
      .option("-w, --watch", "go on and show what changes"),
  )
    .addHelpText("after", `${STORE_HELP}\n\nExample:\n  tendril get blocks -o wide --watch`)
    .action(async (kind: Kind, name: string | undefined, options: Options) => {
      const interruption = new AbortController();
      const interrupt = () => interruption.abort();
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, interrupt);
      try {
        await get({ kind, name, ...options }, interruption.signal, console.log);
      } finally {
        for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, interrupt);
      }
    });
}

/**
 * Prints what is asked for; with `watch` until the signal comes. Throws TendrilError when there is none of the name,
 * StoreUnavailableError, NoAgentError.
 */
export async function get(question: Question, signal: AbortSignal, print: Print): Promise<void> {
  const { kind } = question;
  if (kind === "pods") {
    await getPods(question, print);
    return;
  }
  await withCluster(question, async (cluster) => {
    switch (kind) {
      case "nodes":
        return follow(cluster.nodes, async () => nodeTable(await cluster.heartbeats.list()), question, signal, print);
      case "pools":
        return follow(
          cluster.pools,
          async () => poolTable(valuesOf(await cluster.blocks.list())),
          question,
          signal,
          print,
        );
      case "blocks":
        return follow(cluster.blocks, async () => blockTable, question, signal, print);
      case "reservations":
        return follow(cluster.reservations, async () => reservationTable(Date.now()), question, signal, print);
    }
  });
}

async function getPods(question: Question, print: Print): Promise<void> {
  if (question.watch) {
    throw new TendrilError("Pods cannot be watched", { details: "Their agents tell of them when they are asked." });
  }
  await withAgents(question, async (agents) => {
    const show = (pods: readonly ShownPod[]) => {
      const named = pods.map((pod) => [podName(pod) ?? pod.containerId, pod] as const);
      printAll(podTable(agents !== undefined), chosen(named, question), question, print);
    };
    if (agents === undefined) {
      show((await agentStatus()).pods);
      return;
    }
    const answers = await agents.each((node) => agents.status(node));
    show(answers.flatMap(({ node, value }) => (value?.pods ?? []).map((pod) => ({ node, ...pod }))));
    const silent = answers.flatMap(({ node, error }) => (error === undefined ? [] : [`"${node}": ${error.message}`]));
    if (silent.length > 0) throw new TendrilError(`Some pods are missing, those of node ${silent.join("; ")}`);
  });
}

async function follow<T extends object>(
  collection: Collection<T>,
  table: () => Promise<RowTable<T>>,
  question: Question,
  signal: AbortSignal,
  print: Print,
): Promise<void> {
  if (!question.watch) {
    const documents = await collection.list();
    const values = [...documents].map(([name, { value }]) => [name, value] as const);
    printAll(await table(), chosen(values, question), question, print);
    return;
  }
  let isFirst = true;
  for await (const { documents, changed } of collection.follow(signal)) {
    const names = changed.filter((name) => question.name === undefined || name === question.name);
    const changes = names.map((name) => ({ name, value: documents.get(name)?.value }));
    printChanges(await table(), changes, question, isFirst, print);
    isFirst = false;
  }
}

/** By the numbers in names: node2 before node10, and blocks in the order of their addresses. */
const NATURAL = new Intl.Collator("en", { numeric: true });

/** Values by their names; a pod has one for each of its interfaces. */
type Named<T> = readonly (readonly [string, T])[];

/** All, or those of the one that has been named. */
function chosen<T>(values: Named<T>, { kind, name }: Question): Named<T> {
  if (name === undefined) return values;
  const found = values.filter(([key]) => key === name);
  if (found.length > 0) return found;
  const details = values.length === 0 ? `There are no ${kind}.` : `There are ${values.map(([key]) => key).join(", ")}.`;
  throw new TendrilError(`There is no "${name}" among the ${kind}`, { details });
}

function printAll<T extends object>(
  table: RowTable<T>,
  values: Named<T>,
  { kind, name, output }: Question,
  print: Print,
): void {
  const entries = values.toSorted(([a], [b]) => NATURAL.compare(a, b));
  if (isDocument(output)) {
    const list = entries.map(([key, value]) => ({ name: key, ...value }));
    print(formatDocument(name !== undefined && list.length === 1 ? list[0] : list, output));
  } else if (entries.length === 0) {
    print(`There are no ${kind}.`);
  } else {
    const rows = entries.map(([key, value]) => cellsOf(table, key, value, output));
    for (const line of formatTable(headingOf(table, output), rows)) print(line);
  }
}

/** A line for each change; a document for each, with its type, for programs. */
function printChanges<T extends object>(
  table: RowTable<T>,
  changes: readonly { readonly name: string; readonly value: T | undefined }[],
  { output }: Question,
  isFirst: boolean,
  print: Print,
): void {
  if (isDocument(output)) {
    for (const { name, value } of changes) {
      const change = { type: value === undefined ? "delete" : "put", name, ...value };
      print(output === "json" ? JSON.stringify(change) : `---\n${formatDocument(change, "yaml")}`);
    }
    return;
  }
  const heading = headingOf(table, output);
  const rows = changes.map(({ name, value }) =>
    value === undefined ? [name, "(deleted)"] : cellsOf(table, name, value, output),
  );
  // Each change is aligned with the heading, which is as wide as most of what comes later.
  const lines = formatTable(
    heading.map((word) => word.padEnd(COLUMN)),
    rows,
  );
  for (const line of isFirst ? lines : lines.slice(1)) print(line);
}

/** Characters of a column whose later content is not known. */
const COLUMN = 12;

function headingOf<T>({ heading, wide }: RowTable<T>, output: Format): readonly string[] {
  return output === "wide" ? [...heading, ...wide] : heading;
}

function cellsOf<T>(table: RowTable<T>, name: string, value: T, output: Format): readonly string[] {
  const cells = table.cells(name, value);
  return output === "wide" ? [...cells, ...table.wideCells(name, value)] : cells;
}

function valuesOf<T>(documents: ReadonlyMap<string, { readonly value: T }>): T[] {
  return [...documents.values()].map(({ value }) => value);
}
