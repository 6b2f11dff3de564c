/** By what one sees in the kernel's notifications whether they are about what is wanted. */

import { canonicalAddress } from "../core/ip.ts";
import { iptablesForwardChains } from "../core/iptables-chains.ts";
import type { NftChain } from "../core/nftables.ts";
import type { Resource } from "../core/plan.ts";

/** Signs of resources that are added and dropped one by one. */
export class Signs {
  readonly #counts = new Map<string, number>();

  add(resource: Resource): void {
    for (const sign of signsOf(resource)) this.#counts.set(sign, (this.#counts.get(sign) ?? 0) + 1);
  }

  /** Takes back what adding a resource of the same identity has done. */
  drop(resource: Resource): void {
    for (const sign of signsOf(resource)) {
      const count = this.#counts.get(sign) ?? 0;
      if (count > 1) this.#counts.set(sign, count - 1);
      else this.#counts.delete(sign);
    }
  }

  /** Whether something goes with the host's link of this name. */
  hasLink(name: string): boolean {
    return this.#counts.has(linkSign(name));
  }

  /** Whether a route leads to a network, in CIDR notation as the kernel writes it. */
  hasDestination(network: string): boolean {
    return this.#counts.has(destinationSign(network));
  }

  /** Whether something is in a table of nf_tables. */
  hasTable(family: string, table: string): boolean {
    return this.#counts.has(tableSign(family, table));
  }

  hasChain(family: string, table: string, chain: string): boolean {
    return this.#counts.has(chainSign({ family, table, name: chain }));
  }

  /** Whether something is made when there comes to be such a chain of others. */
  awaitsChain(family: string, table: string, chain: string): boolean {
    return this.#counts.has(awaitedSign({ family, table, name: chain }));
  }
}

/** Chains of others that something of ours is made for when they come. */
function awaitedBy(resource: Resource): Pick<NftChain, "family" | "table" | "name">[] {
  if (resource.kind === "nft-table") return [...(resource.beside ?? [])];
  if (resource.kind !== "nft-iptables") return [];
  return iptablesForwardChains(resource.family, resource.adminChain);
}

function signsOf(resource: Resource): string[] {
  const { kind } = resource;
  const link = kind === "link" ? resource.name : "link" in resource ? resource.link : undefined;
  const signs = link === undefined ? [] : [linkSign(link)];
  for (const chain of awaitedBy(resource)) signs.push(awaitedSign(chain));
  if (kind === "route") signs.push(destinationSign(canonicalAddress(resource.destination)));
  else if (kind === "nft-table") for (const { chain } of resource.chains) signs.push(...chainSigns(chain));
  else if (kind === "nft-chain") signs.push(...chainSigns(resource.chain));
  else if (kind === "nft-rule") signs.push(tableSign(resource.rule.family, resource.rule.table));
  else if (kind === "nft-element") signs.push(tableSign(resource.element.set.family, resource.element.set.table));
  return signs;
}

function awaitedSign({ family, table, name }: { family: string; table: string; name: string }): string {
  return `awaited ${family} ${table} ${name}`;
}

function chainSigns(chain: NftChain): string[] {
  return [tableSign(chain.family, chain.table), chainSign(chain)];
}

function linkSign(name: string): string {
  return `link ${name}`;
}

function destinationSign(network: string): string {
  return `destination ${network}`;
}

function tableSign(family: string, table: string): string {
  return `table ${family} ${table}`;
}

function chainSign({ family, table, name }: { family: string; table: string; name: string }): string {
  return `chain ${family} ${table} ${name}`;
}
