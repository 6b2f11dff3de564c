/**
 * The result of an attachment in the newest form of the CNI specification (1.1.0); `cni/results/` converts it to and
 * from the older ones.
 * @see https://www.cni.dev/docs/spec/#add-success
 */

export interface ResultInterface {
  name: string;
  mac?: string;
  mtu?: number;
  /** Path of the network namespace; absent for an interface of the host. */
  sandbox?: string;
  socketPath?: string;
  pciID?: string;
}

export interface ResultAddress {
  /** In CIDR notation, such as `10.1.0.5/16`. */
  address: string;
  gateway?: string;
  /** Index into `interfaces`. */
  interface?: number;
}

export interface ResultRoute {
  /** In CIDR notation. */
  dst: string;
  gw?: string;
  mtu?: number;
  advmss?: number;
  priority?: number;
  table?: number;
  scope?: number;
}

export interface Dns {
  nameservers?: string[];
  domain?: string;
  search?: string[];
  options?: string[];
}

export interface Result {
  interfaces?: ResultInterface[];
  ips?: ResultAddress[];
  routes?: ResultRoute[];
  dns?: Dns;
}
