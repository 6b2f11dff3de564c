/** The section `bgp` of the agent's configuration. */

import { ConfigError } from "../core/errors.ts";
import {
  boolean,
  exactly,
  integer,
  ipText,
  list,
  oneOf,
  optional,
  type Schema,
  text,
  withDefault,
} from "../core/schema.ts";

/** A router of the fabric that is told of the node's pods. */
export interface BgpPeer {
  readonly address: string;
  readonly as: number;
  /** For TCP's MD5 option. @see https://www.rfc-editor.org/rfc/rfc2385 */
  readonly password?: string;
  readonly port: number;
  /** How many hops away it is; on the node's own link when absent. */
  readonly multihop?: number;
  readonly bfd: boolean;
}

export interface BgpSettings {
  /** The node's autonomous system. */
  readonly as: number;
  readonly peers: readonly BgpPeer[];
  /** The other nodes get their routes from this one, and need no sessions with each other. */
  readonly routeReflector: boolean;
  /** Of the route reflectors, where several are one cluster to BGP; the node's own router ID when absent. */
  readonly clusterId?: string;
  /** Between the nodes. */
  readonly password?: string;
  /** Keep the routes of a neighbour whose BIRD restarts, and have them keep ours. */
  readonly gracefulRestart: boolean;
  /** Between the nodes. */
  readonly bfd: boolean;
  /** How packets reach nodes of other links: by routers that know the pods, or in tunnels. */
  readonly tunnel?: "ipip";
  /** The program. */
  readonly bird: string;
}

export const DEFAULT_AS = 64512;

const as = integer(1, 0xffffffff);

/** BIRD has no way to write a quotation mark or a line's end within a text. */
const password: Schema<string> = (value, field) => {
  const word = text(value, field);
  if (/^[^"\p{Cc}]+$/u.test(word)) return word;
  throw new ConfigError(field, "must have neither quotation marks nor control characters, and not be empty");
};

const peer = exactly<BgpPeer>({
  address: ipText,
  as,
  password: optional(password),
  port: withDefault(integer(1, 65535), 179),
  multihop: optional(integer(1, 255)),
  bfd: withDefault(boolean, false),
});

/** Throws ConfigError. */
export const bgpSettings: Schema<BgpSettings> = exactly<BgpSettings>({
  as: withDefault(as, DEFAULT_AS),
  peers: withDefault(list(peer), []),
  routeReflector: withDefault(boolean, false),
  clusterId: optional(ipText),
  password: optional(password),
  gracefulRestart: withDefault(boolean, true),
  bfd: withDefault(boolean, false),
  tunnel: optional(oneOf("ipip")),
  bird: withDefault(text, "bird"),
});
