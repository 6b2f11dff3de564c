/**
 * From the kernel's expressions back to statements, ours and nft(8)'s own.
 *
 * Tests that a later field implies are left out again, by nft's rules: a test of the protocol goes when a field of
 * that protocol's header follows and nothing but comparisons stand between. What has no statement here stays as an
 * {@link UnknownStatement}.
 */

import type {
  NftFamily,
  NftLimit,
  NftNat,
  NftNatFlag,
  NftRange,
  NftSetMark,
  NftType,
  NftValue,
} from "../../../core/nftables.ts";
import {
  NFPROTO_INET,
  NFPROTO_IPV6,
  NFT_BYTEORDER_HTON,
  NFT_CT_MARK,
  NFT_LIMIT_F_INV,
  NFT_LIMIT_PKT_BYTES,
  NFT_LOGLEVEL_WARNING,
  NFT_META_MARK,
  NFT_NAT_DNAT,
  NFT_REG_VERDICT,
} from "../constants.ts";
import { startContext } from "../context.ts";
import { DATA_TYPES, decodeNumber, decodeValue, equalBytes } from "../datatypes.ts";
import type { Expression } from "../expression.ts";
import { wordOfRegister } from "../registers.ts";
import { decodeVerdict } from "../verdict.ts";
import { LIMIT_UNITS, LOG_LEVELS, NAT_FLAGS, rejectAnswer } from "../words.ts";
import { readComparison, readLookup, readRange } from "./match.ts";
import {
  act,
  drop,
  type FindSet,
  fieldsOf,
  type Held,
  heldIn,
  type Loaded,
  loadedIn,
  type Named,
  type Reader,
  type ReadStatement,
} from "./reader.ts";

/** Reads the expressions of a rule. Throws DecodeError for a verdict that is not known. */
export function decompileRule(
  family: NftFamily,
  expressions: readonly Expression[],
  findSet: FindSet,
): ReadStatement[] {
  const reader: Reader = { context: startContext(family), findSet, held: new Map(), entries: [], tests: new Map() };
  for (const expression of expressions) {
    if (readExpression(reader, expression)) continue;
    const name = expression.name === "other" ? expression.kernelName : expression.name;
    act(reader, { kind: "unknown", expression: name });
  }
  return reader.entries.filter(({ dropped }) => !dropped).map(({ statement }) => statement);
}

/** Whether the expression was understood. */
function readExpression(reader: Reader, expression: Expression): boolean {
  const lower = reader.lower;
  reader.lower = undefined;
  switch (expression.name) {
    case "payload":
    case "fib":
      return hold(reader, expression);
    case "meta":
    case "ct":
      return expression.data.sreg === undefined ? hold(reader, expression) : readSetMark(reader, expression);
    case "bitwise":
      return readBitwise(reader, expression);
    case "byteorder":
      return readByteorder(reader, expression);
    case "immediate":
      return readImmediate(reader, expression);
    case "cmp":
      return readComparison(reader, expression, lower);
    case "range":
      return readRange(reader, expression);
    case "lookup":
      return readLookup(reader, expression);
    case "masq":
    case "redir":
      return readOwnAddress(reader, expression);
    case "nat":
      return readNat(reader, expression);
    case "counter": {
      const { packets = 0n, bytes = 0n } = expression.data;
      act(reader, { kind: "counter", packets: Number(packets), bytes: Number(bytes) });
      return true;
    }
    case "log":
      return readLog(reader, expression);
    case "limit":
      return readLimit(reader, expression);
    case "reject":
      return readReject(reader, expression);
    case "notrack":
      act(reader, { kind: "notrack" });
      return true;
    case "match":
    case "other":
      return false;
  }
}

function hold(reader: Reader, load: Loaded["load"]): boolean {
  const { dreg } = load.data;
  if (dreg === undefined) return false;
  reader.held.set(wordOfRegister(dreg), { load });
  return true;
}

