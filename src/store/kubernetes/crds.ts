/**
 * The custom resources, as the API server is told of them: the schema of each document of `core/cluster.ts`, rules for
 * what a schema cannot say, and what `kubectl get` shows.
 *
 * A field that a schema does not name is refused by kubectl, and dropped where a program writes it: so the definitions
 * of a newer version are installed before its programs.
 * @see https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
 */

import { DEFAULT_BLOCK_BITS, DOCUMENT_VERSION, MODES } from "../../core/cluster.ts";
import {
  about,
  boolean,
  cidr,
  dateTime,
  integer,
  ip,
  list,
  mapOf,
  network,
  obeying,
  object,
  oneOf,
  type SchemaNode,
  text,
  withDefault,
} from "./crd-schema.ts";
import { GROUP, VERSION } from "./resources.ts";

export interface CustomResourceDefinition {
  readonly apiVersion: "apiextensions.k8s.io/v1";
  readonly kind: "CustomResourceDefinition";
  readonly metadata: { readonly name: string };
  readonly spec: object;
}

interface Column {
  readonly name: string;
  readonly type: "string" | "integer" | "boolean" | "date";
  readonly jsonPath: string;
  /** Above 0 it is shown by `-o wide` alone. */
  readonly priority?: number;
}

interface Names {
  readonly kind: string;
  readonly plural: string;
  readonly shortName: string;
}

/** The definitions that the store needs, to be applied before an agent begins. */
export function customResourceDefinitions(): CustomResourceDefinition[] {
  return [nodes(), pools(), blocks(), reservations()];
}

const MAX_NAME = 253;
const name: SchemaNode = { type: "string", maxLength: MAX_NAME };
const version = about("Of the document's form.", withDefault(DOCUMENT_VERSION, oneOf(DOCUMENT_VERSION)));
const labels = mapOf({ type: "string", maxLength: 63 });
const AGE: Column = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" };

function nodes(): CustomResourceDefinition {
  const bgp = object({
    as: about("The number of its autonomous system.", integer(1, 0xffffffff)),
    routeReflector: about("Whether other nodes learn all routes from it.", withDefault(false, boolean)),
  });
  const spec = object(
    {
      version,
      addresses: about("Its addresses in the fabric, in CIDR notation.", list(cidr, { maxItems: 64 })),
      tunnelMac: about("Of its end of the tunnels.", {
        type: "string",
        pattern: "^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$",
      }),
      podAddresses: about("Its own addresses among the pods, to which probes are sent.", list(ip, { maxItems: 8 })),
      mtu: about("The most bytes of a pod's packet to another node.", integer(68, 65535)),
      modes: about("The ways by which it reaches other nodes.", list(oneOf(...MODES))),
      labels: about("For pools that serve some nodes only.", labels),
      agentVersion: text,
      bgp: about("What other nodes' BIRD has to know of its.", bgp),
      epoch: about("How often it has been given up; its blocks carry the epoch of their claim.", integer(0)),
      patience: about("Seconds without a sign of life after which it may be given up.", integer(0)),
      gone: about("Given up: its blocks are to be freed.", boolean),
    },
    ...["tunnelMac", "podAddresses", "mtu", "modes", "labels", "agentVersion", "bgp", "patience", "gone"],
  );
  return definition({ kind: "TendrilNode", plural: "tendrilnodes", shortName: "tnode" }, { spec }, [
    { name: "Addresses", type: "string", jsonPath: ".spec.addresses" },
    { name: "Modes", type: "string", jsonPath: ".spec.modes" },
    { name: "MTU", type: "integer", jsonPath: ".spec.mtu" },
    { name: "Gone", type: "boolean", jsonPath: ".spec.gone" },
    { name: "Agent", type: "string", jsonPath: ".spec.agentVersion", priority: 1 },
    { name: "Epoch", type: "integer", jsonPath: ".spec.epoch", priority: 1 },
    AGE,
  ]);
}

function pools(): CustomResourceDefinition {
  const networks = obeying(list(network, { minItems: 1, maxItems: 2 }), {
    rule: "self.size() < 2 || !self.all(c, isCIDR(c)) || cidr(self[0]).ip().family() != cidr(self[1]).ip().family()",
    message: "must be of different families: a pool has one network of each at most",
  });
  const blockBits = obeying(
    object({
      ipv4: withDefault(DEFAULT_BLOCK_BITS.ipv4, integer(8, 32)),
      ipv6: withDefault(DEFAULT_BLOCK_BITS.ipv6, integer(16, 128)),
    }),
    { rule: "self == oldSelf", message: "cannot be changed: nodes hold blocks of this size. Make another pool" },
  );
  const spec = obeying(
    object(
      {
        version,
        cidrs: about("The networks of its addresses, one of a family at most.", networks),
        blockBits: about("Prefix lengths of the blocks by which nodes claim them.", withDefault({}, blockBits)),
        nodeSelector: about("Labels that a node must have to claim of it.", withDefault({}, labels)),
        excluded: about(
          "Networks and addresses in CIDR notation that are never given to a pod.",
          withDefault([], list(cidr, { maxItems: 128 })),
        ),
        masquerade: about("Whether pods leave the cluster under their node's address.", withDefault(true, boolean)),
        gateways: about("Whether each block is a subnet with a gateway on its node, for pods on a bridge.", boolean),
        routed: about("Whether nodes lead its addresses to each other; yes when absent.", boolean),
      },
      ...["gateways", "routed"],
    ),
    {
      rule:
        "self.cidrs.all(c, !isCIDR(c) || " +
        "cidr(c).prefixLength() <= (cidr(c).ip().family() == 4 ? self.blockBits.ipv4 : self.blockBits.ipv6))",
      message: 'must have no network in "cidrs" that is smaller than a block of "blockBits"',
    },
    {
      rule:
        "!self.cidrs.all(c, isCIDR(c)) || self.excluded.all(e, !isCIDR(e) || " +
        "self.cidrs.exists(c, cidr(c).containsCIDR(e) || cidr(e).containsCIDR(c)))",
      message: 'must have nothing in "excluded" that lies in no network of the pool',
    },
  );
  return definition({ kind: "Pool", plural: "pools", shortName: "tpool" }, { spec, status: poolStatus() }, [
    { name: "CIDRs", type: "string", jsonPath: ".spec.cidrs" },
    { name: "Used", type: "integer", jsonPath: ".status.ipv4.used" },
    { name: "Free", type: "string", jsonPath: ".status.ipv4.free" },
    { name: "Capacity", type: "string", jsonPath: ".status.ipv4.capacity" },
    { name: "Used6", type: "integer", jsonPath: ".status.ipv6.used", priority: 1 },
    { name: "Free6", type: "string", jsonPath: ".status.ipv6.free", priority: 1 },
    { name: "Capacity6", type: "string", jsonPath: ".status.ipv6.capacity", priority: 1 },
    { name: "Exhausted", type: "string", jsonPath: '.status.conditions[?(@.type=="Exhausted")].status' },
    { name: "Conflicting", type: "string", jsonPath: '.status.conditions[?(@.type=="Conflicting")].status' },
    AGE,
  ]);
}

