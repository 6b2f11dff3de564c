/** A service account with its roles: one for the whole cluster, one for its namespace, and one for another one where it needs it. */

import { LABELS, type ManifestObject } from "./options.ts";

const RBAC = "rbac.authorization.k8s.io";

/** @see rbac.authorization.k8s.io/v1 PolicyRule */
export interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

export interface Rights {
  readonly cluster: readonly Rule[];
  /** In the namespace of the account. */
  readonly own: readonly Rule[];
  /** In one namespace more. */
  readonly elsewhere?: { readonly namespace: string; readonly rules: readonly Rule[] };
}

/** All of one name. */
export function accountObjects(name: string, namespace: string, { cluster, own, elsewhere }: Rights): ManifestObject[] {
  const metadata = { name, labels: LABELS };
  const inNamespace = { ...metadata, namespace };
  const subjects = [{ kind: "ServiceAccount", name, namespace }];
  const roleRef = (kind: string) => ({ apiGroup: RBAC, kind, name });
  const apiVersion = `${RBAC}/v1`;
  return [
    { apiVersion: "v1", kind: "ServiceAccount", metadata: inNamespace },
    { apiVersion, kind: "ClusterRole", metadata, rules: cluster },
    { apiVersion, kind: "ClusterRoleBinding", metadata, roleRef: roleRef("ClusterRole"), subjects },
    { apiVersion, kind: "Role", metadata: inNamespace, rules: own },
    { apiVersion, kind: "RoleBinding", metadata: inNamespace, roleRef: roleRef("Role"), subjects },
    ...(elsewhere === undefined
      ? []
      : [
          {
            apiVersion,
            kind: "Role",
            metadata: { ...metadata, namespace: elsewhere.namespace },
            rules: elsewhere.rules,
          },
          {
            apiVersion,
            kind: "RoleBinding",
            metadata: { ...metadata, namespace: elsewhere.namespace },
            roleRef: roleRef("Role"),
            subjects,
          },
        ]),
  ];
}
