/**
 * Pools that are refused at admission: such as have addresses of other pools, of Services or of nodes, and changes that
 * would leave what is in use outside.
 *
 * A rule about one object cannot see others, but a policy with parameters can: it is asked once for each object of the kind
 * that it names. What an API server cannot answer at the moment, or not at all because it does not know such a kind, it lets
 * pass (`Ignore`): the controller tells of it afterwards.
 * @see https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/#parameter-resources
 */

import { GROUP, VERSION } from "../../store/kubernetes/resources.ts";
import { LABELS, type ManifestObject } from "./options.ts";

const ADMISSION = "admissionregistration.k8s.io/v1";

interface PoolPolicy {
  readonly name: string;
  /** Of each object of this kind, `params`, it is asked. */
  readonly params: { readonly apiVersion: string; readonly kind: string };
  readonly operations: readonly ("CREATE" | "UPDATE" | "DELETE")[];
  /** In CEL; of other changes nothing is asked. */
  readonly condition: string;
  readonly expression: string;
  /** In CEL, what is told. */
  readonly message: string;
}

const OWN = `${GROUP}/${VERSION}`;

/** Neither of two networks, which are written without host bits, has an address of the other. */
function apart(a: string, b: string): string {
  return `!cidr(${a}).containsIP(cidr(${b}).ip()) && !cidr(${b}).containsIP(cidr(${a}).ip())`;
}

const HAS_NEW_ADDRESSES =
  "request.operation == 'CREATE' || object.spec.cidrs != oldObject.spec.cidrs || object.spec.excluded != oldObject.spec.excluded";
const HAS_OTHER_NETWORKS = "request.operation == 'DELETE' || object.spec.cidrs != oldObject.spec.cidrs";

const POLICIES: readonly PoolPolicy[] = [
  {
    name: "overlap",
    params: { apiVersion: OWN, kind: "Pool" },
    operations: ["CREATE", "UPDATE"],
    condition: HAS_NEW_ADDRESSES,
    expression: `params.metadata.name == object.metadata.name || object.spec.cidrs.all(c, params.spec.cidrs.all(p, ${apart("c", "p")}))`,
    message: "'overlaps ' + params.spec.cidrs.join(', ') + ' of pool ' + params.metadata.name",
  },
  {
    name: "services",
    params: { apiVersion: "networking.k8s.io/v1", kind: "ServiceCIDR" },
    operations: ["CREATE", "UPDATE"],
    condition: HAS_NEW_ADDRESSES,
    expression: `object.spec.cidrs.all(c, params.spec.cidrs.all(s, object.spec.excluded.exists(e, cidr(e).containsCIDR(s)) || (${apart("c", "s")})))`,
    message: "'overlaps ' + params.spec.cidrs.join(', ') + ', the addresses of Services, which it does not exclude'",
  },
  {
    name: "nodes",
    params: { apiVersion: "v1", kind: "Node" },
    operations: ["CREATE", "UPDATE"],
    condition: HAS_NEW_ADDRESSES,
    expression:
      "params.status.?addresses.orValue([]).all(a, !isIP(a.address) || object.spec.excluded.exists(e, cidr(e).containsIP(a.address)) || !object.spec.cidrs.exists(c, cidr(c).containsIP(a.address)))",
    message: "'holds an address of node ' + params.metadata.name + ', which it does not exclude'",
  },
  {
    name: "blocks",
    params: { apiVersion: OWN, kind: "Block" },
    operations: ["UPDATE", "DELETE"],
    condition: HAS_OTHER_NETWORKS,
    expression:
      "params.spec.pool != request.name || (request.operation == 'UPDATE' && object.spec.cidrs.exists(c, cidr(c).containsCIDR(params.spec.cidr)))",
    message: "'would leave out ' + params.spec.cidr + ', which is claimed by node ' + params.spec.node",
  },
  {
    name: "reservations",
    params: { apiVersion: OWN, kind: "Reservation" },
    operations: ["UPDATE"],
    condition: HAS_OTHER_NETWORKS,
    expression:
      "params.spec.addresses.all(a, !oldObject.spec.cidrs.exists(c, cidr(c).containsIP(a)) || object.spec.cidrs.exists(c, cidr(c).containsIP(a)))",
    message: "'would leave out ' + params.spec.addresses.join(', ') + ', reserved for ' + params.spec.owner",
  },
];

export function poolPolicies(): ManifestObject[] {
  return POLICIES.flatMap(objectsOf);
}

function objectsOf({ name, params, operations, condition, expression, message }: PoolPolicy): ManifestObject[] {
  const metadata = { name: `tendril-pools-${name}`, labels: LABELS };
  return [
    {
      apiVersion: ADMISSION,
      kind: "ValidatingAdmissionPolicy",
      metadata,
      spec: {
        failurePolicy: "Ignore",
        paramKind: params,
        matchConstraints: {
          resourceRules: [{ apiGroups: [GROUP], apiVersions: [VERSION], operations, resources: ["pools"] }],
        },
        matchConditions: [{ name: "changes-addresses", expression: condition }],
        validations: [{ expression, messageExpression: message, reason: "Invalid" }],
      },
    },
    {
      apiVersion: ADMISSION,
      kind: "ValidatingAdmissionPolicyBinding",
      metadata,
      spec: {
        policyName: metadata.name,
        validationActions: ["Deny"],
        paramRef: { selector: {}, parameterNotFoundAction: "Allow" },
      },
    },
  ];
}