function readBitwise(reader: Reader, { data }: Named<"bitwise">): boolean {
  const { sreg, dreg, mask, xor, op = 0 } = data;
  const loaded = loadedIn(reader, sreg);
  if (loaded === undefined || loaded.mask !== undefined || dreg === undefined || op !== 0) return false;
  if (mask?.value === undefined || xor?.value === undefined) return false;
  reader.held.set(wordOfRegister(dreg), { ...loaded, mask: mask.value, xor: xor.value });
  return true;
}

function readByteorder(reader: Reader, { data }: Named<"byteorder">): boolean {
  const { sreg, dreg, op } = data;
  const loaded = loadedIn(reader, sreg);
  if (loaded === undefined || dreg === undefined || op !== NFT_BYTEORDER_HTON) return false;
  reader.held.set(wordOfRegister(dreg), { ...loaded, turned: true });
  return true;
}

function readImmediate(reader: Reader, { data }: Named<"immediate">): boolean {
  const { dreg, data: content } = data;
  if (dreg === undefined) return false;
  if (dreg === NFT_REG_VERDICT) {
    if (content?.verdict === undefined) return false;
    act(reader, { kind: "verdict", verdict: decodeVerdict(content.verdict) });
    return true;
  }
  if (content?.value === undefined) return false;
  reader.held.set(wordOfRegister(dreg), { bytes: content.value });
  return true;
}

function readSetMark(reader: Reader, expression: Named<"meta"> | Named<"ct">): boolean {
  const mark = expression.name === "meta" ? NFT_META_MARK : NFT_CT_MARK;
  const held = heldIn(reader, expression.data.sreg);
  const value = held === undefined ? undefined : markValue(reader, held);
  if (expression.data.key !== mark || value === undefined) return false;
  act(reader, { kind: "set", key: expression.name === "meta" ? "meta mark" : "ct mark", value });
  return true;
}

function markValue(reader: Reader, held: Held): NftSetMark["value"] | undefined {
  if ("bytes" in held) return held.bytes.length === 4 ? decodeNumber("mark", held.bytes) : undefined;
  if ("map" in held) return undefined;
  const key = fieldsOf(reader, held)[0]?.key;
  if (key !== "meta mark" && key !== "ct mark") return undefined;
  if (held.mask === undefined || held.xor === undefined) return { key };
  if (held.mask.length !== 4 || held.xor.length !== 4) return undefined;
  const mask = decodeNumber("mark", held.mask);
  const flip = decodeNumber("mark", held.xor);
  // Bits that are cleared and then flipped are set.
  const or = (~mask & flip) >>> 0;
  const xor = (mask & flip) >>> 0;
  const and = (mask | or) >>> 0;
  return {
    key,
    ...(and === 0xffffffff ? {} : { and }),
    ...(xor === 0 ? {} : { xor }),
    ...(or === 0 ? {} : { or }),
  };
}

function readOwnAddress(reader: Reader, { name, data }: Named<"masq"> | Named<"redir">): boolean {
  const ports = readPorts(reader, data.portMin, data.portMax);
  if (data.portMin !== undefined && ports === undefined) return false;
  const kind = name === "masq" ? "masquerade" : "redirect";
  act(reader, { kind, ...(ports === undefined ? {} : { ports }), ...natFlags(data.flags) });
  return true;
}

function readNat(reader: Reader, { data }: Named<"nat">): boolean {
  const { type, family: protocol, addressMin, addressMax, portMin, portMax, flags } = data;
  const isIpv6 = protocol === NFPROTO_IPV6;
  const own = reader.context.family === "ip" || reader.context.family === "ip6";
  const family: Pick<NftNat, "family"> = own || protocol === NFPROTO_INET ? {} : { family: isIpv6 ? "ip6" : "ip" };
  const kind = type === NFT_NAT_DNAT ? "dnat" : "snat";
  const held = heldIn(reader, addressMin);
  if (held !== undefined && "map" in held) {
    const map = { key: held.key, name: held.map, ports: portMin !== undefined };
    act(reader, { kind, ...family, map, ...natFlags(flags) });
    return true;
  }
  const address = readEnds(reader, isIpv6 ? "ipv6_addr" : "ipv4_addr", addressMin, addressMax);
  const ports = readPorts(reader, portMin, portMax);
  if ((addressMin !== undefined && address === undefined) || (portMin !== undefined && ports === undefined))
    return false;
  act(reader, {
    kind,
    ...family,
    ...(address === undefined ? {} : { address: typeof address === "object" ? address : String(address) }),
    ...(ports === undefined ? {} : { ports }),
    ...natFlags(flags),
  });
  return true;
}

