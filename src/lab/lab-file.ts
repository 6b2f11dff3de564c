/** The lab file: YAML to a complete lab, or to one error that names the field. */

import { parseDocument } from "yaml";
import { MODES } from "../core/cluster.ts";
import { ConfigError, DecodeError } from "../core/errors.ts";
import { interfaceNameProblem } from "../core/names.ts";
import {
  boolean,
  cidr,
  exactly,
  integer,
  ip,
  list,
  oneOf,
  optional,
  type Schema,
  text,
  withDefault,
} from "../core/schema.ts";
import { planAddresses } from "./address-plan.ts";
import type { Lab, LabDescription, LabMode } from "./lab.ts";
import { OUTSIDE, ROUTER, SWITCH } from "./names.ts";

function named(pattern: RegExp, longest: number, rule: string): Schema<string> {
  return (value, field) => {
    const name = text(value, field);
    if (name.length > longest) throw new ConfigError(field, `is longer than ${longest} characters`, { value });
    if (!pattern.test(name)) throw new ConfigError(field, rule, { value });
    return name;
  };
}

const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const LABEL_RULE = "must be lower-case letters, digits and hyphens";

/** No hyphen: it ends the lab's name in the names of all that the lab makes. */
export const labName = named(/^[a-z][a-z0-9]*$/, 20, "must be lower-case letters and digits, a letter first");

const podName = named(LABEL, 63, LABEL_RULE);

/** The name of a node or subnet is also that of a link: a node's at its switch, a subnet's at the router. */
const linkName: Schema<string> = (value, field) => {
  const name = text(value, field);
  const problem = interfaceNameProblem(name);
  if (problem !== undefined) throw new ConfigError(field, `cannot name an interface, it ${problem}`, { value });
  if (!LABEL.test(name)) throw new ConfigError(field, LABEL_RULE, { value });
  if ([ROUTER, OUTSIDE, SWITCH, "lo"].includes(name))
    throw new ConfigError(field, "is a name of the lab's own", { value });
  return name;
};

/** The modes of a lab. */
export const LAB_MODES = ["none", ...MODES] as const satisfies readonly LabMode[];

/** Small enough that a lab of a few pods has several. */
const BLOCK_SIZE = { ipv4: 26, ipv6: 122 };

/** Seconds. A lab is there to see nodes come and go, so they are shorter than an agent's own. */
const HEARTBEAT = 1;
const GRACE = 3;
const COOL_DOWN = 1;

const description = exactly<LabDescription>({
  name: labName,
  mode: withDefault(oneOf(...LAB_MODES), "none"),
  crossSubnetOnly: withDefault(boolean, false),
  store: withDefault(oneOf("directory", "etcd"), "directory"),
  blockSize: withDefault(
    exactly<LabDescription["blockSize"]>({
      ipv4: withDefault(integer(8, 32), BLOCK_SIZE.ipv4),
      ipv6: withDefault(integer(16, 128), BLOCK_SIZE.ipv6),
    }),
    BLOCK_SIZE,
  ),
  heartbeat: withDefault(integer(1, 3600), HEARTBEAT),
  grace: withDefault(integer(1, 3600), GRACE),
  coolDown: withDefault(integer(0, 3600), COOL_DOWN),
  pods: list(cidr),
  subnets: list(
    exactly<LabDescription["subnets"][number]>({
      name: linkName,
      prefixes: list(cidr),
      // Every IPv6 link has to carry 1280 bytes, and a tunnel over it adds 70.
      mtu: optional(integer(1400, 65535)),
    }),
  ),
  nodes: list(
    exactly<LabDescription["nodes"][number]>({
      name: linkName,
      subnet: text,
      addresses: withDefault(list(ip), []),
      podSubnets: withDefault(list(cidr), []),
      pods: withDefault(list(podName), []),
    }),
  ),
  outside: withDefault(list(cidr), []),
});

/** What is said beside the file, on the command line. */
export interface LabOverrides {
  /** In the place of the file's own, so that one file can make several labs. */
  readonly name?: string | undefined;
  readonly mode?: LabMode | undefined;
  readonly store?: LabDescription["store"] | undefined;
}

/** Reads a lab file. Throws DecodeError for what is not YAML, ConfigError for a field that cannot be. */
export function parseLabFile(source: string, overrides: LabOverrides = {}): Lab {
  const document = parseDocument(source, { prettyErrors: true });
  const [problem] = document.errors;
  if (problem !== undefined) throw new DecodeError(`The lab file is not YAML: ${problem.message}`, { cause: problem });
  const raw: unknown = document.toJS();
  return planAddresses(description(override(raw ?? {}, overrides), ""));
}

function override(raw: unknown, { name, mode, store }: LabOverrides): unknown {
  if (typeof raw !== "object" || raw === null) return raw;
  // A mode without tunnels has no use for what the file says of them.
  const tunnels = mode === undefined || mode === "vxlan" || mode === "ipip" ? {} : { crossSubnetOnly: undefined };
  return {
    ...raw,
    ...(name === undefined ? {} : { name }),
    ...(mode === undefined ? {} : { mode, ...tunnels }),
    ...(store === undefined ? {} : { store }),
  };
}
