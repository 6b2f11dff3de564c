/** Which networks the pool is to have that is made where there is none, and why it cannot be made where it cannot. */

import { hasAddress, holds, overlap } from "../core/networks.ts";

/** Networks and where they stand. */
export interface Candidate {
  /** In CIDR notation, one of a family. */
  readonly networks: readonly string[];
  /** Such as `ConfigMap kube-system/kubeadm-config`. */
  readonly source: string;
}

/** What the networks have to fit to. */
export interface Surroundings {
  /** The node's own parts of the cluster's network of pods, where it is given such. */
  readonly podCidrs: readonly string[];
  /** Networks of Services. */
  readonly services: readonly string[];
  /** Addresses of nodes, without lengths. */
  readonly nodes: readonly string[];
}

/** Why a candidate cannot be the pods' networks, a sentence with what to do; undefined when it can. */
export function misfit({ networks, source }: Candidate, around: Surroundings): string | undefined {
  const said = `The pods' networks are ${networks.join(", ")} by ${source}`;
  const outside = around.podCidrs.find((cidr) => !networks.some((network) => holds(network, cidr)));
  if (outside !== undefined) {
    return `${said}, and the Node has ${outside} in its podCIDRs, which is none of it. ${setSubnet("the --cluster-cidr of the kube-controller-manager")}`;
  }
  const services = around.services.find((each) => networks.some((network) => overlap(network, each)));
  if (services !== undefined) {
    return `${said}, and Services have addresses of them, ${services}. ${setSubnet("networks that are nobody's")}`;
  }
  const node = around.nodes.find((address) => hasAddress(networks, address));
  if (node !== undefined) {
    return `${said}, and a node has an address of them, ${node}. ${setSubnet("networks that are nobody's")}`;
  }
  return undefined;
}

/** Nothing says which networks pods have. */
export function unknown(podCidrs: readonly string[]): string {
  const hint =
    podCidrs.length === 0
      ? "networks that are nobody's, such as 10.244.0.0/16"
      : `the --cluster-cidr of the kube-controller-manager, of which the Node has ${podCidrs.join(", ")}`;
  return `Nothing says which networks pods have: neither "subnet" of the agent's configuration, nor ConfigMap kubeadm-config or kube-proxy in kube-system, nor the command line of a kube-controller-manager or kube-proxy there. ${setSubnet(hint)}`;
}

function setSubnet(to: string): string {
  return `Set "subnet" in the agent's configuration to ${to}.`;
}
