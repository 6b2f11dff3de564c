/** The lab file: YAML to a complete lab, or to one error that names the field. */

import { parseDocument } from "yaml";
import { ConfigError, DecodeError } from "../core/errors.ts";
import { interfaceNameProblem } from "../core/names.ts";
import { cidr, ip, list, type OptionalSchema, object, type Schema, text, withDefault } from "../core/schema.ts";
import { planAddresses } from "./address-plan.ts";
import type { Lab, LabDescription } from "./lab.ts";
import { OUTSIDE, ROUTER, SWITCH } from "./names.ts";

/** An object in which a field that is not in the table is an error: in a file written by hand it is a slip. */
function exactly<T extends object>(
  fields: { readonly [K in keyof T]-?: Schema<T[K]> | OptionalSchema<T[K]> },
): Schema<T> {
  const checked = object<T>(fields);
  return (value, field) => {
    const result = checked(value, field);
    for (const key of Object.keys(value as object)) {
      const known = Object.keys(fields);
      if (!known.includes(key)) {
        const path = field === "" ? key : `${field}.${key}`;
        throw new ConfigError(path, `is not a field here; there are ${known.join(", ")}`);
      }
    }
    return result;
  };
}

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

const description = exactly<LabDescription>({
  name: labName,
  pods: list(cidr),
  subnets: list(exactly<LabDescription["subnets"][number]>({ name: linkName, prefixes: list(cidr) })),
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

/**
 * Reads a lab file. `name` takes the place of the file's own, so that one file can make several labs.
 * Throws DecodeError for what is not YAML, ConfigError for a field that cannot be.
 */
export function parseLabFile(source: string, name?: string): Lab {
  const document = parseDocument(source, { prettyErrors: true });
  const [problem] = document.errors;
  if (problem !== undefined) throw new DecodeError(`The lab file is not YAML: ${problem.message}`, { cause: problem });
  const raw: unknown = document.toJS();
  const named = name !== undefined && typeof raw === "object" && raw !== null ? { ...raw, name } : raw;
  return planAddresses(description(named ?? {}, ""));
}
