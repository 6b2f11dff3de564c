/** `tendril pool`: the networks that pods have their addresses of. */

import { Command, InvalidArgumentError } from "commander";
import { collectPair, STORE_HELP, type StoreChoice, withCluster, withStoreOptions } from "./cluster-access.ts";
import { type Format, formatDocument, isDocument, outputOption } from "./output.ts";
import { createPool, deletePool, resizePool } from "./pool-changes.ts";

interface Options extends StoreChoice {
  readonly output: Format;
}

interface CreateOptions extends Options {
  readonly cidr: readonly string[];
  readonly blockSizeIpv4?: number;
  readonly blockSizeIpv6?: number;
  readonly exclude?: readonly string[];
  readonly nodeSelector?: Readonly<Record<string, string>>;
  readonly masquerade: boolean;
  readonly gateways?: true;
}

export function poolCommand(): Command {
  const program = new Command("pool").description("make, resize and delete pools of addresses");
  const verb = (usage: string, about: string, example: string) =>
    withStoreOptions(
      program
        .command(usage)
        .description(about)
        .addOption(outputOption("table", "json", "yaml")),
    ).addHelpText("after", `${STORE_HELP}\n\nExample:\n  ${example}`);
  verb(
    "create <name>",
    "make a pool, of a network of each family at most",
    "tendril pool create default --cidr 10.244.0.0/16,fd44::/48 --exclude 10.244.255.0/24",
  )
    .requiredOption("--cidr <networks>", "in CIDR notation, parted by commas", collectList)
    .option("--block-size-ipv4 <bits>", "prefix length of the blocks that nodes claim (26)", prefixLength)
    .option("--block-size-ipv6 <bits>", "the same for IPv6 (122)", prefixLength)
    .option("--exclude <networks>", "networks and addresses that no pod is given", collectList)
    .option("--node-selector <key=value>", "only nodes with this label claim of it", collectPair)
    .option("--no-masquerade", "pods leave the cluster under their own addresses")
    .option("--gateways", "keep an address of each block for the gateway of a bridge")
    .action(create);
  verb("delete <name>", "delete a pool that no node holds a block of", "tendril pool delete old").action(remove);
  verb(
    "resize <name>",
    "give a pool another network, that has all blocks in use",
    "tendril pool resize default --cidr 10.244.0.0/15",
  )
    .requiredOption("--cidr <networks>", "the new ones; a family that is not named stays", collectList)
    .action(resize);
  return program;
}

/** Values parted by commas, of an option that may be given several times. */
export function collectList(text: string, before: readonly string[] = []): string[] {
  return [...before, ...text.split(",").filter((item) => item !== "")];
}

function prefixLength(text: string): number {
  if (!/^\/?[0-9]{1,3}$/.test(text)) throw new InvalidArgumentError("It is a number of bits, such as 26.");
  return Number(text.replace("/", ""));
}

async function create(name: string, options: CreateOptions): Promise<void> {
  const { cidr, blockSizeIpv4, blockSizeIpv6, exclude = [], nodeSelector = {}, masquerade, gateways = false } = options;
  const pool = await withCluster(options, (cluster) =>
    createPool(cluster, name, {
      cidrs: cidr,
      blockBits: { ipv4: blockSizeIpv4, ipv6: blockSizeIpv6 },
      excluded: exclude.map((network) => (network.includes("/") ? network : `${network}/${hostBits(network)}`)),
      nodeSelector,
      masquerade,
      gateways,
    }),
  );
  report(options, { name, ...pool }, `Pool "${name}" is made: ${pool.cidrs.join(" and ")}`);
}

function hostBits(address: string): number {
  return address.includes(":") ? 128 : 32;
}

async function remove(name: string, options: Options): Promise<void> {
  await withCluster(options, (cluster) => deletePool(cluster, name));
  report(options, { name, deleted: true }, `Pool "${name}" is deleted`);
}

async function resize(name: string, options: Options & { readonly cidr: readonly string[] }): Promise<void> {
  const pool = await withCluster(options, (cluster) => resizePool(cluster, name, options.cidr));
  report(options, { name, ...pool }, `Pool "${name}" is ${pool.cidrs.join(" and ")} now`);
}

/** Prints what was done: a sentence, or the document. */
export function report({ output }: Options, value: unknown, sentence: string): void {
  console.log(isDocument(output) ? formatDocument(value, output) : sentence);
}
