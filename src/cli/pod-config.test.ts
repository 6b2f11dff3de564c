import { expect, test } from "bun:test";
import { type PodFacts, wishesOf } from "../agent/pods/annotations.ts";
import { AnnotationError } from "../core/errors.ts";
import { parseTendrilConfig } from "../plugins/interface/tendril-config.ts";
import { withWishes } from "./pod-config.ts";

const COMPLETE = { cniVersion: "1.1.0", name: "tendril", type: "tendril", ipam: { type: "tendril", pool: "default" } };

function podWith(annotations: Record<string, string>): PodFacts {
  const facts = { namespace: "shop", name: "web-0", uid: "u", controller: undefined };
  return { ...facts, annotations, namespaceAnnotations: {} };
}

function completed(annotations: Record<string, string>, config: object = COMPLETE): Record<string, unknown> {
  const pod = podWith(annotations);
  return withWishes(config as Record<string, unknown>, wishesOf(pod), pod);
}

test("a pod that asks for nothing has the network's own configuration", () => {
  expect(completed({})).toEqual({ ...COMPLETE, runtimeConfig: {} });
});

test("what a pod asks for goes over what the runtime says, and the rest of that stays", () => {
  const runtimeConfig = {
    mac: "02:00:00:00:00:01",
    portMappings: [{ hostPort: 80, containerPort: 80, protocol: "tcp" }],
    bandwidth: { ingressRate: 1, ingressBurst: 4294967295 },
  };
  const annotations = {
    "tendril.dev/pool": "storage",
    "tendril.dev/addresses": "10.1.0.9",
    "tendril.dev/mac": "02:00:00:00:00:09",
    "kubernetes.io/ingress-bandwidth": "100M",
    "kubernetes.io/egress-bandwidth": "8k",
  };
  const config = completed(annotations, { ...COMPLETE, runtimeConfig });
  expect(config.ipam).toEqual({ type: "tendril", pool: "storage", addresses: ["10.1.0.9"] });
  expect(config.runtimeConfig).toEqual({
    mac: "02:00:00:00:00:09",
    portMappings: runtimeConfig.portMappings,
    bandwidth: {
      ingressRate: 100_000_000,
      ingressBurst: 10_000_000,
      egressRate: 8000,
      egressBurst: 1_048_576,
    },
  });
});

test("the plugin takes the rates of any annotation", () => {
  for (const rate of ["1k", "10M", "1P"]) {
    const config = completed({ "kubernetes.io/egress-bandwidth": rate }) as unknown as typeof COMPLETE;
    const { egress } = parseTendrilConfig(config, new Map()).bandwidth;
    expect(egress?.burst).toBeGreaterThanOrEqual(64 * 1024);
  }
});

test("addresses of another IPAM plugin are none of the cluster's", () => {
  const other = { ...COMPLETE, ipam: { type: "host-local" } };
  for (const [name, value] of [
    ["tendril.dev/pool", "storage"],
    ["tendril.dev/addresses", "10.1.0.9"],
    ["tendril.dev/sticky", "true"],
  ] as const) {
    expect(() => completed({ [name]: value }, other)).toThrow(AnnotationError);
    expect(() => completed({ [name]: value }, other)).toThrow(
      `Annotation "${name}" of pod "shop/web-0" is for addresses of the cluster, and the network has them of the IPAM plugin "host-local": "${value}"`,
    );
  }
  expect(completed({ "tendril.dev/mac": "02:00:00:00:00:09" }, other).ipam).toEqual({ type: "host-local" });
});
