/**
 * The networks that a pod asks for beside the cluster's: the annotation's two forms.
 * @see https://github.com/k8snetworkplumbingwg/multi-net-spec/tree/master/v1.3, section 4
 */

import { parseCidr } from "../../core/cidr.ts";
import { ConfigError } from "../../core/errors.ts";
import { parseIp } from "../../core/ip.ts";
import {
  anyObject,
  anything,
  interfaceName,
  ipText,
  list,
  mac,
  object,
  optional,
  type Schema,
  text,
  withDefault,
} from "../../core/schema.ts";
import { commaItems, jsonItems } from "./items.ts";

/** One more network of a pod. */
export interface Selection {
  /** Of the NetworkAttachmentDefinition. */
  readonly namespace: string;
  readonly name: string;
  /** In the pod. */
  readonly ifname: string;
  /** With prefix lengths where they were given. */
  readonly ips: readonly string[];
  readonly mac: string | undefined;
  /** By which the pod's default routes are to lead; none where they stay as they are. */
  readonly gateways: readonly string[];
  /** Values of further capabilities, such as `bandwidth`. */
  readonly capabilities: Readonly<Record<string, unknown>>;
  /** What goes into the configuration's `args.cni`. */
  readonly args: Readonly<Record<string, unknown>>;
}

interface Element {
  readonly name: string;
  readonly namespace: string | undefined;
  readonly ips: string[];
  readonly mac: string | undefined;
  readonly interface: string | undefined;
  readonly "default-route": string[];
  readonly bandwidth: Readonly<Record<string, unknown>> | undefined;
  readonly portMappings: unknown[] | undefined;
  readonly "infiniband-guid": string | undefined;
  readonly "cni-args": Readonly<Record<string, unknown>> | undefined;
}

/** A name of an object of Kubernetes. @see RFC 1123 */
const objectName: Schema<string> = (value, field) => {
  const name = text(value, field);
  if (name.length <= 253 && /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(name)) return name;
  throw new ConfigError(field, "must be a name: lower-case letters, digits, dots and hyphens", { value });
};

const address: Schema<string> = (value, field) => {
  const given = text(value, field);
  if (parseIp(given) !== undefined || parseCidr(given) !== undefined) return given;
  throw new ConfigError(field, "must be an IP address, with or without a prefix length", { value });
};

const elements = list(
  object<Element>({
    name: objectName,
    namespace: optional(objectName),
    ips: withDefault(list(address), []),
    mac: optional(mac),
    interface: optional(interfaceName),
    "default-route": withDefault(list(ipText), []),
    bandwidth: optional(anyObject),
    portMappings: optional(list(anything)),
    "infiniband-guid": optional(text),
    "cni-args": optional(anyObject),
  }),
);

/** `[NAMESPACE/]NAME[@INTERFACE]` */
function shortElement(item: string, field: string): Element {
  const [, namespace, name = "", given] = /^(?:([^/@]*)\/)?([^/@]+)(?:@(.*))?$/.exec(item) ?? [];
  if (name === "") {
    throw new ConfigError(field, "must be [NAMESPACE/]NAME[@INTERFACE], or a list in JSON", { value: item });
  }
  return elements([{ name, namespace, interface: given }], field)[0] as Element;
}

/** The annotation of a pod in a namespace. An interface without a name is `net` and its number. */
export function selections(namespace: string): Schema<readonly Selection[]> {
  return (value, field) => {
    const given = text(value, field).trim();
    const listed = jsonItems(given, field);
    const found =
      listed === undefined
        ? commaItems(given).map((item, i) => shortElement(item, `${field}[${i}]`))
        : elements(listed, field);
    const seen = new Set<string>();
    return found.map((element, i) => {
      const ifname = element.interface ?? `net${i + 1}`;
      if (seen.has(ifname))
        throw new ConfigError(`${field}[${i}]`, "names an interface that another one has", { value: ifname });
      seen.add(ifname);
      return selectionOf(element, ifname, namespace);
    });
  };
}

function selectionOf(element: Element, ifname: string, namespace: string): Selection {
  const { bandwidth, portMappings, "infiniband-guid": infinibandGUID } = element;
  return {
    namespace: element.namespace ?? namespace,
    name: element.name,
    ifname,
    ips: element.ips,
    mac: element.mac,
    gateways: element["default-route"],
    capabilities: {
      ...(bandwidth !== undefined && { bandwidth }),
      ...(portMappings !== undefined && { portMappings }),
      ...(infinibandGUID !== undefined && { infinibandGUID }),
    },
    args: element["cni-args"] ?? {},
  };
}
