/** Address translation as expressions. */

import type {
  NftMasquerade,
  NftNat,
  NftNatFlag,
  NftRange,
  NftRedirect,
  NftType,
  NftValue,
} from "../../../core/nftables.ts";
import {
  NF_NAT_RANGE_PROTO_SPECIFIED,
  NFPROTO_INET,
  NFPROTO_IPV4,
  NFPROTO_IPV6,
  NFT_NAT_DNAT,
  NFT_NAT_SNAT,
  NFT_REG_1,
} from "../constants.ts";
import { encodeEnds, equalBytes, paddedSize } from "../datatypes.ts";
import { keyList } from "../keys.ts";
import { registerAt } from "../registers.ts";
import { NAT_FLAGS } from "../words.ts";
import { immediate, type Job, loadKeys } from "./job.ts";

export function compileOwnAddress(job: Job, { kind, ports, flags }: NftMasquerade | NftRedirect): void {
  const data = { ...natFlags(flags, ports !== undefined), ...loadPorts(job, ports, 0) };
  job.out.push(kind === "masquerade" ? { name: "masq", data } : { name: "redir", data });
}

export function compileNat(job: Job, { kind, family, address, ports, map, flags }: NftNat): void {
  const protocol = natProtocol(family ?? job.rule.family);
  if (protocol === NFPROTO_INET && (address !== undefined || map !== undefined)) {
    throw new TypeError(`"${kind}" to an address does not say of which family`);
  }
  const addressType = protocol === NFPROTO_IPV6 ? "ipv6_addr" : "ipv4_addr";
  const start = { type: kind === "snat" ? NFT_NAT_SNAT : NFT_NAT_DNAT, family: protocol };
  if (map !== undefined) {
    const sreg = loadKeys(job, keyList(map.key));
    const portMin = registerAt(paddedSize(addressType) / 4);
    const data = { ...start, addressMin: NFT_REG_1, ...(map.ports ? { portMin } : {}), ...natFlags(flags, false) };
    job.out.push({ name: "lookup", data: { sreg, dreg: NFT_REG_1, set: map.name } }, { name: "nat", data });
    return;
  }
  const ends = address === undefined ? [] : loadEnds(job, addressType, address, 0);
  const [addressMin, addressMax] = ends;
  const data = {
    ...start,
    ...(addressMin === undefined ? {} : { addressMin }),
    ...(addressMax === undefined ? {} : { addressMax }),
    ...loadPorts(job, ports, ends.length),
    ...natFlags(flags, ports !== undefined),
  };
  job.out.push({ name: "nat", data });
}

function natProtocol(family: string): number {
  if (family === "ip") return NFPROTO_IPV4;
  return family === "ip6" ? NFPROTO_IPV6 : NFPROTO_INET;
}

/** Loads one value or the ends of a range into registers after the first `used`; returns their numbers. */
function loadEnds(job: Job, type: NftType, value: NftValue | NftRange, used: number): number[] {
  const { from, to } = encodeEnds(type, value);
  const ends = equalBytes(from, to) ? [from] : [from, to];
  return ends.map((bytes, i) => {
    const register = NFT_REG_1 + used + i;
    job.out.push(immediate(register, { value: bytes }));
    return register;
  });
}

function loadPorts(job: Job, ports: NftNat["ports"], used: number): { portMin?: number; portMax?: number } {
  if (ports === undefined) return {};
  const [portMin, portMax] = loadEnds(job, "inet_service", ports, used);
  return { ...(portMin === undefined ? {} : { portMin }), ...(portMax === undefined ? {} : { portMax }) };
}

function natFlags(flags: readonly NftNatFlag[] | undefined, hasPorts: boolean): { flags?: number } {
  let bits = hasPorts ? NF_NAT_RANGE_PROTO_SPECIFIED : 0;
  for (const flag of flags ?? []) bits |= NAT_FLAGS[flag];
  return bits === 0 ? {} : { flags: bits };
}