/** Written by the controller. */
function poolStatus(): SchemaNode {
  const family = object(
    {
      capacity: about("How many addresses there are, in digits: of IPv6 more than a number can tell.", text),
      used: about("How many pods and nodes have, or are reserved.", integer(0)),
      free: about("How many are left, in digits.", text),
      blocks: about("How many blocks are claimed.", integer(0)),
    },
    ...["capacity", "used", "free", "blocks"],
  );
  const condition = object(
    {
      type: { type: "string", maxLength: 316 },
      status: oneOf("True", "False", "Unknown"),
      reason: { type: "string", maxLength: 1024 },
      message: { type: "string", maxLength: 32768 },
      lastTransitionTime: dateTime,
      observedGeneration: integer(0),
    },
    "observedGeneration",
  );
  const conditions = {
    ...list(condition),
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["type"],
  };
  const fields = { observedGeneration: integer(0), ipv4: family, ipv6: family, conditions };
  return object(fields, ...Object.keys(fields));
}

function blocks(): CustomResourceDefinition {
  const owners = mapOf(name);
  const spec = object(
    {
      version,
      pool: about("The pool that it is a part of.", name),
      cidr: network,
      node: about("Whose it is; empty when its node was given up while others hold addresses of it.", name),
      epoch: about("The node's when it claimed the block.", integer(0)),
      offered: about("Addresses that others may borrow.", list(text)),
      lent: about("Addresses that other nodes hold, and which.", owners),
      reserved: about("Addresses that are for one owner alone, and the names of their reservations.", owners),
    },
    ...["offered", "lent", "reserved"],
  );
  const fixed = obeying(spec, {
    rule: "self.cidr == oldSelf.cidr && self.pool == oldSelf.pool",
    message: 'must keep its "cidr" and "pool"',
  });
  return definition({ kind: "Block", plural: "blocks", shortName: "tblock" }, { spec: fixed }, [
    { name: "CIDR", type: "string", jsonPath: ".spec.cidr" },
    { name: "Pool", type: "string", jsonPath: ".spec.pool" },
    { name: "Node", type: "string", jsonPath: ".spec.node" },
    { name: "Epoch", type: "integer", jsonPath: ".spec.epoch", priority: 1 },
    AGE,
  ]);
}

function reservations(): CustomResourceDefinition {
  const spec = object(
    {
      version,
      addresses: list(ip, { maxItems: 256 }),
      owner: about("For whom, such as a pod's namespace and name: default/web-0.", {
        type: "string",
        minLength: 1,
        maxLength: 1024,
      }),
      node: about("Where the owner runs, or is about to: others hand the addresses over.", name),
      sticky: about("Made by the owner's first attachment, not by an operator.", boolean),
      fixed: about("Made for what the pod itself asks for: it ends with the pod.", boolean),
      expires: about("When it ends; it stays until it is deleted when absent.", dateTime),
    },
    ...["node", "sticky", "fixed", "expires"],
  );
  const fixed = obeying(spec, { rule: "self.owner == oldSelf.owner", message: 'must keep its "owner"' });
  return definition({ kind: "Reservation", plural: "reservations", shortName: "tres" }, { spec: fixed }, [
    { name: "Owner", type: "string", jsonPath: ".spec.owner" },
    { name: "Addresses", type: "string", jsonPath: ".spec.addresses" },
    { name: "Node", type: "string", jsonPath: ".spec.node" },
    { name: "Expires", type: "string", jsonPath: ".spec.expires" },
    { name: "Sticky", type: "boolean", jsonPath: ".spec.sticky", priority: 1 },
    AGE,
  ]);
}

interface Parts {
  readonly spec: SchemaNode;
  readonly status?: SchemaNode;
}

function definition(names: Names, { spec, status }: Parts, columns: readonly Column[]): CustomResourceDefinition {
  const { kind, plural, shortName } = names;
  const schema = {
    type: "object",
    required: ["spec"],
    properties: { spec, ...(status !== undefined && { status }) },
  };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${GROUP}` },
    spec: {
      group: GROUP,
      scope: "Cluster",
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        shortNames: [shortName],
        categories: ["tendril"],
      },
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: schema },
          ...(status !== undefined && { subresources: { status: {} } }),
          additionalPrinterColumns: columns,
        },
      ],
    },
  };
}
