/**
 * What the agents may do at the API server. What RBAC cannot say, that an agent writes for its own node alone, admission
 * policies say, by the node that the API server has written into the token of the agent's pod.
 *
 * @see https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
 */

import { GROUP, VERSION } from "../../store/kubernetes/resources.ts";
import { accountObjects, type Rule } from "./account.ts";
import { AGENT, type InstallOptions, LABELS, type ManifestObject } from "./options.ts";

const ADMISSION = "admissionregistration.k8s.io/v1";
const READ = ["get", "list", "watch"];

const RULES: readonly Rule[] = [
  // What pods ask for of their network, and what is wrong with it.
  { apiGroups: [""], resources: ["pods", "namespaces"], verbs: READ },
  { apiGroups: ["events.k8s.io"], resources: ["events"], verbs: ["create"] },
  { apiGroups: [GROUP], resources: ["tendrilnodes"], verbs: [...READ, "create", "patch"] },
  { apiGroups: [GROUP], resources: ["pools"], verbs: [...READ, "create"] },
  { apiGroups: [GROUP], resources: ["blocks", "reservations"], verbs: [...READ, "create", "patch", "delete"] },
];

const OWN_RULES: readonly Rule[] = [
  { apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: [...READ, "create", "patch", "delete"] },
];

/** The account, its roles and the policies. */
export function accessObjects({ namespace }: InstallOptions): ManifestObject[] {
  return [
    ...accountObjects(AGENT, namespace, { cluster: RULES, own: OWN_RULES }),
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
  readonly resource: string;
  readonly validations: readonly Validation[];
  /** Of what is deleted, `oldObject`; unless given, what RBAC says of it is all that is said. */
  readonly deletion?: Validation;
}

function policies(namespace: string): Policy[] {
  const own = { group: GROUP, version: VERSION };
  const isNamed = "object.metadata.name == variables.node";
  return [
    {
      ...own,
      name: "nodes",
      resource: "tendrilnodes",
      validations: [{ expression: isNamed, message: "An agent writes its own node alone" }],
    },
    {
      ...own,
      name: "pools",
      resource: "pools",
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
      resource: "blocks",
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
      resource: "reservations",
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
      name: "heartbeats",
      group: "coordination.k8s.io",
      version: "v1",
      resource: "leases",
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

/** The key under which the API server tells the node of the pod that a token was made for. */
const NODE_CLAIM = "authentication.kubernetes.io/node-name";

function policyObjects(policy: Policy, namespace: string): ManifestObject[] {
  const { name, group, version, resource, deletion } = policy;
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
              resources: [resource],
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
