/**
 * What the agents may do at the API server. What RBAC cannot say, that an agent writes for its own node alone, admission
 * policies say, by the node that the API server has written into the token of the agent's pod.
 *
 * @see https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
 */

import { STARTUP_TAINT } from "../../agent/node-readiness.ts";
import { SETTINGS, SYSTEM_NAMESPACE } from "../../agent/pods/cluster-networks.ts";
import { DEFINITIONS_GROUP } from "../../agent/pods/definitions.ts";
import { NETWORK_STATUS } from "../../agent/pods/network-status.ts";
import { GROUP, VERSION } from "../../store/kubernetes/resources.ts";
import { accountObjects, type Rule } from "./account.ts";
import { AGENT, type InstallOptions, LABELS, type ManifestObject } from "./options.ts";

const ADMISSION = "admissionregistration.k8s.io/v1";
const READ = ["get", "list", "watch"];

const RULES: readonly Rule[] = [
  // What pods ask for of their network, and what is wrong with it.
  { apiGroups: [""], resources: ["pods", "namespaces"], verbs: READ },
  { apiGroups: ["events.k8s.io"], resources: ["events"], verbs: ["create"] },
  // Pods' further networks, and what has come of them.
  { apiGroups: [DEFINITIONS_GROUP], resources: ["network-attachment-definitions"], verbs: ["get"] },
  { apiGroups: ["networking.k8s.io"], resources: ["servicecidrs"], verbs: ["list"] },
  { apiGroups: [""], resources: ["pods/status"], verbs: ["patch"] },
  // The condition of its own node, and the taint with which it started.
  { apiGroups: [""], resources: ["nodes"], verbs: ["get", "patch"] },
  { apiGroups: [""], resources: ["nodes/status"], verbs: ["patch"] },
  { apiGroups: [GROUP], resources: ["tendrilnodes"], verbs: [...READ, "create", "patch"] },
  { apiGroups: [GROUP], resources: ["pools"], verbs: [...READ, "create"] },
  { apiGroups: [GROUP], resources: ["blocks", "reservations"], verbs: [...READ, "create", "patch", "delete"] },
];

const OWN_RULES: readonly Rule[] = [
  { apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: [...READ, "create", "patch", "delete"] },
];

/** Where the cluster says which networks its pods have. */
const SETTINGS_RULES: readonly Rule[] = [
  { apiGroups: [""], resources: ["configmaps"], resourceNames: SETTINGS, verbs: ["get"] },
];

/** The account, its roles and the policies. */
export function accessObjects({ namespace, subnet }: InstallOptions): ManifestObject[] {
  const settings = { namespace: SYSTEM_NAMESPACE, rules: SETTINGS_RULES };
  return [
    ...accountObjects(AGENT, namespace, {
      ...{ cluster: RULES, own: OWN_RULES },
      ...(subnet.length === 0 && { elsewhere: settings }),
    }),
    ...policies(namespace).flatMap((policy) => policyObjects(policy, namespace)),
  ];
}

interface Validation {
  /** In CEL; `variables.node` is the agent's own node. */
  readonly expression: string;
  readonly message: string;
}

interface Policy {
  readonly name: string;
  readonly group: string;
  readonly version: string;
  readonly resources: readonly string[];
  readonly validations: readonly Validation[];
  /** Of what is deleted, `oldObject`; unless given, what RBAC says of it is all that is said. */
  readonly deletion?: Validation;
}

/** All of a Node that counts, but for its taints and conditions. @see core/v1 NodeSpec, NodeStatus */
const FIXED_FIELDS = [
  ...["labels", "annotations", "finalizers", "ownerReferences"].map((field) => `metadata.?${field}`),
  ...["podCIDR", "podCIDRs", "providerID", "unschedulable", "configSource"].map((field) => `spec.?${field}`),
  ...["capacity", "allocatable", "phase", "addresses", "daemonEndpoints", "nodeInfo"].map(
    (field) => `status.?${field}`,
  ),
  ...["images", "volumesInUse", "volumesAttached", "config", "runtimeHandlers", "features"].map(
    (field) => `status.?${field}`,
  ),
];

