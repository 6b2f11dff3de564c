/**
 * The agent's configuration out of a network configuration that operators have already: of `tendril` itself or of one of
 * the plugins that it takes the place of. What these say of the whole cluster is enough to start.
 */

import { ConfigError, DecodeError } from "../core/errors.ts";
import { object, optional, text } from "../core/schema.ts";

/** The fields of {@link ../agent/config.ts} that a network configuration gives. */
export interface NetworkSource {
  readonly network: string;
  readonly mode?: string;
  readonly subnet?: string;
  readonly bridge?: string;
  readonly mtu?: number;
  /** `subnet` is the node's own range, out of which no other node claims. */
  readonly ownSubnet?: true;
}

/** Their mode when they name none: they all connect nodes of one link by routes. */
const DEFAULT_MODES: Readonly<Record<string, string>> = {
  simplecni: "host-gw",
  minicni: "host-gw",
  testcni: "host-gw",
};

interface RawPlugin {
  readonly type: string;
  readonly mode: string | undefined;
  readonly subnet: string | undefined;
  readonly bridge: string | undefined;
  readonly mtu: unknown;
}

const plugin = object<RawPlugin>({
  type: text,
  mode: optional(text),
  subnet: optional(text),
  bridge: optional(text),
  // The agent's own schema says what is wrong with it.
  mtu: optional<unknown>((value) => value),
});

/** Reads a `.conf` or `.conflist`. `types` are the names of the cluster's plugin. Throws DecodeError, ConfigError. */
export function readNetworkSource(source: string, types: readonly string[]): NetworkSource {
  const top = parseObject(source);
  const network = text(top.name, "name");
  const list = Array.isArray(top.plugins) ? (top.plugins as unknown[]) : [top];
  const index = list.findIndex((each) => types.includes((each as { type?: unknown } | null)?.type as string));
  if (index < 0) {
    throw new ConfigError(list.length === 1 ? "type" : "plugins", `names none of ${types.join(", ")}`, {
      value: list.map((each) => (each as { type?: unknown } | null)?.type),
    });
  }
  const raw = plugin(list[index], list[0] === top ? "" : `plugins[${index}]`);
  const mode = raw.mode || DEFAULT_MODES[raw.type];
  return {
    network,
    ...(mode !== undefined && { mode }),
    ...(raw.subnet !== undefined && { subnet: withLength(raw.subnet) }),
    ...(raw.bridge !== undefined && mode === "host-gw" && { bridge: raw.bridge }),
    ...(raw.mtu !== undefined && { mtu: raw.mtu as number }),
    ...(raw.type === "minicni" && { ownSubnet: true }),
  };
}

function parseObject(source: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(source);
  } catch (error) {
    throw new DecodeError(`The network configuration is not JSON: ${error}`, { cause: error });
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new DecodeError("The network configuration is not an object");
}

/** testcni's mode vxlan has a network without a length, which is a /16 there. */
function withLength(subnet: string): string {
  return subnet.includes("/") ? subnet : `${subnet}/16`;
}
