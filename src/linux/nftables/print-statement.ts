/** Statements as nft(8) writes them. */

import type {
  NftElementContent,
  NftKeys,
  NftLimit,
  NftLog,
  NftMatch,
  NftNat,
  NftNatFlag,
  NftRange,
  NftSetMark,
  NftTuple,
  NftType,
  NftValue,
} from "../../core/nftables.ts";
import { hasRanges } from "./compile/job.ts";
import { DATA_TYPES, encodeValue, maskBits } from "./datatypes.ts";
import type { ReadStatement } from "./decompile/reader.ts";
import { FIELDS, keyList, keyTypes } from "./keys.ts";
import { formatElement, sortElements } from "./print-element.ts";
import { formatPart, formatValue, type LinkName } from "./print-value.ts";
import { formatVerdict } from "./verdict.ts";

/** One statement; what has none here becomes a comment, which nft(8) passes over. */
export function formatStatement(statement: ReadStatement, linkName?: LinkName): string {
  switch (statement.kind) {
    case "match":
      return formatMatch(statement, linkName);
    case "vmap": {
      const { key, map } = statement;
      const target = typeof map === "string" ? `@${map}` : formatAnonymous(keyTypes(key), map, linkName);
      return `${formatKey(key)} vmap ${target}`;
    }
    case "verdict":
      return formatVerdict(statement.verdict);
    case "masquerade":
    case "redirect": {
      const ports = statement.ports === undefined ? [] : [`to :${formatPart("inet_service", statement.ports)}`];
      return [statement.kind, ...ports, ...formatFlags(statement.flags)].join(" ");
    }
    case "snat":
    case "dnat":
      return formatNat(statement);
    case "counter":
      return `counter packets ${statement.packets ?? 0} bytes ${statement.bytes ?? 0}`;
    case "log":
      return formatLog(statement);
    case "limit":
      return formatLimit(statement);
    case "reject":
      return statement.with === undefined ? "reject" : `reject with ${statement.with}`;
    case "notrack":
      return "notrack";
    case "set":
      return `${statement.key} set ${formatMarkValue(statement.value)}`;
    case "unknown":
      return `# ${statement.expression}: not known here`;
  }
}

function formatKey(key: NftKeys): string {
  return keyList(key).join(" . ");
}

function formatMatch({ key, operator, mask, value }: NftMatch, linkName?: LinkName): string {
  const types = keyTypes(key);
  const [type] = types as [NftType];
  const prefix = formatMarkPrefix(key, operator, mask, value);
  if (prefix !== undefined) return prefix;
  const masked = mask === undefined ? "" : ` & ${formatValue(type, mask, linkName)}`;
  const isSet = typeof value === "object" && ("set" in value || "anyOf" in value);
  // nft(8) leaves "is equal" out where it goes without saying.
  const shown = operator ?? (mask === undefined ? undefined : "==");
  const needless = shown === "==" && mask === undefined && (isSet || !DATA_TYPES[type].bits);
  const sign = shown === undefined || needless ? "" : ` ${shown}`;
  return `${formatKey(key)}${masked}${sign} ${formatOperand(types, { key, value, ...(operator && { operator }) }, linkName)}`;
}

/** nft(8) writes leading bits of a mark as those of an address: `meta mark 0x80000000/1`. */
function formatMarkPrefix(
  key: NftKeys,
  operator: NftMatch["operator"],
  mask: NftValue | undefined,
  value: NftMatch["value"],
): string | undefined {
  const isEquality = operator === undefined || operator === "==" || operator === "!=";
  if (typeof mask !== "number" || typeof value !== "number" || !isEquality || keyTypes(key)[0] !== "mark") {
    return undefined;
  }
  // In network order, whatever that of the register is.
  const bits = maskBits(encodeValue("mark", mask).toReversed());
  if (bits === undefined) return undefined;
  const length = bits === 32 ? "" : `/${bits}`;
  return `${formatKey(key)}${operator === "!=" ? " !=" : ""} ${formatValue("mark", value)}${length}`;
}

