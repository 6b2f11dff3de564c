import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { DecodeError } from "../../core/errors.ts";
import { ApiClient } from "../../store/kubernetes/client.ts";
import { networksOfCommand, networksOfKubeadm, networksOfProxy, readClusterNetworks } from "./cluster-networks.ts";

/** As `kubectl get configmap --namespace kube-system kubeadm-config` has it. */
const KUBEADM = `apiServer: {}
apiVersion: kubeadm.k8s.io/v1beta4
clusterName: kubernetes
kind: ClusterConfiguration
networking:
  dnsDomain: cluster.local
  podSubnet: 10.244.0.0/16,fd00:10:244::/56
  serviceSubnet: 10.96.0.0/16
`;

const PROXY = `apiVersion: kubeproxy.config.k8s.io/v1alpha1
clusterCIDR: 10.32.0.0/12
kind: KubeProxyConfiguration
mode: ""
`;

describe("the networks of pods", () => {
  test("of kubeadm", () => {
    expect(networksOfKubeadm({ ClusterConfiguration: KUBEADM })).toEqual(["10.244.0.0/16", "fd00:10:244::/56"]);
    expect(networksOfKubeadm({ ClusterConfiguration: "networking:\n  serviceSubnet: 10.96.0.0/16\n" })).toEqual([]);
    expect(networksOfKubeadm({ ClusterConfiguration: "networking:\n  podSubnet: ''\n" })).toEqual([]);
    for (const text of ["", "a word", "- a list", "networking:"]) {
      expect(networksOfKubeadm({ ClusterConfiguration: text })).toEqual([]);
    }
    expect(networksOfKubeadm({})).toEqual([]);
    expect(() => networksOfKubeadm({ ClusterConfiguration: "networking: { podSubnet: many }" })).toThrow(DecodeError);
    expect(() => networksOfKubeadm({ ClusterConfiguration: "networking: { podSubnet: 7 }" })).toThrow(DecodeError);
  });

  test("of kube-proxy", () => {
    expect(networksOfProxy({ "config.conf": PROXY, "kubeconfig.conf": "" })).toEqual(["10.32.0.0/12"]);
    expect(networksOfProxy({ "config.conf": 'clusterCIDR: ""' })).toEqual([]);
    expect(networksOfProxy({})).toEqual([]);
  });

  test("of a program's command line, in both ways to write it", () => {
    const flag = "--cluster-cidr";
    expect(networksOfCommand({ command: ["kube-controller-manager", `${flag}=10.42.0.0/16`] })).toEqual([
      "10.42.0.0/16",
    ]);
    expect(networksOfCommand({ args: [flag, "10.42.1.2/16, fd00::/56", "--v=2"] })).toEqual([
      "10.42.0.0/16",
      "fd00::/56",
    ]);
    expect(networksOfCommand({ args: [`${flag}=10.0.0.0/8`, `${flag}=10.42.0.0/16`] })).toEqual(["10.42.0.0/16"]);
    for (const args of [[], ["--cluster-cidr-mask=7"], [`${flag}=`], [flag]])
      expect(networksOfCommand({ args })).toEqual([]);
  });
});

describe("of a cluster is taken", () => {
  /** What the server has by its paths; a number is the status of a refusal. */
  let objects: Record<string, object | number> = {};
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      const { pathname, searchParams } = new URL(request.url);
      const path = `${pathname}${searchParams.get("labelSelector") ?? ""}`;
      const found = objects[path] ?? 404;
      if (typeof found !== "number") return Response.json(found);
      return Response.json({ message: "no", reason: found === 404 ? "NotFound" : "Forbidden" }, { status: found });
    },
  });
  const client = new ApiClient({ source: () => ({ servers: [`http://127.0.0.1:${server.port}`], tls: {} }) });
  afterAll(() => {
    client.close();
    server.stop(true);
  });
  beforeEach(() => {
    objects = {};
  });
  const maps = "/api/v1/namespaces/kube-system/configmaps";
  const pods = "/api/v1/namespaces/kube-system/pods";
  const manager = {
    metadata: { name: "manager-1" },
    spec: { containers: [{ args: ["--cluster-cidr=10.42.0.0/16"] }] },
  };

  test("what says it first: kubeadm, kube-proxy, a command line", async () => {
    expect(await readClusterNetworks(client)).toBeUndefined();
    objects[`${pods}k8s-app in (kube-controller-manager,kube-proxy)`] = {
      items: [{ metadata: { name: "proxy" }, spec: { containers: [{ args: ["--config=/a"] }] } }, manager],
    };
    objects[`${pods}component in (kube-controller-manager,kube-proxy)`] = { items: [] };
    expect(await readClusterNetworks(client)).toEqual({
      networks: ["10.42.0.0/16"],
      source: "--cluster-cidr of pod kube-system/manager-1",
    });
    objects[`${maps}/kube-proxy`] = { data: { "config.conf": PROXY } };
    expect(await readClusterNetworks(client)).toEqual({
      networks: ["10.32.0.0/12"],
      source: "ConfigMap kube-system/kube-proxy",
    });
    objects[`${maps}/kubeadm-config`] = { data: { ClusterConfiguration: KUBEADM } };
    expect((await readClusterNetworks(client))?.source).toBe("ConfigMap kube-system/kubeadm-config");
  });

  test("nothing of what may not be read or says nothing", async () => {
    objects[`${maps}/kubeadm-config`] = 403;
    objects[`${maps}/kube-proxy`] = {};
    expect(await readClusterNetworks(client)).toBeUndefined();
  });

  test("nothing else where a place cannot be understood: that is told", async () => {
    objects[`${maps}/kubeadm-config`] = { data: { ClusterConfiguration: "networking: { podSubnet: [" } };
    await expect(readClusterNetworks(client)).rejects.toThrow(
      "ConfigMap kube-system/kubeadm-config cannot be understood",
    );
    objects[`${maps}/kubeadm-config`] = { data: { ClusterConfiguration: "networking: { podSubnet: many }" } };
    await expect(readClusterNetworks(client)).rejects.toThrow('"many" are no networks in CIDR notation');
  });
});