function readPorts(reader: Reader, min?: number, max?: number): number | NftRange | undefined {
  const ports = readEnds(reader, "inet_service", min, max);
  return typeof ports === "string" ? undefined : ports;
}

/** The value, or both ends of a range, that registers hold. */
function readEnds(reader: Reader, type: NftType, min?: number, max?: number): NftValue | NftRange | undefined {
  const [from, to] = [heldIn(reader, min), heldIn(reader, max ?? min)];
  if (from === undefined || to === undefined || !("bytes" in from) || !("bytes" in to)) return undefined;
  const { size } = DATA_TYPES[type];
  if (from.bytes.length !== size || to.bytes.length !== size) return undefined;
  const value = decodeValue(type, from.bytes);
  return equalBytes(from.bytes, to.bytes) ? value : { from: value, to: decodeValue(type, to.bytes) };
}

function natFlags(bits = 0): { flags?: NftNatFlag[] } {
  const flags = (Object.keys(NAT_FLAGS) as NftNatFlag[]).filter((flag) => (bits & NAT_FLAGS[flag]) !== 0);
  return flags.length === 0 ? {} : { flags };
}

function readLog(reader: Reader, { data }: Named<"log">): boolean {
  const { prefix, group, snaplen, queueThreshold, level = NFT_LOGLEVEL_WARNING, flags } = data;
  const word = LOG_LEVELS[level];
  if (flags || word === undefined) return false;
  act(reader, {
    kind: "log",
    ...(prefix ? { prefix } : {}),
    ...(group === undefined ? {} : { group }),
    ...(snaplen ? { snaplen } : {}),
    ...(queueThreshold ? { queueThreshold } : {}),
    ...(word === "warn" ? {} : { level: word }),
  });
  return true;
}

function readLimit(reader: Reader, { data }: Named<"limit">): boolean {
  const { rate = 0n, unit, burst = 0, type, flags = 0 } = data;
  const per = (Object.keys(LIMIT_UNITS) as NftLimit["per"][]).find((word) => BigInt(LIMIT_UNITS[word]) === unit);
  if (per === undefined) return false;
  const bytes = type === NFT_LIMIT_PKT_BYTES;
  act(reader, {
    kind: "limit",
    rate: Number(rate),
    per,
    unit: bytes ? "bytes" : "packets",
    ...(burst === (bytes ? 0 : 5) ? {} : { burst }),
    ...((flags & NFT_LIMIT_F_INV) !== 0 ? { over: true } : {}),
  });
  return true;
}

function readReject(reader: Reader, { data }: Named<"reject">): boolean {
  const { network, family } = reader.context;
  const answer = rejectAnswer(data.type ?? 0, data.code ?? 0, network === "ip6");
  if (answer === undefined) return false;
  const own = family === "ip" || family === "ip6";
  const isIcmp = answer.startsWith("icmp ") || answer.startsWith("icmpv6 ");
  // What kind of ICMP it is says the network protocol, and in a table for one of them a reset says TCP.
  if (own && answer === "tcp reset") drop(reader, "transport");
  if (!own && isIcmp) drop(reader, "network");
  const usual = own
    ? family === "ip"
      ? "icmp port-unreachable"
      : "icmpv6 port-unreachable"
    : "icmpx port-unreachable";
  act(reader, { kind: "reject", ...(answer === usual ? {} : { with: answer }) });
  return true;
}
