/** resolv.conf as DNS settings of a result. @see resolv.conf(5) */

import type { Dns } from "../../core/result.ts";
import { fileError } from "../../linux/file.ts";
import { readText } from "../../linux/libc-file.ts";

/** Parses resolv.conf: the last `domain` counts; `search` and `options` add up, as the reference plugin has it. */
export function parseResolvConf(text: string): Dns {
  const dns: Dns = {};
  for (const raw of text.split("\n")) {
    const line = raw.trim();
    if (line.startsWith("#") || line.startsWith(";")) continue;
    const [keyword, ...values] = line.split(/\s+/);
    const [first] = values;
    if (first === undefined) continue;
    if (keyword === "nameserver") dns.nameservers = [...(dns.nameservers ?? []), first];
    else if (keyword === "domain") dns.domain = first;
    else if (keyword === "search") dns.search = [...(dns.search ?? []), ...values];
    else if (keyword === "options") dns.options = [...(dns.options ?? []), ...values];
  }
  return dns;
}

/** Reads and parses a resolv.conf. Throws FileError, also when it is missing. */
export function readResolvConf(path: string): Dns {
  try {
    return parseResolvConf(readText(path));
  } catch (error) {
    throw fileError("read", path, error);
  }
}
