/** Elements of sets and maps as nft(8) writes them, and in its order. */

import type { NftElementContent, NftSet, NftTuple, NftType } from "../../core/nftables.ts";
import { DATA_TYPES, decodeTuple, encodeEnds, encodeTuple } from "./datatypes.ts";
import type { KernelElement } from "./element.ts";
import { compareBytes } from "./interval.ts";
import { formatTime, formatTuple, type LinkName } from "./print-value.ts";
import { formatVerdict } from "./verdict.ts";

type SetFormat = Pick<NftSet, "key" | "data" | "flags">;

/** One element: `10.0.0.1 comment "web" : accept`. */
export function formatElement(set: SetFormat, element: NftElementContent, linkName?: LinkName): string {
  const { key, data, verdict, comment, timeout } = element;
  const expires = "expires" in element ? (element as KernelElement).expires : undefined;
  const value =
    verdict !== undefined
      ? formatVerdict(verdict)
      : data !== undefined && Array.isArray(set.data)
        ? formatTuple(set.data, data, linkName)
        : undefined;
  return [
    "catchall" in element ? "*" : formatTuple(set.key, inFull(set.key, key), linkName),
    ...(timeout === undefined ? [] : [`timeout ${formatTime(timeout)}`]),
    ...(expires === undefined ? [] : [`expires ${formatTime(expires)}`]),
    ...(comment === undefined ? [] : [`comment "${comment}"`]),
    ...(value === undefined ? [] : [`: ${value}`]),
  ].join(" ");
}

/** As the kernel would give a key back: a range that is a prefix is one, and a prefix has no other bits. */
function inFull(types: readonly NftType[], key: NftTuple): NftTuple {
  const { from, to } = encodeTuple(types, key);
  return decodeTuple(types, from, to);
}

/** The order in which nft(8) lists elements, whatever the kernel's is; that of ranges in concatenations stays. */
export function sortElements<E extends NftElementContent>(set: SetFormat, elements: readonly E[]): E[] {
  const ranges = set.flags?.includes("interval") ?? false;
  if (ranges && set.key.length > 1) return [...elements];
  const order = ranges ? ascending : lastByteFirst;
  return elements
    .map((element) => ({ element, place: "catchall" in element ? undefined : order(set.key, element) }))
    .sort((a, b) => (a.place && b.place ? compareBytes(a.place, b.place) : Number(a.place === undefined)))
    .map(({ element }) => element);
}

/** Ranges come by their first value. */
function ascending(types: readonly NftType[], { key }: NftElementContent): Uint8Array {
  const { from } = encodeTuple(types, key);
  return isHostNumber(types) ? from.toReversed() : from;
}

/** nft(8) compares keys as numbers, and takes names and concatenations for numbers of the host's order. */
function lastByteFirst(types: readonly NftType[], { key }: NftElementContent): Uint8Array {
  const [only, ...more] = types;
  if (only !== undefined && more.length === 0) {
    const { from } = encodeTuple(types, key);
    return DATA_TYPES[only].host ? from.toReversed() : from;
  }
  const bytes = types.flatMap((type, i) => [...encodeEnds(type, key[i] ?? 0).from]);
  return Uint8Array.from(bytes.reverse());
}

function isHostNumber([type]: readonly NftType[]): boolean {
  return type !== undefined && DATA_TYPES[type].host === true && DATA_TYPES[type].text === undefined;
}

/** How many elements nft(8) puts on a line, by the type of the key; one unless named here. */
const PER_LINE: { readonly [K in NftType]?: number } = {
  nf_proto: 5,
  inet_proto: 5,
  inet_service: 5,
  mark: 5,
  iface_index: 5,
  ct_dir: 5,
  ipv4_addr: 2,
  ct_state: 2,
  ct_status: 2,
};

/** The elements of a named set, in lines as `nft list` breaks them. */
export function formatElements(set: SetFormat, elements: readonly NftElementContent[], linkName?: LinkName): string {
  const [type, ...more] = set.key;
  const perLine = (more.length === 0 && type !== undefined && PER_LINE[type]) || 1;
  const texts = sortElements(set, elements).map((element) => formatElement(set, element, linkName));
  let text = texts[0] ?? "";
  for (let i = 1; i < texts.length; i++) text += `${i % perLine === 0 ? ",\n\t\t\t     " : ", "}${texts[i]}`;
  return `{ ${text} }`;
}