function formatOperand(
  types: readonly NftType[],
  { value, operator }: Pick<NftMatch, "key" | "value" | "operator">,
  linkName?: LinkName,
): string {
  const [type] = types as [NftType];
  if (typeof value !== "object") return formatValue(type, value, linkName);
  if ("set" in value) return `@${value.set}`;
  if ("anyOf" in value) return formatAnonymous(types, value.anyOf.map(asElement), linkName);
  if ("from" in value) return formatPart(type, value, linkName);
  return value.join(operator === "==" || operator === "!=" ? " | " : ",");
}

function asElement(one: NftValue | NftRange | NftTuple): NftElementContent {
  return { key: isTuple(one) ? one : [one] };
}

function isTuple(one: NftValue | NftRange | NftTuple): one is NftTuple {
  return Array.isArray(one);
}

function formatAnonymous(
  types: readonly NftType[],
  elements: readonly NftElementContent[],
  linkName?: LinkName,
): string {
  const set = { key: types, ...(hasRanges(types, elements) ? { flags: ["interval" as const] } : {}) };
  return `{ ${sortElements(set, elements)
    .map((element) => formatElement(set, element, linkName))
    .join(", ")} }`;
}

function formatNat({ kind, family, address, ports, map, flags }: NftNat): string {
  const to = family === undefined ? "to" : `${family} to`;
  const target = map === undefined ? formatTarget(address, ports) : `${formatKey(map.key)} map @${map.name}`;
  return [kind, to, target, ...formatFlags(flags)].join(" ");
}

function formatTarget(address: NftNat["address"], ports: NftNat["ports"]): string {
  const port = ports === undefined ? "" : `:${formatPart("inet_service", ports)}`;
  if (address === undefined) return port;
  // A colon begins the port, so an IPv6 address before one is in brackets.
  const show = (ip: NftValue) => (port !== "" && String(ip).includes(":") ? `[${ip}]` : String(ip));
  return `${typeof address === "object" ? `${show(address.from)}-${show(address.to)}` : show(address)}${port}`;
}

function formatFlags(flags: readonly NftNatFlag[] | undefined): string[] {
  return flags === undefined || flags.length === 0 ? [] : [flags.join(",")];
}

function formatLog({ prefix, group, snaplen, queueThreshold, level }: NftLog): string {
  return [
    "log",
    ...(prefix === undefined ? [] : [`prefix "${prefix}"`]),
    ...(group === undefined ? [] : [`group ${group}`]),
    ...(snaplen === undefined ? [] : [`snaplen ${snaplen}`]),
    ...(queueThreshold === undefined ? [] : [`queue-threshold ${queueThreshold}`]),
    ...(level === undefined ? [] : [`level ${level}`]),
  ].join(" ");
}

function formatLimit({ rate, per, unit, burst, over }: NftLimit): string {
  const bytes = unit === "bytes";
  const most = `limit rate ${over ? "over " : ""}${bytes ? `${formatBytes(rate)}` : rate}/${per}`;
  if (burst === undefined) return most;
  return `${most} burst ${bytes ? formatBytes(burst) : `${burst} packets`}`;
}

/** By the largest unit that leaves a whole number. */
function formatBytes(bytes: number): string {
  let count = bytes;
  let unit = 0;
  for (; unit < 2 && count > 0 && count % 1024 === 0; unit++) count /= 1024;
  return `${count} ${["bytes", "kbytes", "mbytes"][unit]}`;
}

function formatMarkValue(value: NftSetMark["value"]): string {
  if (typeof value === "number") return formatValue("mark", value);
  const { key, and, xor, or } = value;
  return [
    key,
    ...(and === undefined ? [] : [`& ${formatValue(FIELDS[key].type, and)}`]),
    ...(xor === undefined ? [] : [`^ ${formatValue(FIELDS[key].type, xor)}`]),
    ...(or === undefined ? [] : [`| ${formatValue(FIELDS[key].type, or)}`]),
  ].join(" ");
}