function policies(namespace: string): Policy[] {
  const own = { group: GROUP, version: VERSION };
  const isNamed = "object.metadata.name == variables.node";
  return [
    {
      ...own,
      name: "nodes",
      resources: ["tendrilnodes"],
      validations: [{ expression: isNamed, message: "An agent writes its own node alone" }],
    },
    {
      ...own,
      name: "pools",
      resources: ["pools"],
      validations: [
        {
          expression: `object.metadata.name in ['default', variables.node]`,
          message: "An agent makes no pool but the one of its configuration",
        },
      ],
    },
    {
      ...own,
      name: "blocks",
      resources: ["blocks"],
      validations: [
        {
          expression:
            "object.spec.node in ['', variables.node] || (request.operation == 'UPDATE' && object.spec.node == oldObject.spec.node)",
          message: "An agent claims blocks for its own node alone",
        },
        {
          expression:
            "request.operation == 'CREATE' || object.spec.node == oldObject.spec.node || object.spec.node == '' || oldObject.spec.node == ''",
          message: "An agent takes no block that is another node's",
        },
        {
          expression:
            "!has(object.spec.lent) || object.spec.lent.all(a, object.spec.lent[a] == variables.node || (request.operation == 'UPDATE' && has(oldObject.spec.lent) && a in oldObject.spec.lent && oldObject.spec.lent[a] == object.spec.lent[a]))",
          message: "An agent borrows addresses for its own node alone",
        },
      ],
      deletion: {
        expression: "oldObject.spec.node == variables.node",
        message: "An agent gives back blocks of its own node alone",
      },
    },
    {
      ...own,
      name: "reservations",
      resources: ["reservations"],
      validations: [
        {
          expression:
            "!has(object.spec.node) || object.spec.node == variables.node || (request.operation == 'UPDATE' && has(oldObject.spec.node) && object.spec.node == oldObject.spec.node)",
          message: "An agent asks for reserved addresses for its own node alone",
        },
      ],
      deletion: {
        expression:
          "has(oldObject.spec.expires) || (has(oldObject.spec.sticky) && oldObject.spec.sticky) || (has(oldObject.spec.fixed) && oldObject.spec.fixed)",
        message: "An agent ends no reservation that is an operator's and has no end",
      },
    },
    {
      name: "readiness",
      group: "",
      version: "v1",
      resources: ["nodes", "nodes/status"],
      validations: [
        { expression: isNamed, message: "An agent tells of its own node alone" },
        {
          expression: asBefore(FIXED_FIELDS),
          message: "An agent changes nothing of its node but what it tells of its network",
        },
        {
          expression:
            "object.?spec.?taints.orValue([]).all(t, t in oldObject.?spec.?taints.orValue([])) && " +
            `oldObject.?spec.?taints.orValue([]).all(t, t.key == '${STARTUP_TAINT}' || t in object.?spec.?taints.orValue([]))`,
          message: `An agent takes away the taint ${STARTUP_TAINT} and no other`,
        },
        {
          expression:
            "object.?status.?conditions.orValue([]).filter(c, c.type != 'NetworkUnavailable') == " +
            "oldObject.?status.?conditions.orValue([]).filter(c, c.type != 'NetworkUnavailable')",
          message: "An agent tells the condition NetworkUnavailable and no other",
        },
      ],
    },
    {
      name: "pods",
      group: "",
      version: "v1",
      resources: ["pods/status"],
      validations: [
        {
          expression: "oldObject.spec.nodeName == variables.node",
          message: "An agent writes to pods of its own node alone",
        },
        {
          expression: [
            asBefore(["status", "metadata.?labels", "metadata.?finalizers"]),
            ...["object", "oldObject"].map(
              (one) => `${annotations(one)}.all(a, a == '${NETWORK_STATUS}' || ${SAME_ANNOTATION})`,
            ),
          ].join(" && "),
          message: `An agent writes nothing of a pod but the annotation ${NETWORK_STATUS}`,
        },
      ],
    },
    {
      name: "heartbeats",
      group: "coordination.k8s.io",
      version: "v1",
      resources: ["leases"],
      validations: [
        {
          expression: `namespaceObject.metadata.name == '${namespace}' && (${isNamed} || object.metadata.name.startsWith('session-'))`,
          message: "An agent gives signs of life of its own node alone",
        },
      ],
      deletion: {
        expression: `namespaceObject.metadata.name == '${namespace}' && (oldObject.metadata.name == variables.node || oldObject.metadata.name.startsWith('session-'))`,
        message: "An agent takes back signs of life of its own node alone",
      },
    },
  ];
}

/** That fields are as they were. The types of some, such as quantities, are unknown to CEL's checker. */
function asBefore(fields: readonly string[]): string {
  return fields.map((field) => `dyn(object).?${field} == dyn(oldObject).?${field}`).join(" && ");
}

/** The annotations of an object in CEL. */
function annotations(object: string): string {
  return `${object}.?metadata.?annotations.orValue({})`;
}

/** That the annotation `a` is as it was, or is missing as before. */
const SAME_ANNOTATION = `${annotations("object")}[?a] == ${annotations("oldObject")}[?a]`;

/** The key under which the API server tells the node of the pod that a token was made for. */
const NODE_CLAIM = "authentication.kubernetes.io/node-name";

function policyObjects(policy: Policy, namespace: string): ManifestObject[] {
  const { name, group, version, resources, deletion } = policy;
  const metadata = { name: `${AGENT}-${name}`, labels: LABELS };
  const node = `request.userInfo.extra['${NODE_CLAIM}'][0]`;
  return [
    {
      apiVersion: ADMISSION,
      kind: "ValidatingAdmissionPolicy",
      metadata,
      spec: {
        failurePolicy: "Fail",
        matchConstraints: {
          resourceRules: [
            {
              apiGroups: [group],
              apiVersions: [version],
              operations: ["CREATE", "UPDATE", ...(deletion === undefined ? [] : ["DELETE"])],
              resources,
            },
          ],
        },
        matchConditions: [
          {
            name: "by-an-agent",
            expression: `request.userInfo.username == 'system:serviceaccount:${namespace}:${AGENT}'`,
          },
        ],
        variables: [{ name: "node", expression: `'${NODE_CLAIM}' in request.userInfo.extra ? ${node} : 'none'` }],
        validations: validationsOf(policy).map((validation) => ({ ...validation, reason: "Forbidden" })),
      },
    },
    {
      apiVersion: ADMISSION,
      kind: "ValidatingAdmissionPolicyBinding",
      metadata,
      spec: { policyName: metadata.name, validationActions: ["Deny"] },
    },
  ];
}

/** There is no `object` where one is deleted. */
function validationsOf({ validations, deletion }: Policy): readonly Validation[] {
  if (deletion === undefined) return validations;
  return [
    ...validations.map(({ expression, message }) => ({
      expression: `request.operation == 'DELETE' || (${expression})`,
      message,
    })),
    { expression: `request.operation != 'DELETE' || (${deletion.expression})`, message: deletion.message },
  ];
}
